"""Monotonic alignment of frames to phonemes, computed by the native extension.

Legend: B utterances, F frames, T phonemes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core_vits import _align


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

    The search runs on the CPU in float32, on up to `torch.get_num_threads()` threads, without the GIL. A CPU
    float32 contiguous score is read in place. On equal scores a frame stays with the phoneme of the frame before.

    Args:
        score_BFT: log-likelihood of each frame under each phoneme, any device, any float type.
        frame_lengths_B: frames per utterance, at least as many as phonemes.
        text_lengths_B: phonemes per utterance, at least one.

    Returns:
        Phoneme of each frame and frames of each phoneme, on the device of `score_BFT`.

    Raises:
        AlignmentError: if an utterance has more phonemes than frames; names the utterance and both lengths.
    """
    score = score_BFT.detach().to("cpu", torch.float32).contiguous()
    utterances, frames, phonemes = score.shape
    phoneme_of_frame = torch.empty((utterances, frames), dtype=torch.int32)
    durations = torch.empty((utterances, phonemes), dtype=torch.int32)
    try:
        _align.align(
            score,
            frame_lengths_B.detach().to("cpu", torch.int64).contiguous(),
            text_lengths_B.detach().to("cpu", torch.int64).contiguous(),
            phoneme_of_frame,
            durations,
            torch.get_num_threads(),
        )
    except ValueError as error:
        raise AlignmentError(str(error)) from None
    device = score_BFT.device
    return Alignment(
        phoneme_of_frame_BF=phoneme_of_frame.to(device, torch.int64),
        durations_BT=durations.to(device, torch.int64),
    )


def maximum_path(score_BFT: Tensor, frame_lengths_B: Tensor, text_lengths_B: Tensor) -> Tensor:
    """The alignment of `align` as a dense path.

    Returns:
        A 0/1 path of the same shape, dtype and device as `score_BFT`; padding is 0.

    Raises:
        AlignmentError: if an utterance has more phonemes than frames; names the utterance and both lengths.
    """
    index_BF = align(score_BFT, frame_lengths_B, text_lengths_B).phoneme_of_frame_BF
    path_BFT = torch.zeros_like(score_BFT)
    inside_BF1 = (index_BF >= 0).to(path_BFT.dtype).unsqueeze(-1)
    return path_BFT.scatter_(2, index_BF.clamp_min(0).unsqueeze(-1), inside_BF1)
