"""Monotonic alignment of frames to phonemes: by the native extension, and on a GPU by a Triton kernel.

Legend: B utterances, F frames, T phonemes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core_vits import _align

logger = logging.getLogger(__name__)


class AlignmentError(ValueError):
    """An utterance cannot be aligned, for instance because it has more phonemes than frames."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alignment:
    """The most likely monotonic path of every utterance of a batch."""

    phoneme_of_frame_BF: Tensor
    """int64, which phoneme each frame belongs to; padding frames hold -1."""
    durations_BT: Tensor
    """int64, frames of each phoneme; padding phonemes hold 0."""


def align(score_BFT: Tensor, frame_lengths_B: Tensor, text_lengths_B: Tensor) -> Alignment:
    """Find the most likely monotonic alignment of frames to phonemes (Kim et al. 2020, Glow-TTS, sec. 3.1).

    On the CPU the search runs in float32, on up to `torch.get_num_threads()` threads, without the GIL, and reads a
    contiguous float32 score in place. A score on a CUDA device is searched there, and the host waits for nothing, if
    Triton works; otherwise it is copied to the CPU. On equal scores a frame stays with the phoneme of the frame before.

    The path is the best one whatever the size of the scores. The classic recursion, Piper's for one, marks cells that
    can't be reached with -1e9: once real cumulative scores fall below that, it prefers them, and gives a worse path.

    Args:
        score_BFT: log-likelihood of each frame under each phoneme, any device, any float type. NaN and infinities
            give some valid path.
        frame_lengths_B: frames per utterance, at least as many as phonemes.
        text_lengths_B: phonemes per utterance, at least one.

    Returns:
        Phoneme of each frame and frames of each phoneme, on the device of `score_BFT`.

    Raises:
        AlignmentError: if an utterance has more phonemes than frames; names the utterance and both lengths. Lengths
            that lie on a CUDA device, and are used there, raise torch's error of an assertion at a later call instead.
    """
    if score_BFT.is_cuda:
        search = gpu_search()
        if search is not None:
            return _align_there(search, score_BFT, frame_lengths_B, text_lengths_B)
    score = score_BFT.detach().to("cpu", torch.float32).contiguous()
    utterances, frames, phonemes = score.shape
    # Arrays share the memory of tensors, and the extension takes them ten times faster.
    phoneme_of_frame = np.empty((utterances, frames), dtype=np.int64)
    durations = np.empty((utterances, phonemes), dtype=np.int64)
    lengths = _on_host(frame_lengths_B), _on_host(text_lengths_B)
    try:
        _align.align(score.numpy(), *lengths, phoneme_of_frame, durations, torch.get_num_threads())
    except ValueError as error:
        raise AlignmentError(str(error)) from None
    device = score_BFT.device
    return Alignment(
        phoneme_of_frame_BF=torch.from_numpy(phoneme_of_frame).to(device),
        durations_BT=torch.from_numpy(durations).to(device),
    )


def maximum_path(score_BFT: Tensor, frame_lengths_B: Tensor, text_lengths_B: Tensor) -> Tensor:
    """The alignment of `align` as a dense path, which costs several times what `align` does.

    Returns:
        A 0/1 path of the same shape, dtype and device as `score_BFT`; padding is 0.

    Raises:
        AlignmentError: if an utterance has more phonemes than frames; names the utterance and both lengths.
    """
    index_BF = align(score_BFT, frame_lengths_B, text_lengths_B).phoneme_of_frame_BF
    path_BFT = torch.zeros_like(score_BFT)
    inside_BF1 = (index_BF >= 0).to(path_BFT.dtype).unsqueeze(-1)
    return path_BFT.scatter_(2, index_BF.clamp_min(0).unsqueeze(-1), inside_BF1)


Search = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


@cache
def gpu_search() -> Search | None:
    """The search by Triton, if it works here. Triton needs a C compiler when it runs, so it is tried once a process."""
    try:
        from core_vits import align_triton

        lengths = torch.ones(1, dtype=torch.int64, device="cuda")
        align_triton.search(torch.zeros((1, 1, 1), device="cuda"), lengths, lengths)
    except ImportError:
        logger.info("alignment on the CPU: Triton is not installed")
        return None
    except Exception as error:  # noqa: BLE001  # a compiler, a driver or Triton itself: any of them raises what it likes
        logger.warning("alignment on the CPU: Triton does not work here: %s", " ".join(str(error).split()))
        return None
    return align_triton.search


def _align_there(search: Search, score_BFT: Tensor, frame_lengths_B: Tensor, text_lengths_B: Tensor) -> Alignment:
    """Align on the device of the score. Lengths that are on the host anyway are checked there, by name."""
    utterances = (score_BFT.shape[0],)
    if frame_lengths_B.shape != utterances or text_lengths_B.shape != utterances:
        raise AlignmentError(f"lengths must have one entry an utterance: {utterances[0]}")
    if not (frame_lengths_B.is_cuda or text_lengths_B.is_cuda):
        try:
            _align.check(_on_host(frame_lengths_B), _on_host(text_lengths_B), *score_BFT.shape)
        except ValueError as error:
            raise AlignmentError(str(error)) from None
    there_BFT = score_BFT.detach()
    there = there_BFT.device
    phoneme_of_frame, durations = search(
        there_BFT,
        frame_lengths_B.detach().to(there, torch.int64, non_blocking=True),
        text_lengths_B.detach().to(there, torch.int64, non_blocking=True),
    )
    return Alignment(phoneme_of_frame_BF=phoneme_of_frame, durations_BT=durations)


def _on_host(lengths_B: Tensor) -> NDArray[np.int64]:
    lengths: NDArray[np.int64] = lengths_B.detach().to("cpu", torch.int64).contiguous().numpy()
    return lengths
