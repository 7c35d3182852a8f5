"""The alignment as the model calls it: the paths of the oracle and of Piper, and errors that name the utterance."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from align_oracle import KINDS, Case, best_index, counted, random_case

from core_vits import _align
from core_vits.align import AlignmentError, align, maximum_path


def tensors(case: Case) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.from_numpy(case.score_BFT), torch.from_numpy(case.frames_B), torch.from_numpy(case.phonemes_B)


@pytest.mark.parametrize("kind", KINDS)
def test_alignment_and_dense_path_equal_the_oracle(kind: str) -> None:
    case = random_case(np.random.default_rng(7), kind, utterances=50, most_phonemes=30, most_spare=40)
    index, phonemes = best_index(case), case.score_BFT.shape[2]
    found = align(*tensors(case))
    np.testing.assert_array_equal(found.phoneme_of_frame_BF.numpy(), index)
    np.testing.assert_array_equal(found.durations_BT.numpy(), counted(index, phonemes))
    np.testing.assert_array_equal(maximum_path(*tensors(case)).numpy(), index[:, :, None] == np.arange(phonemes))


def test_native_path_equals_every_recorded_path_of_piper(shared: Path) -> None:
    cases = np.load(shared / "fixtures" / "parity" / "mas_cases.npz")
    names = sorted({name.rsplit("_", 1)[0] for name in cases.files})
    assert len(names) == 7
    for name in names:
        score, frames, phonemes, path = (cases[f"{name}_{part}"] for part in ("value", "ty", "tx", "path"))
        ours = maximum_path(torch.from_numpy(score), torch.from_numpy(frames), torch.from_numpy(phonemes))
        np.testing.assert_array_equal(ours.numpy().astype(path.dtype), path, err_msg=name)


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


def test_result_keeps_dtype_and_leaves_the_scores_alone() -> None:
    score = torch.randn(2, 9, 4, dtype=torch.float64)
    before = score.clone()
    path = maximum_path(score, torch.tensor([9, 7]), torch.tensor([4, 3]))
    assert path.dtype == torch.float64
    torch.testing.assert_close(score, before, rtol=0, atol=0)


def test_scores_that_need_a_gradient_and_strided_ones_are_aligned_too() -> None:
    score, lengths = torch.randn(2, 9, 4, requires_grad=True), (torch.tensor([9, 7]), torch.tensor([4, 3]))
    expected = maximum_path(score.detach(), *lengths)
    assert torch.equal(maximum_path(score, *lengths), expected)
    strided = score.detach().transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(maximum_path(strided, *lengths), expected)
    assert torch.equal(maximum_path(score, *(length.int() for length in lengths)), expected)


def test_arguments_are_taken_in_place_or_refused_never_copied() -> None:
    """An implicit conversion would write the result to a copy and lose it."""
    score, lengths = torch.zeros(1, 4, 2), torch.tensor([4])
    good = torch.full((1, 4), -7, dtype=torch.int64), torch.zeros((1, 2), dtype=torch.int64)
    _align.align(score, lengths, torch.tensor([2]), *good)
    assert good[0].tolist() != [[-7] * 4]
    with pytest.raises(TypeError):
        _align.align(score, lengths, torch.tensor([2]), good[0].int(), good[1])
    with pytest.raises(TypeError):
        _align.align(score.transpose(1, 2), lengths, torch.tensor([2]), *good)


def test_other_python_threads_run_while_it_searches() -> None:
    """The GIL is released: a Python thread makes progress amid a long call; on a busy machine not amid each."""
    score = torch.randn(8, 3000, 1000)
    frames, phonemes = torch.full((8,), 3000), torch.full((8,), 1000)
    index, durations = torch.empty((8, 3000), dtype=torch.int64), torch.empty((8, 1000), dtype=torch.int64)
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0005)

    def was_amid_a_call() -> bool:
        begin = time.perf_counter()
        _align.align(score, frames, phonemes, index, durations, 1)
        quarter = (time.perf_counter() - begin) / 4
        return any(begin + quarter < moment < begin + 3 * quarter for moment in list(ticks))

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        assert any(was_amid_a_call() for _ in range(100))
    finally:
        stop.set()
        thread.join()
