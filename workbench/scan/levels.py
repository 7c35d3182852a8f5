"""What the samples and the levels of 10-ms windows say: peak, clipping, silence, speech and noise, gaps, clicks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.scan.sound import LOWEST_DB, Floats, Sound, decibels

# As near to full scale as a converter's own limit, or a limiter, leaves it.
_AT_FULL_SCALE = 0.9985
_RUN = 3
# Below this, a few steps of 16 bits are the whole recording and extremes come in runs.
_FLAT_LOWEST = 0.02
_SPEECH_BELOW_LOUD_DB = 30.0
_SPEECH_ABOVE_NOISE_DB = 10.0
_SPEECH_WINDOWS = 3
_EDGE_SECONDS = 0.005
_CLICK_LOWEST = 0.03
_CLICK_ABOVE_WINDOW = 8.0
_CLICK_ABOVE_NEIGHBOURS = 5.0
_CLICK_REACH = 12


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels of the 10-ms windows, and which of them hold speech."""

    db_W: Floats
    speech_W: npt.NDArray[np.bool_]
    first: int
    """Window in which speech begins; W without speech."""
    after: int
    """Window after the last with speech; 0 without speech."""
    speech_db: float
    noise_db: float
    rms_db: float


def levels(sound: Sound) -> Levels:
    """Levels of all whole windows; a recording shorter than one is one."""
    window = min(sound.window, len(sound.mono_S))
    count = len(sound.mono_S) // window
    parts_WS = sound.mono_S[: count * window].reshape(count, window)
    power_W = np.einsum("ij,ij->i", parts_WS, parts_WS) / np.float32(window)
    db_W = decibels(power_W).astype(np.float32)
    # np.percentile and np.median cost as much as all the rest here.
    noise, loud = (float(level) for level in np.sort(db_W)[[count // 10, min(count - 1, count * 95 // 100)]])
    threshold = max(loud - _SPEECH_BELOW_LOUD_DB, min(noise + _SPEECH_ABOVE_NOISE_DB, loud - _SPEECH_ABOVE_NOISE_DB))
    # Steps of 16 bits are at -90 dB: what is below is no speech, however much louder than the rest.
    above_W = (db_W >= threshold) & (db_W > -85)
    run = min(_SPEECH_WINDOWS, count)
    begins_W = above_W[: count - run + 1].copy()
    for offset in range(1, run):
        begins_W &= above_W[offset : count - run + 1 + offset]
    found = bool(begins_W.any())
    return Levels(
        db_W=db_W,
        speech_W=above_W,
        first=int(begins_W.argmax()) if found else count,
        after=len(begins_W) - int(begins_W[::-1].argmax()) + run - 1 if found else 0,
        speech_db=float(np.sort(db_W[above_W])[np.count_nonzero(above_W) // 2]) if found else LOWEST_DB,
        noise_db=noise,
        rms_db=float(decibels(float(power_W.mean()))),
    )


def edges_above(sound: Sound, noise_db: float) -> tuple[float, float]:
    """Levels of the first and the last 5 ms above the noise, dB."""
    length = max(1, round(sound.rate * _EDGE_SECONDS))
    first_S, last_S = sound.mono_S[:length], sound.mono_S[-length:]
    powers = (float(np.vdot(first_S, first_S)) / len(first_S), float(np.vdot(last_S, last_S)) / len(last_S))
    begin, end = (float(decibels(power)) - noise_db for power in powers)
    return begin, end


def peak_and_clipping(sound: Sound) -> tuple[float, int, int]:
    """Peak (full scale = 1), samples in runs at full scale, samples in runs at a lower extreme."""
    peak = 0.0
    clipped = flat = 0
    for channel_S in sound.raw_SC.T:
        highest, lowest = float(channel_S.max()) / sound.whole, float(channel_S.min()) / sound.whole
        peak = max(peak, highest, -lowest)
        full = _AT_FULL_SCALE * sound.whole
        at_full = 0
        if highest >= _AT_FULL_SCALE:
            at_full += in_runs(channel_S >= full)
        if lowest <= -_AT_FULL_SCALE:
            at_full += in_runs(channel_S <= -full)
        clipped = max(clipped, at_full)
        if max(highest, -lowest) < _AT_FULL_SCALE:
            tops = in_runs(channel_S == channel_S.max()) if highest >= _FLAT_LOWEST else 0
            bottoms = in_runs(channel_S == channel_S.min()) if lowest <= -_FLAT_LOWEST else 0
            flat = max(flat, tops + bottoms)
    return peak, clipped, flat


def in_runs(mask_S: npt.NDArray[np.bool_]) -> int:
    """Samples that stand in runs of at least three."""
    places = np.flatnonzero(mask_S)
    if len(places) < _RUN:
        return 0
    lengths = np.diff(np.flatnonzero(np.concatenate([[True], np.diff(places) != 1, [True]])))
    return int(lengths[lengths >= _RUN].sum())


def longest_gap(sound: Sound, db_W: Floats) -> float:
    """Seconds of the longest run of exact zeros between the first sound and the last; 0 below two windows."""
    if not (db_W <= LOWEST_DB).any():  # so long a gap holds a whole window
        return 0.0
    places = np.flatnonzero(sound.mono_S)
    longest = int(np.diff(places).max()) - 1 if len(places) > 1 else 0
    return longest / sound.rate if longest >= 2 * sound.window - 1 else 0.0


def clicks(sound: Sound) -> int:
    """Windows with one sample that sticks out of its surroundings: its second difference stands alone."""
    samples_S, window = sound.mono_S, sound.window
    count = (len(samples_S) - 2) // window
    if count < 3:
        return 0
    used = count * window
    bend_S = samples_S[1 : used + 1] * np.float32(2)
    bend_S -= samples_S[:used]
    bend_S -= samples_S[2 : used + 2]
    np.abs(bend_S, out=bend_S)
    bend_WS = bend_S.reshape(count, window)
    highest_W = bend_WS.max(axis=1)
    usual_W = np.sqrt(np.einsum("ij,ij->i", bend_WS, bend_WS) / np.float32(window))
    candidates = np.flatnonzero((highest_W > _CLICK_LOWEST) & (highest_W > _CLICK_ABOVE_WINDOW * usual_W))
    return sum(_stands_alone(bend_S, int(at) * window + int(bend_WS[at].argmax())) for at in candidates)


def _stands_alone(bend_S: Floats, at: int) -> bool:
    """Whether the surroundings are smooth; the two samples beside a click bend half as much as it does itself."""
    before = bend_S[max(0, at - _CLICK_REACH) : max(0, at - 1)]
    after = bend_S[at + 2 : at + 1 + _CLICK_REACH]
    around = max(float(before.max(initial=0.0)), float(after.max(initial=0.0)))
    return bool(bend_S[at] > _CLICK_ABOVE_NEIGHBOURS * around)


def channels_agree(raw_SC: npt.NDArray[Any]) -> float:
    """Correlation of the first two channels; 1 for mono, and 0 where one of two is constant."""
    if raw_SC.shape[1] < 2:
        return 1.0
    left, right = (raw_SC[:, channel].astype(np.float64) for channel in (0, 1))
    left -= left.mean()
    right -= right.mean()
    scale = float(np.sqrt(np.vdot(left, left) * np.vdot(right, right)))
    if scale == 0:
        return 1.0 if np.array_equal(raw_SC[:, 0], raw_SC[:, 1]) else 0.0
    return float(np.clip(np.vdot(left, right) / scale, -1, 1))
