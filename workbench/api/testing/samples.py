"""Harmless values for tests of plugins, and what counts as one line."""

from __future__ import annotations

import dataclasses
import math
import struct
import wave
from pathlib import Path
from typing import Any

from workbench.api import DatasetFacts, Utterance


def one_line(text: object) -> bool:
    """Whether a text may be shown to a user as it is."""
    return isinstance(text, str) and bool(text.strip()) and "\n" not in text and "Traceback" not in text


def write_tone(path: Path, *, seconds: float = 0.2, sample_rate: int = 16_000, hertz: float = 440.0) -> Path:
    """Write a quiet sine as a 16-bit mono WAV."""
    samples = [
        int(3000 * math.sin(2 * math.pi * hertz * index / sample_rate)) for index in range(int(seconds * sample_rate))
    ]
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(sample_rate)
        stream.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return path


def make_facts(folder: Path, **changes: Any) -> DatasetFacts:
    """Facts of an ordinary Russian dataset at 22,050 Hz."""
    facts = DatasetFacts(
        folder=folder,
        metadata=folder / "metadata.csv",
        language="ru",
        sample_rate=22_050,
        hop_length=256,
        segment_size=8192,
        phoneme_id_map={"_": [0], "^": [1], "$": [2], "a": [14]},
        batch_size=16,
        validation_split=0.1,
    )
    return dataclasses.replace(facts, **changes)


def make_utterance(**changes: Any) -> Utterance:
    """An utterance without a fault: three seconds at 22,050 Hz."""
    utterance = Utterance(
        row=1,
        file="001.wav",
        path=Path("wavs/001.wav"),
        text="Добрый день.",
        subject="metadata.csv:1",
        seconds=3.0,
        sample_rate=22_050,
        channels=1,
        phonemes=(("a", "a"),),
        phoneme_ids=(1, 0, 14, 0, 14, 0, 2),
    )
    return dataclasses.replace(utterance, **changes)
