"""Recordings for the tests of the scan."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from workbench.api import AudioMeasures
from workbench.scan.measuring import measure
from workbench.scan.sound import as_sound

RATE = 16_000
DEMO = Path(__file__).resolve().parent.parent / "workbench" / "demo" / "wavs"


@functools.cache
def speech(number: int = 1) -> npt.NDArray[np.float32]:
    """A clip of the demo voice at `RATE`; human speech is hard to imitate."""
    samples: npt.NDArray[np.float32] = soundfile.read(DEMO / f"aelita_{number:04}.flac", dtype="float32")[0]
    samples.flags.writeable = False
    return samples


def buzz(hertz: float, seconds: float = 2.0, rate: int = 44_100) -> npt.NDArray[np.float64]:
    """A voice that sings one tone, nearly."""
    time = np.arange(int(seconds * rate)) / rate
    phase = np.cumsum(hertz * (1 + 0.02 * np.sin(2 * np.pi * 3 * time))) / rate
    return 0.1 * sum(np.cos(2 * np.pi * number * phase) / number for number in range(1, int(3_500 / hertz)))


def measured(samples: npt.NDArray[np.generic], rate: int = RATE) -> AudioMeasures:
    """Measures of samples, mono or one column a channel."""
    samples_SC = samples[:, None] if samples.ndim == 1 else samples
    if samples_SC.dtype != np.int16:
        samples_SC = samples_SC.astype(np.float32)
    return measure(as_sound(samples_SC, rate, len(samples_SC)))


def write(path: Path, samples: npt.NDArray[np.generic], rate: int = RATE, subtype: str = "PCM_16") -> Path:
    """Write a recording; the suffix says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def differing_bits(one: str, other: str) -> int:
    """Between two sketches."""
    return (int(one, 16) ^ int(other, 16)).bit_count()
