"""Sound that measures as clean speech does: syllables with a pitch and pauses, and quiet at both ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def speech_like(seed: int, seconds: float, rate: int) -> npt.NDArray[np.float32]:
    """Syllables of 60 to 200 ms at about 140 Hz with consonants of noise between them; the same for the same seed."""
    chance = np.random.default_rng(seed)
    samples = chance.normal(0, 2e-4, int(seconds * rate))
    at, end = int(0.2 * rate), len(samples) - int(0.2 * rate)
    while at < end - rate // 10:
        length = min(end - at, int(chance.uniform(0.06, 0.2) * rate))
        time = np.arange(length) / rate
        pitch = 140 * 2 ** (chance.normal(0, 0.1) + chance.normal(0, 0.1) * time)
        phase = 2 * np.pi * np.cumsum(pitch) / rate
        formant = chance.uniform(300, 2500)
        # Voiced: harmonics around a formant. Unvoiced: noise of all heights.
        voiced = sum(np.exp(-(((140 * part - formant) / 700) ** 2)) * np.sin(part * phase) for part in range(1, 20))
        voiced = np.asarray(voiced) + 0.3 * np.sin(phase)
        noise = chance.normal(0, 0.12, length)
        samples[at : at + length] += np.hanning(length) * (0.15 * voiced + 0.3 * noise)
        at += length + int(chance.choice([0, 0, 0, 0.08]) * rate)
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)
