"""Masks from lengths, and windows cut out of a batch.

Legend: B utterances, C channels, X positions along the time axis (phonemes, frames or samples), L window length.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def length_mask(lengths_B: Tensor, size: int | Tensor, dtype: torch.dtype) -> Tensor:
    """1 where a position belongs to the utterance, 0 in its padding.

    Args:
        lengths_B: int64, positions per utterance.
        size: positions of the padded axis; a 0-dim tensor while tracing.
        dtype: of the mask.

    Returns:
        [B, 1, X].
    """
    positions_X = torch.arange(size, device=lengths_B.device)  # type: ignore[arg-type]
    return (positions_X.unsqueeze(0) < lengths_B.unsqueeze(1)).unsqueeze(1).to(dtype)


def slice_starts(lengths_B: Tensor, uniform_B: Tensor, length: int) -> Tensor:
    """Where each utterance's random window of `length` begins.

    Args:
        lengths_B: int64, positions per utterance.
        uniform_B: draws from [0, 1), one per utterance.
        length: of the window.

    Returns:
        int64 [B]; 0 for utterances shorter than the window.
    """
    choices_B = (lengths_B - length + 1).clamp_min(1)
    starts_B = (uniform_B * choices_B).to(torch.int64)
    # float32 rounds draws just below 1 up to the next window, which is not there.
    return torch.minimum(starts_B, choices_B - 1)


def slice_segments(x_BCX: Tensor, starts_B: Tensor, length: int) -> Tensor:
    """Cut one window per utterance in a single gather, without a host synchronisation per utterance.

    Args:
        x_BCX: any signal.
        starts_B: int64, first position of each window, not negative.
        length: of the windows.

    Returns:
        [B, C, L]; positions behind the end of `x_BCX` are zero.
    """
    offsets_L = torch.arange(length, device=x_BCX.device)
    positions_B1L = (starts_B.unsqueeze(1) + offsets_L).unsqueeze(1)
    # One more zero at the end is where every position outside reads.
    padded = functional.pad(x_BCX, (0, 1))
    positions_B1L = positions_B1L.clamp_max(x_BCX.shape[2])
    return padded.gather(2, positions_B1L.expand(-1, x_BCX.shape[1], -1))


def pad_to(x_BCX: Tensor, length: int) -> Tensor:
    """Zero-pad the last axis to at least `length` positions."""
    missing = length - x_BCX.shape[-1]
    return functional.pad(x_BCX, (0, missing)) if missing > 0 else x_BCX
