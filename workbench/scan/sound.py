"""A recording in memory, as the measures want it.

S samples, C channels, W windows of about 10 ms.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]

FULL_SCALE = 32768
LOWEST_DB = -200.0
_HIGHEST = 1e6


@dataclass(frozen=True, slots=True)
class Sound:
    """Decoded samples."""

    raw_SC: npt.NDArray[Any]
    """int16, or float32 with full scale = 1, as the file holds them; finite."""
    mono_S: Floats
    """Mean of the channels, full scale = 1."""
    rate: int
    """Hz."""
    frames: int
    """Samples of one channel of the whole recording, more than S where it is too long to be measured whole."""
    not_finite: int
    """Samples that were NaN or infinite and are zero here."""

    @property
    def whole(self) -> float:
        """What a sample at full scale is in `raw_SC`."""
        return float(FULL_SCALE) if self.raw_SC.dtype == np.int16 else 1.0

    @property
    def window(self) -> int:
        """Samples of a window: about 10 ms, and a whole number of samples at 1 kHz."""
        return 10 * max(1, self.rate // 1000)


def as_sound(raw_SC: npt.NDArray[Any], rate: int, frames: int) -> Sound:
    """Mix channels and take out what is no number."""
    not_finite = 0
    if raw_SC.dtype != np.int16:
        finite = np.isfinite(raw_SC)
        not_finite = int(raw_SC.size - np.count_nonzero(finite))
        if not_finite:
            raw_SC = np.where(finite, raw_SC, np.float32(0))
        # Floats far beyond full scale are a fault that is told by their peak; their squares must not overflow.
        raw_SC = np.clip(raw_SC, -_HIGHEST, _HIGHEST)
    mixed_S = raw_SC[:, 0] if raw_SC.shape[1] == 1 else raw_SC.mean(axis=1, dtype=np.float32)
    scale = np.float32(1 / FULL_SCALE if raw_SC.dtype == np.int16 else 1)
    mono_S = np.multiply(mixed_S, scale, dtype=np.float32)
    return Sound(raw_SC, mono_S, rate, frames, not_finite)


def digest(sound: Sound) -> str:
    """Hash of the samples; the same for a recording in WAV, in FLAC, and as floats."""
    if sound.raw_SC.dtype == np.int16 and sound.raw_SC.shape[1] == 1:
        data: npt.NDArray[Any] = np.ascontiguousarray(sound.raw_SC)
    else:
        scaled = sound.mono_S * np.float32(FULL_SCALE)
        exact = bool(np.all(scaled == np.rint(scaled))) and bool(np.all(np.abs(scaled) < FULL_SCALE))
        data = scaled.astype(np.int16) if exact else sound.mono_S
    # Twice as fast as BLAKE2 here, and nobody attacks it: who may write recordings may write equal ones.
    return hashlib.sha1(data.data, usedforsecurity=False).hexdigest()[:32]


def frames(samples_S: Floats, size: int, hop: int) -> Floats:
    """All whole frames of contiguous samples, as a view; NumPy's own sliding window takes fifty times as long."""
    count = 1 + (len(samples_S) - size) // hop
    step = samples_S.itemsize
    return np.ndarray((count, size), samples_S.dtype, buffer=samples_S.data, strides=(hop * step, step))


def decibels(power: Any) -> Any:
    """Level of a power (square of full scale), never below `LOWEST_DB`."""
    return 10 * np.log10(np.maximum(power, 10 ** (LOWEST_DB / 10)))
