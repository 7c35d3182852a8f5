"""The recogniser. It was trained on English; the phones of another language come out as the nearest English ones."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import numpy.typing as npt
from hama import ASRModel

Samples = npt.NDArray[np.float32]

_RATE = 16_000
_LONGEST = 20 * _RATE
"""Samples at once: hama leaves out what comes after its first 40 seconds, and says nothing of it."""
_SEARCHED = 2 * _RATE
_WINDOW = _RATE // 50


def create(_settings: object = None) -> HamaRecognizer:
    """The recogniser; the plugin has no settings."""
    return HamaRecognizer()


class HamaRecognizer:
    """Implements `workbench.api.PhoneRecognizer`."""

    sample_rate = _RATE

    def __init__(self) -> None:
        self.version = f"hama {importlib.metadata.version('hama')}"
        self._model = ASRModel()

    def hear(self, samples: Samples) -> list[str]:
        """Phones of a recording at 16 kHz."""
        return [phone for piece in pieces(samples) for phone in self._model.transcribe_waveform(piece, _RATE).phonemes]

    def close(self) -> None:
        """Nothing to give back: the model goes with the object."""


def pieces(samples: Samples) -> list[Samples]:
    """A recording in pieces of at most 20 s, each cut at the quietest moment of its last two seconds."""
    parts = []
    while len(samples) > _LONGEST:
        tail = samples[_LONGEST - _SEARCHED : _LONGEST]
        energies = np.square(tail).reshape(-1, _WINDOW).sum(axis=1)
        cut = _LONGEST - _SEARCHED + int(energies.argmin()) * _WINDOW + _WINDOW // 2
        parts.append(samples[:cut])
        samples = samples[cut:]
    return [*parts, samples]
