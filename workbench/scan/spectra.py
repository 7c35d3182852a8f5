"""What one short-time spectrum says: loudness, bandwidth, and a sketch of the spectrum over time.

F frames of the spectrum, K frequency bins, B bands, P parts of the recording.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from workbench.scan.levels import Levels
from workbench.scan.sound import Floats, Sound, frames

_BIN_HERTZ = 21.5
# The transform of so many stays in the processor's second cache.
_FRAMES_AT_ONCE = 16
_INAUDIBLE_DB = 70.0
_FEWEST_FRAMES = 8
_GATE_LUFS = -70.0
_GATE_BELOW = 10.0
_BLOCK_SECONDS = 0.4
_STEP_SECONDS = 0.1
# A telephone's band: what every encoding and rate keeps.
_SKETCH_HERTZ = (150.0, 3400.0)
_SKETCH_BANDS = 17
_SKETCH_PARTS = 17


@dataclass(frozen=True, slots=True)
class Spectra:
    """Of a whole recording."""

    loudness: float
    """LUFS."""
    bandwidth: float
    """Hz."""
    sketch: str


@dataclass(frozen=True, slots=True)
class _Shape:
    """Everything about the transform that depends on the sample rate only."""

    size: int
    window: Floats
    weights_KM: Floats
    """Columns: the K weighting of BS.1770 with the scale of a power, then the bands of the sketch."""


@functools.lru_cache(maxsize=32)
def _shape(rate: int) -> _Shape:
    size = 2 ** int(np.clip(round(np.log2(rate / _BIN_HERTZ)), 6, 14))
    window = np.hanning(size + 1)[:-1]
    hertz_K = np.fft.rfftfreq(size, 1 / rate)
    # A bin stands for itself and its mirror image.
    scale = 2 / (size * float((window**2).sum()))
    weighting_K = k_weighting(hertz_K, rate) * scale
    edges = np.geomspace(*_SKETCH_HERTZ, _SKETCH_BANDS + 2)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (hertz_K - low) / (middle - low), (high - hertz_K) / (high - middle)
    bands_BK = np.clip(np.minimum(rise, fall), 0, None)
    weights_KM = np.concatenate([weighting_K[None], bands_BK]).T
    return _Shape(size, window.astype(np.float32), np.ascontiguousarray(weights_KM, dtype=np.float32))


def k_weighting(hertz_K: npt.NDArray[Any], rate: int) -> npt.NDArray[np.float64]:
    """Power response of the two filters of ITU-R BS.1770-4, designed for any rate as in its annex 1 and EBU's tools."""
    z_K = np.exp(-2j * np.pi * hertz_K / rate)

    def response(b: tuple[float, ...], a: tuple[float, ...]) -> Any:
        above, below = (c[0] + c[1] * z_K + c[2] * z_K**2 for c in (b, a))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(np.abs(above / below) ** 2, posinf=0.0)

    k = np.tan(np.pi * 1681.974450955533 / rate)
    gain, q = 10 ** (3.999843853973347 / 20), 0.7071752369554196
    root = gain**0.4996667741545416
    norm = 1 + k / q + k * k
    shelf = response(
        ((gain + root * k / q + k * k) / norm, 2 * (k * k - gain) / norm, (gain - root * k / q + k * k) / norm),
        (1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm),
    )
    k = np.tan(np.pi * 38.13547087602444 / rate)
    q = 0.5003270373238773
    norm = 1 + k / q + k * k
    high_pass = response((1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm))
    weighting: npt.NDArray[np.float64] = shelf * high_pass
    return weighting


def spectra(sound: Sound, found: Levels) -> Spectra:
    """One pass of short-time spectra over the recording.

    Frames that overlap would cost as much again, for a loudness that is true to 0.2 LU instead of 0.5.
    """
    shape = _shape(sound.rate)
    samples_S = sound.mono_S
    if len(samples_S) < shape.size:
        samples_S = np.pad(samples_S, (0, shape.size - len(samples_S)))
    frames_FS = frames(samples_S, shape.size, shape.size)
    energy_F = np.einsum("ij,ij->i", frames_FS, frames_FS)
    loud_F = energy_F >= np.sort(energy_F)[len(energy_F) // 2]
    power_K = np.zeros(shape.size // 2 + 1, dtype=np.float64)
    weighted_FM = np.empty((len(frames_FS), shape.weights_KM.shape[1]), dtype=np.float32)
    for at, power_FK in _powers(frames_FS, shape):
        part = slice(at, at + len(power_FK))
        weighted_FM[part] = power_FK @ shape.weights_KM
        power_K += loud_F[part].astype(np.float32) @ power_FK
    short = len(frames_FS) < _FEWEST_FRAMES
    seconds = len(sound.mono_S) / sound.rate
    return Spectra(
        loudness=_loudness(weighted_FM[:, 0], shape.size / sound.rate, seconds),
        bandwidth=0.0 if short else _bandwidth(power_K, sound.rate / shape.size),
        sketch=_sketch(weighted_FM[:, 1:], found, sound, shape.size),
    )


def _powers(frames_FS: Floats, shape: _Shape) -> Iterator[tuple[int, Floats]]:
    """Power spectra in blocks, so that an hour takes no more memory than a minute."""
    for at in range(0, len(frames_FS), _FRAMES_AT_ONCE):
        transformed = scipy.fft.rfft(frames_FS[at : at + _FRAMES_AT_ONCE] * shape.window, overwrite_x=True)
        power_FK = transformed.real**2
        power_FK += transformed.imag**2
        yield at, power_FK


def _bandwidth(power_K: npt.NDArray[np.float64], hertz: float) -> float:
    power_K = power_K[1:]  # a constant offset is no sound
    audible = np.flatnonzero(power_K > power_K.max() * 10 ** (-_INAUDIBLE_DB / 10))
    return float(audible[-1] + 1) * hertz if len(audible) else 0.0


def _loudness(power_F: Floats, hop_seconds: float, seconds: float) -> float:
    """Gated loudness, from the weighted power of each frame."""
    total = np.concatenate([[0.0], np.cumsum(power_F, dtype=np.float64)])
    length = min(len(power_F), max(1, round(_BLOCK_SECONDS / hop_seconds)))
    starts = np.round(np.arange(0, max(_STEP_SECONDS, seconds - _BLOCK_SECONDS), _STEP_SECONDS) / hop_seconds)
    starts = np.minimum(starts.astype(int), len(power_F) - length)
    blocks = (total[starts + length] - total[starts]) / length
    if seconds < _BLOCK_SECONDS:  # padded with silence
        blocks = blocks * len(power_F) * hop_seconds / max(seconds, hop_seconds)
    blocks = blocks[blocks > _from_lufs(_GATE_LUFS)]
    if len(blocks):
        blocks = blocks[blocks > blocks.mean() * 10 ** (-_GATE_BELOW / 10)]
    return -0.691 + 10 * float(np.log10(blocks.mean())) if len(blocks) else float("-inf")


def _from_lufs(loudness: float) -> float:
    return float(10 ** ((loudness + 0.691) / 10))


def _sketch(bands_FB: Floats, found: Levels, sound: Sound, size: int) -> str:
    """Whether each band rises against the next from one part of the speech to the next (Haitsma and Kalker 2002)."""
    first, after = (window * sound.window / size for window in (found.first, found.after))
    if after - first < 2:
        return ""
    edges = np.linspace(first, after, _SKETCH_PARTS + 1)
    totals_FB = np.concatenate([np.zeros((1, bands_FB.shape[1])), np.cumsum(bands_FB, axis=0, dtype=np.float64)])
    at = np.clip(edges, 0, len(bands_FB))
    low = at.astype(int)
    high = np.minimum(low + 1, len(bands_FB))
    share = (at - low)[:, None]
    sums = totals_FB[low] * (1 - share) + totals_FB[high] * share
    db_PB = np.log(np.maximum(np.diff(sums, axis=0), 1e-12))
    rises = np.diff(np.diff(db_PB, axis=1), axis=0) > 0
    packed: Any = np.packbits(rises.ravel())
    return bytes(packed).hex()
