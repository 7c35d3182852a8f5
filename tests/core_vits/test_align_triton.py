"""The alignment search for GPUs, run by Triton's interpreter on the CPU, and compiled for GPUs that are not here."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from align_oracle import KINDS, Case, best_index, counted, random_case
from numpy.typing import NDArray

from core_vits import align as alignment
from core_vits.align import AlignmentError, gpu_search

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None,
    reason="triton is not here: CUDA builds of torch bring it (1 GB); for these tests: pip install --no-deps triton",
)

INTERPRET = """
import sys
import numpy as np
import torch
from core_vits.align_triton import search

given, found = np.load(sys.argv[1]), {}
for name in sorted({key.split(":")[0] for key in given}):
    tensors = [torch.from_numpy(given[f"{name}:{part}"]) for part in ("score", "frames", "phonemes")]
    try:
        with np.errstate(all="ignore"):  # the interpreter computes with numpy, and there are cases of NaN
            index, durations = search(*tensors)
    except RuntimeError as error:
        found[f"{name}:error"] = np.array(str(error))
    else:
        found[f"{name}:index"], found[f"{name}:durations"] = index.numpy(), durations.numpy()
np.savez(sys.argv[2], **found)
"""


def new_python(script: str, *arguments: object, **environment: str) -> str:
    """What a new process prints: whether kernels are interpreted is decided when triton is loaded."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def make_cases() -> dict[str, Case]:
    rng = np.random.default_rng(21)
    cases = {kind: random_case(rng, kind, utterances=8, most_phonemes=20, most_spare=25) for kind in KINDS}
    for poison in (np.nan, np.inf, -np.inf, -3e38):
        case = random_case(rng, "random", utterances=4, most_phonemes=12, most_spare=12)
        case.score_BFT[rng.random(case.score_BFT.shape) < 0.3] = poison
        cases[f"poison {poison}"] = case
    zeros = np.zeros((2, 4, 6), dtype=np.float32)
    cases["too many"] = Case(score_BFT=zeros, frames_B=np.array([4, 4]), phonemes_B=np.array([4, 5]))
    cases["nothing"] = Case(score_BFT=zeros, frames_B=np.array([4, 0]), phonemes_B=np.array([4, 0]))
    return cases


CASES = make_cases()


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NDArray[np.int64]]:
    """What the interpreted kernel finds for each case, under "name:index", "name:durations" and "name:error"."""
    given: Path = tmp_path_factory.mktemp("triton") / "given.npz"
    arrays = {}
    for name, case in CASES.items():
        arrays |= {
            f"{name}:score": case.score_BFT,
            f"{name}:frames": case.frames_B,
            f"{name}:phonemes": case.phonemes_B,
        }
    np.savez(given, **arrays)
    new_python(INTERPRET, given, given.with_name("found.npz"), TRITON_INTERPRET="1")
    with np.load(given.with_name("found.npz")) as found:
        return dict(found)


@needs_triton
@pytest.mark.parametrize("kind", KINDS)
def test_interpreted_kernel_equals_the_oracle(interpreted: dict[str, NDArray[np.int64]], kind: str) -> None:
    expected = best_index(CASES[kind])
    np.testing.assert_array_equal(interpreted[f"{kind}:index"], expected)
    np.testing.assert_array_equal(interpreted[f"{kind}:durations"], counted(expected, CASES[kind].score_BFT.shape[2]))


@needs_triton
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("poison")])
def test_interpreted_kernel_goes_through_poison_as_the_native_ones_do(
    interpreted: dict[str, NDArray[np.int64]], name: str
) -> None:
    case = CASES[name]
    found = alignment.align(*map(torch.from_numpy, (case.score_BFT, case.frames_B, case.phonemes_B)))
    np.testing.assert_array_equal(interpreted[f"{name}:index"], found.phoneme_of_frame_BF.numpy())
    np.testing.assert_array_equal(interpreted[f"{name}:durations"], found.durations_BT.numpy())


@needs_triton
def test_more_phonemes_than_frames_stops_the_step_and_nothing_to_align_does_not(
    interpreted: dict[str, NDArray[np.int64]],
) -> None:
    assert "more phonemes than frames" in str(interpreted["too many:error"])
    assert interpreted["nothing:index"].tolist() == [[0, 1, 2, 3], [-1, -1, -1, -1]]
    assert interpreted["nothing:durations"].tolist() == [[1, 1, 1, 1, 0, 0], [0] * 6]


def test_lengths_on_the_host_are_checked_by_name_before_the_kernel_runs() -> None:
    def never(*_: object) -> tuple[torch.Tensor, torch.Tensor]:
        raise AssertionError("the kernel must not run")

    with pytest.raises(AlignmentError, match="utterance 1: 5 phonemes cannot be aligned to 4 frames"):
        alignment._align_there(never, torch.zeros(2, 8, 6), torch.tensor([8, 4]), torch.tensor([6, 5]))
    with pytest.raises(AlignmentError, match="one entry an utterance: 2"):
        alignment._align_there(never, torch.zeros(2, 8, 6), torch.tensor([8]), torch.tensor([6]))


def test_without_triton_the_cpu_searches(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "core_vits.align_triton", None)
    monkeypatch.delattr("core_vits.align_triton", raising=False)
    gpu_search.cache_clear()
    try:
        with caplog.at_level("INFO"):
            assert gpu_search() is None
    finally:
        gpu_search.cache_clear()
    assert "alignment on the CPU: Triton is not installed" in caplog.text


@needs_triton
@pytest.mark.parametrize(("architecture", "width", "warps"), [(75, 128, 1), (90, 512, 4)])
def test_the_kernel_compiles_for_gpus_that_are_not_here(architecture: int, width: int, warps: int) -> None:
    """The interpreter lets pass what the compiler refuses."""
    ptx = new_python(f"""
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from core_vits.align_triton import _search

kinds = dict.fromkeys(_search.arg_names, "*i64")
kinds |= dict(score="*fp32", directions="*i32", alignable="*i1", WIDTH="constexpr")
kinds |= dict.fromkeys(("most_frames", "most_phonemes", "words"), "i32")
source = ASTSource(fn=_search, signature=kinds, constexprs=dict(WIDTH={width}))
print(compile(source, target=GPUTarget("cuda", {architecture}, 32), options=dict(num_warps={warps})).asm["ptx"])
""")
    assert f".target sm_{architecture}" in ptx
    assert ".entry _search" in ptx


@needs_triton
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_finds_the_same_and_the_host_never_waits() -> None:
    case = random_case(np.random.default_rng(23), "ties", utterances=16, most_phonemes=200, most_spare=600)
    host = [torch.from_numpy(array) for array in (case.score_BFT, case.frames_B, case.phonemes_B)]
    there = [tensor.cuda() for tensor in host]
    assert gpu_search() is not None
    alignment.align(*there)  # the first call compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = alignment.align(*there)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    expected = alignment.align(*host)
    assert torch.equal(found.phoneme_of_frame_BF.cpu(), expected.phoneme_of_frame_BF)
    assert torch.equal(found.durations_BT.cpu(), expected.durations_BT)
