"""Every kernel of the native search that this CPU can run: bit-equal to the oracles, and never out of bounds."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from align_oracle import KINDS, Case, best_index, classic_index, counted, random_case
from numpy.typing import NDArray

from core_vits import _align
from core_vits.align_reference import reference_path

KERNELS = _align.kernels()


def run(case: Case, kernel: str = "", threads: int = 1) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index and durations, over memory that holds garbage."""
    utterances, frames, phonemes = case.score_BFT.shape
    index = np.full((utterances, frames), -7, dtype=np.int64)
    durations = np.full((utterances, phonemes), -7, dtype=np.int64)
    _align.align(case.score_BFT, case.frames_B, case.phonemes_B, index, durations, threads, kernel)
    return index, durations


def assert_is_found(case: Case, expected_BF: NDArray[np.int64], kernel: str, threads: int = 1) -> None:
    index, durations = run(case, kernel, threads)
    np.testing.assert_array_equal(index, expected_BF)
    np.testing.assert_array_equal(durations, counted(expected_BF, case.score_BFT.shape[2]))


def test_the_fast_oracle_is_the_simple_one() -> None:
    rng = np.random.default_rng(5)
    for kind in KINDS:
        case = random_case(rng, kind, utterances=60, most_phonemes=20, most_spare=20)
        index = best_index(case)
        for item, (frames, phonemes) in enumerate(zip(case.frames_B, case.phonemes_B, strict=True)):
            path = reference_path(case.score_BFT[item, :frames, :phonemes])
            assert index[item, :frames].tolist() == path.argmax(1).tolist()
            assert set(index[item, frames:]) <= {-1}


@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_short_utterances_equal_the_oracle(kind: str) -> None:
    case = random_case(np.random.default_rng(11), kind, utterances=2_500, most_phonemes=40, most_spare=30)
    expected = best_index(case)
    for kernel in KERNELS:
        for threads in (1, 3):
            assert_is_found(case, expected, kernel, threads)


@pytest.mark.parametrize("kind", KINDS)
def test_long_utterances_equal_the_oracle(kind: str) -> None:
    """Long enough for every way of keeping the row: in registers of each number, and in memory."""
    rng = np.random.default_rng(12)
    for most_phonemes in (70, 130, 260, 450):
        case = random_case(rng, kind, utterances=12, most_phonemes=most_phonemes, most_spare=150)
        expected = best_index(case)
        for kernel in KERNELS:
            assert_is_found(case, expected, kernel)


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_width_up_to_two_words_of_directions_equals_the_oracle(kernel: str) -> None:
    """The tensor ends with its last phoneme, so that the last block never fits."""
    rng = np.random.default_rng(13)
    for phonemes in range(1, 130):
        case = Case(
            score_BFT=rng.standard_normal((2, phonemes + 9, phonemes), dtype=np.float32),
            frames_B=np.array([phonemes + 9, phonemes]),
            phonemes_B=np.array([phonemes, phonemes]),
        )
        assert_is_found(case, best_index(case), kernel)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), float("-inf"), -1e30, 3e38, -3e38])
def test_poisoned_scores_give_a_valid_path_and_the_same_one_from_every_kernel(poison: float) -> None:
    rng = np.random.default_rng(3)
    for share in (0.01, 0.3, 1.0):
        case = random_case(rng, "random", utterances=60, most_phonemes=80, most_spare=60)
        case.score_BFT[rng.random(case.score_BFT.shape) < share] = poison
        found, durations = run(case, KERNELS[0])
        for item, (frames, phonemes) in enumerate(zip(case.frames_B, case.phonemes_B, strict=True)):
            index = found[item, :frames]
            assert index[0] == 0
            assert index[-1] == phonemes - 1
            assert set(np.diff(index)) <= {0, 1}
            assert set(found[item, frames:]) <= {-1}
        np.testing.assert_array_equal(durations, counted(found, case.score_BFT.shape[2]))
        for kernel in KERNELS[1:]:
            np.testing.assert_array_equal(run(case, kernel)[0], found, err_msg=kernel)


def test_scores_that_no_path_can_use_change_nothing_whatever_they_are() -> None:
    rng = np.random.default_rng(14)
    case = random_case(rng, "random", utterances=40, most_phonemes=50, most_spare=40)
    expected = best_index(case)
    frame, phoneme = np.ogrid[: case.score_BFT.shape[1], : case.score_BFT.shape[2]]
    for item, (frames, phonemes) in enumerate(zip(case.frames_B, case.phonemes_B, strict=True)):
        usable = (phoneme <= frame) & (phoneme >= phonemes + frame - frames) & (frame < frames) & (phoneme < phonemes)
        outside = rng.choice(np.array([np.nan, np.inf, -np.inf, 1e30], dtype=np.float32), usable.shape)
        case.score_BFT[item] = np.where(usable, case.score_BFT[item], outside)
    for kernel in KERNELS:
        assert_is_found(case, expected, kernel)


def test_below_minus_a_billion_the_classic_recursion_loses_and_this_one_does_not() -> None:
    """Piper marks cells that can't be reached with -1e9, and prefers them to real scores that are lower."""
    rng = np.random.default_rng(15)
    worse = 0
    for _ in range(60):
        score = (rng.standard_normal((14, 6), dtype=np.float32) - np.float32(2)) * np.float32(1e9)
        case = Case(score_BFT=score[None], frames_B=np.array([14]), phonemes_B=np.array([6]))
        index = run(case)[0][0]
        assert index.tolist() == classic_index(score, -np.inf).tolist()
        ours, theirs = (score[np.arange(14), at].astype(np.float64).sum() for at in (index, classic_index(score, -1e9)))
        assert ours >= theirs
        worse += ours > theirs
    assert worse > 30


def test_an_unknown_kernel_is_named_with_those_that_are_here() -> None:
    case = random_case(np.random.default_rng(1), "random", utterances=1, most_phonemes=3, most_spare=3)
    with pytest.raises(ValueError, match=f"no alignment kernel 'abacus'; it has {', '.join(KERNELS)}"):
        run(case, "abacus")


def test_callers_at_the_same_time_do_not_disturb_one_another() -> None:
    rng = np.random.default_rng(16)
    cases = [random_case(rng, "ties", utterances=8, most_phonemes=120, most_spare=500) for _ in range(4)]
    expected = [best_index(case) for case in cases]
    with ThreadPoolExecutor(4) as callers:
        for _ in range(20):
            for (index, _), wanted in zip(callers.map(lambda case: run(case, threads=3), cases), expected, strict=True):
                np.testing.assert_array_equal(index, wanted)


def python(script: str) -> str:
    """What a new Python without torch prints; a crash of it is not ours."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    return done.stdout


def test_nothing_beyond_the_score_is_read() -> None:
    """The page behind the last score can't be read: the first look at it would end the process."""
    assert (
        python("""
import ctypes, mmap
import numpy as np
from core_vits import _align

PAGE = mmap.PAGESIZE
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
for phonemes in (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 100, 399, 401):
    frames = phonemes + 5
    size = frames * phonemes * 4
    pages = -(-size // PAGE)
    area = mmap.mmap(-1, (pages + 1) * PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    assert LIBC.mprotect(address + pages * PAGE, PAGE, 0) == 0
    score = np.frombuffer(area, np.float32, frames * phonemes, pages * PAGE - size).reshape(1, frames, phonemes)
    index, durations = np.zeros((1, frames), np.int64), np.zeros((1, phonemes), np.int64)
    for kernel in _align.kernels():
        _align.align(score, np.array([frames]), np.array([phonemes]), index, durations, 1, kernel)
        assert durations.sum() == frames
print("done")
""")
        == "done\n"
    )


def test_threads_are_kept_and_a_forked_child_gets_its_own() -> None:
    assert python("""
import os
import numpy as np
from core_vits import _align

def threads():
    return len(os.listdir("/proc/self/task"))

def align(threads):
    score, index = np.zeros((16, 500, 200), np.float32), np.zeros((16, 500), np.int64)
    durations = np.zeros((16, 200), np.int64)
    _align.align(score, np.full(16, 500), np.full(16, 200), index, durations, threads)
    assert (durations.sum(1) == 500).all()

before = threads()
for count in (1, 2, 4, 2, 4):
    align(count)
    print(threads() - before, end=" ", flush=True)
child = os.fork()
if child == 0:
    began = threads()
    align(3)
    print("child", threads() - began, flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""").split() == ["0", "1", "3", "3", "3", "child", "2"]
