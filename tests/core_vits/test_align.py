"""The native alignment search: equal to the oracle and to Piper's own paths, and never out of bounds."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from core_vits import _align
from core_vits.align import AlignmentError, align, maximum_path
from core_vits.align_reference import reference_path


def random_case(rng: np.random.Generator, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores [B, F, T] with frame and text lengths; `kind` says which corner it visits."""
    utterances = int(rng.integers(1, 5))
    phonemes = rng.integers(1, 30, utterances)
    spare = 0 if kind == "as many phonemes as frames" else rng.integers(0, 40, utterances)
    frames = phonemes + spare
    shape = (utterances, int(frames.max()) + int(rng.integers(0, 4)), int(phonemes.max()) + int(rng.integers(0, 4)))
    if kind == "ties":
        score = rng.integers(-2, 3, shape).astype(np.float32)
    else:
        score = rng.normal(0, 30, shape).astype(np.float32)
    return score, frames, phonemes


@pytest.mark.parametrize("kind", ["random", "ties", "as many phonemes as frames"])
def test_native_path_equals_the_oracle(kind: str) -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        score, frames, phonemes = random_case(rng, kind)
        expected = np.zeros_like(score)
        for item, (frame_count, phoneme_count) in enumerate(zip(frames, phonemes, strict=True)):
            inside = np.s_[item, :frame_count, :phoneme_count]
            expected[inside] = reference_path(score[inside])
        path = maximum_path(torch.from_numpy(score), torch.from_numpy(frames), torch.from_numpy(phonemes))
        np.testing.assert_array_equal(path.numpy(), expected)


def test_native_path_equals_every_recorded_path_of_piper(shared: Path) -> None:
    cases = np.load(shared / "fixtures" / "parity" / "mas_cases.npz")
    names = sorted({name.rsplit("_", 1)[0] for name in cases.files})
    assert len(names) == 7
    for name in names:
        score, frames, phonemes, path = (cases[f"{name}_{part}"] for part in ("value", "ty", "tx", "path"))
        ours = maximum_path(torch.from_numpy(score), torch.from_numpy(frames), torch.from_numpy(phonemes))
        np.testing.assert_array_equal(ours.numpy().astype(path.dtype), path, err_msg=name)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), float("-inf"), -1e30])
def test_poisoned_scores_still_give_a_path_through_every_phoneme_in_order(poison: float) -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        score, frames, phonemes = random_case(rng, "random")
        score[rng.random(score.shape) < 0.3] = poison
        found = align(torch.from_numpy(score), torch.from_numpy(frames), torch.from_numpy(phonemes))
        for item, (frame_count, phoneme_count) in enumerate(zip(frames, phonemes, strict=True)):
            index = found.phoneme_of_frame_BF[item, :frame_count].numpy()
            assert index[0] == 0
            assert index[-1] == phoneme_count - 1
            assert set(np.diff(index)) <= {0, 1}
            assert found.durations_BT[item].sum() == frame_count


def test_more_phonemes_than_frames_is_a_named_error() -> None:
    with pytest.raises(AlignmentError, match=r"utterance 1: 5 phonemes cannot be aligned to 4 frames"):
        maximum_path(torch.zeros(2, 8, 6), torch.tensor([8, 4]), torch.tensor([6, 5]))


@pytest.mark.parametrize(
    ("frames", "phonemes", "said"),
    [
        ([9], [2], "9 frames do not fit a score of 8"),
        ([8], [7], "7 phonemes do not fit a score of 6"),
        ([-1], [2], "-1 frames do not fit"),
        ([8], [-3], "-3 phonemes do not fit"),
        ([8], [0], "0 phonemes cannot be aligned to 8 frames"),
        ([8, 8], [6, 6], "one entry an utterance: 1"),
    ],
)
def test_lengths_that_do_not_fit_are_named_errors(frames: list[int], phonemes: list[int], said: str) -> None:
    with pytest.raises(AlignmentError, match=said):
        maximum_path(torch.zeros(1, 8, 6), torch.tensor(frames), torch.tensor(phonemes))


def test_durations_count_the_frames_of_the_path() -> None:
    score, frames, phonemes = random_case(np.random.default_rng(1), "random")
    arguments = torch.from_numpy(score), torch.from_numpy(frames), torch.from_numpy(phonemes)
    path_BFT = maximum_path(*arguments)
    torch.testing.assert_close(align(*arguments).durations_BT, path_BFT.sum(1).long())


def test_result_keeps_dtype_and_leaves_the_scores_alone() -> None:
    score = torch.randn(2, 9, 4, dtype=torch.float64)
    before = score.clone()
    path = maximum_path(score, torch.tensor([9, 7]), torch.tensor([4, 3]))
    assert path.dtype == torch.float64
    torch.testing.assert_close(score, before, rtol=0, atol=0)


def test_arguments_are_taken_in_place_or_refused_never_copied() -> None:
    """An implicit conversion would write the result to a copy and lose it."""
    score, lengths = torch.zeros(1, 4, 2), torch.tensor([4])
    good = torch.full((1, 4), -7, dtype=torch.int32), torch.zeros((1, 2), dtype=torch.int32)
    _align.align(score, lengths, torch.tensor([2]), *good)
    assert good[0].tolist() != [[-7] * 4]
    with pytest.raises(TypeError):
        _align.align(score, lengths, torch.tensor([2]), good[0].long(), good[1])
    with pytest.raises(TypeError):
        _align.align(score.transpose(1, 2), lengths, torch.tensor([2]), *good)


def test_one_thread_and_many_threads_agree() -> None:
    score = torch.randn(16, 300, 90)
    frames, phonemes = torch.full((16,), 300), torch.full((16,), 90)
    results = []
    for threads in (1, 4):
        index, durations = torch.empty((16, 300), dtype=torch.int32), torch.empty((16, 90), dtype=torch.int32)
        _align.align(score, frames, phonemes, index, durations, threads)
        results.append(index)
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)


def test_other_python_threads_run_while_it_searches() -> None:
    """The GIL is released: a Python thread makes progress during one long call."""
    score = torch.randn(8, 3000, 1000)
    frames, phonemes = torch.full((8,), 3000), torch.full((8,), 1000)
    index, durations = torch.empty((8, 3000), dtype=torch.int32), torch.empty((8, 1000), dtype=torch.int32)
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        begin = time.perf_counter()
        _align.align(score, frames, phonemes, index, durations, 1)
        end = time.perf_counter()
    finally:
        stop.set()
        thread.join()
    assert any(begin < moment < end for moment in ticks)
