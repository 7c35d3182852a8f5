"""What repeats itself in a recording: the voice's fundamental, an echo, mains hum.

All three are heard far below the sample rate, so they are looked for in a recording of 3 kHz and less: an average of
neighbouring samples is all the filter that they need.

S samples, F frames, L lags, K frequency bins.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from workbench.scan.levels import Levels
from workbench.scan.sound import Floats, Sound, frames

# Slower ones are no recordings of speech.
_LOWEST_RATE = 4_000
_PITCH_RATE = 2_750
_PITCH_FRAME = 128
_PITCH_HERTZ = (60.0, 420.0)
_VOICED = 0.55
_MOST_FRAMES = 64
# Periods in a semitone.
_PITCH_STEPS = 4
_FEWEST_VOICED = 3
# A lag of two periods fits as well as one of one; the shorter wins unless it is clearly worse.
_LATER_COSTS = 0.08

_ECHO_RATE = 1_500
_ECHO_SECONDS = (0.04, 0.4)
_ECHO_HEARD = 5.0
_ECHO_SMOOTHED_HERTZ = 120.0

_HUM_RATE = 1_000
_HUM_SIZES = (2048, 4096, 8192, 16_384)
_HUM_PAUSE_WINDOWS = 10
_HUM_PAUSES_WINDOWS = 30
_HUM_HARMONICS = 4
_HUM_CLEAR_DB = 10.0


def decimated(samples_S: Floats, factor: int) -> Floats:
    """Means of `factor` neighbours."""
    if factor <= 1:
        return samples_S
    length = len(samples_S) // factor * factor
    # A product is forty times faster here than a mean over the last axis.
    means: Floats = samples_S[:length].reshape(-1, factor) @ np.full(factor, 1 / factor, dtype=np.float32)
    return means


def pitch(sound: Sound, found: Levels) -> tuple[float, float]:
    """Median fundamental in Hz and quartile distance in semitones; zeros when nothing is voiced.

    Autocorrelation of windowed frames over that of the window (Boersma 1993), at periods that are evenly spaced to the
    ear.
    """
    factor = max(1, round(sound.rate / _PITCH_RATE))
    low_S = decimated(sound.mono_S, factor)
    if len(low_S) < _PITCH_FRAME or found.after == 0 or sound.rate < _LOWEST_RATE:
        return 0.0, 0.0
    frames_FS = frames(low_S, _PITCH_FRAME, _PITCH_FRAME // 2)
    centres = (np.arange(len(frames_FS)) * (_PITCH_FRAME // 2) + _PITCH_FRAME // 2) * factor // sound.window
    spoken = np.flatnonzero(found.speech_W[np.minimum(centres, len(found.speech_W) - 1)])
    spoken = spoken[:: max(1, -(-len(spoken) // _MOST_FRAMES))]
    if len(spoken) < _FEWEST_VOICED:
        return 0.0, 0.0
    table = _pitch_table(sound.rate / factor)
    spectrum = scipy.fft.rfft(frames_FS[spoken] * table.window, 2 * _PITCH_FRAME)
    power_FK = spectrum.real**2 + spectrum.imag**2
    power_FK[:, :2] = 0  # an offset has every period
    alike_FL = power_FK @ table.cosines_KL
    alike_FL /= np.maximum(power_FK.sum(axis=1, keepdims=True), 1e-12)
    inner_FL = alike_FL[:, 1:-1]
    peaks_FL = (inner_FL >= alike_FL[:, :-2]) & (inner_FL > alike_FL[:, 2:])
    best_F = np.where(peaks_FL, inner_FL - table.cost_L, -1).argmax(axis=1)
    rows = np.arange(len(best_F))
    hertz = np.sort(table.hertz_L[best_F][peaks_FL[rows, best_F] & (inner_FL[rows, best_F] > _VOICED)])
    if len(hertz) < _FEWEST_VOICED:
        return 0.0, 0.0
    quarter, median, three_quarters = (float(hertz[len(hertz) * part // 4]) for part in (1, 2, 3))
    return median, float(12 * np.log2(three_quarters / quarter))


@dataclass(frozen=True, slots=True)
class _PitchTable:
    """What depends on the rate only."""

    window: Floats
    cosines_KL: Floats
    """From a power spectrum to its autocorrelation at each period, over that of the window."""
    hertz_L: npt.NDArray[np.float64]
    """Of each period but the first and the last."""
    cost_L: Floats


@functools.lru_cache(maxsize=32)
def _pitch_table(rate: float) -> _PitchTable:
    window = np.hanning(_PITCH_FRAME + 2)[1:-1]
    hertz_L = np.geomspace(_PITCH_HERTZ[1], _PITCH_HERTZ[0], round(np.log2(7) * 12 * _PITCH_STEPS))
    bins_K = np.arange(_PITCH_FRAME + 1)
    cosines_KL = np.cos(2 * np.pi * np.outer(bins_K, rate / hertz_L) / (2 * _PITCH_FRAME))
    power_K = np.abs(np.fft.rfft(window, 2 * _PITCH_FRAME)) ** 2
    window_L = np.maximum(power_K @ cosines_KL / power_K.sum(), 0.05)
    cost_L = _LATER_COSTS * np.log2(_PITCH_HERTZ[1] / hertz_L[1:-1])
    cosines = (cosines_KL / window_L).astype(np.float32)
    return _PitchTable(window.astype(np.float32), cosines, hertz_L[1:-1], cost_L.astype(np.float32))


def echo(sound: Sound) -> float:
    """Level of the clearest repetition after 40 to 400 ms against the first sound, 0 to 1.

    A repetition ripples the spectrum; the spectrum over its own smooth course has nothing else that reaches so far.
    """
    factor = max(1, round(sound.rate / _ECHO_RATE))
    rate = sound.rate / factor
    low_S = decimated(sound.mono_S[: int(_ECHO_HEARD * sound.rate)], factor)
    first, last = (round(seconds * rate) for seconds in _ECHO_SECONDS)
    if len(low_S) < 2 * last or sound.rate < _LOWEST_RATE:
        return 0.0
    size = scipy.fft.next_fast_len(len(low_S) + last + 1, real=True)
    spectrum = scipy.fft.rfft(low_S - low_S.mean(), size)
    power_K = spectrum.real**2 + spectrum.imag**2
    width = min(max(3, round(_ECHO_SMOOTHED_HERTZ * size / rate)), len(power_K) - 3) | 1
    power_K /= _smoothed(power_K, width) + 1e-12
    np.minimum(power_K, 6.0, out=power_K)  # a single line, such as hum, is no echo
    alike_L = scipy.fft.irfft(power_K, size)
    again = float(alike_L[first : last + 1].max()) / max(float(alike_L[0]), 1e-12)
    ratio = min(max(again, 0.0), 0.5)
    return float((1 - np.sqrt(1 - 4 * ratio * ratio)) / (2 * ratio)) if ratio > 1e-6 else 0.0


def _smoothed(power_K: Floats, width: int) -> Floats:
    """Means over `width` bins, an odd number; the edges are continued by their mirror image."""
    half = width // 2
    mirrored = np.concatenate([power_K[half:0:-1], power_K, power_K[-2 : -2 - half : -1]])
    total = np.cumsum(mirrored, dtype=np.float64)
    total[width:] -= total[:-width]
    return (total[width - 1 :] / width).astype(np.float32)


def hum(sound: Sound, found: Levels) -> tuple[float, int]:
    """How far mains hum stands out of the pauses in dB, and 50 or 60 (Hz), or 0 when there is none."""
    factor = max(1, sound.rate // _HUM_RATE)
    rate = sound.rate / factor
    pause_W = _long_pauses(found.speech_W)
    if np.count_nonzero(pause_W) < _HUM_PAUSES_WINDOWS or sound.rate < _LOWEST_RATE:
        return 0.0, 0
    low_S = decimated(sound.mono_S, factor)[: _HUM_SIZES[-1]]
    per_window = sound.window // factor
    pause_S = np.repeat(pause_W, per_window)[: len(low_S)]
    low_S = low_S[: len(pause_S)]
    heard = np.count_nonzero(pause_S)
    if heard < _HUM_PAUSES_WINDOWS * per_window:
        return 0.0, 0
    low_S = np.where(pause_S, low_S - low_S[pause_S].mean(), np.float32(0))
    size = next(size for size in _HUM_SIZES if size >= len(low_S))
    spectrum = scipy.fft.rfft(low_S, size)
    power_K = spectrum.real**2 + spectrum.imag**2
    best = (0.0, 0)
    for hertz in (50, 60):
        lines, around = _hum_bins(hertz, size, round(rate))
        line_H = power_K[lines].max(axis=1)
        # np.median costs three times as much.
        around_H = np.sort(power_K[around], axis=1)[:, around.shape[1] // 2]
        above = float(10 * np.log10((line_H.sum() + 1e-20) / (around_H.sum() + 1e-20)))
        best = max(best, (above, hertz))
    return (best[0], best[1] if best[0] >= _HUM_CLEAR_DB else 0)


def _long_pauses(speech_W: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Windows of pauses that are long enough to tell 50 Hz from its surroundings."""
    pause_W = np.zeros(len(speech_W), dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], speech_W, [True]]).astype(np.int8)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if end - begin >= _HUM_PAUSE_WINDOWS:
            pause_W[begin + 1 : end - 1] = True  # beside its edges speech is still dying away
    return pause_W


@functools.lru_cache(maxsize=64)
def _hum_bins(hertz: int, size: int, rate: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Bins at the multiples of `hertz` (the mains wander by half a hertz), and bins of their surroundings."""
    multiples = hertz * np.arange(1, _HUM_HARMONICS + 1)[:, None]
    step = rate / size
    near = np.arange(-0.6, 0.6 + step, step)
    around = np.concatenate([np.arange(-16, -8, step), np.arange(8, 16, step)])
    lines, sides = (np.rint((multiples + offsets) / step).astype(np.int64) for offsets in (near, around))
    return lines, sides
