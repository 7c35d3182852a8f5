"""Harmless values for tests of plugins, and what counts as one line."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import struct
import wave
from pathlib import Path
from typing import Any

from workbench.api import AudioMeasures, Container, DatasetFacts, Utterance

_numbers = itertools.count(1)


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


def make_measures(**changes: Any) -> AudioMeasures:
    """Measures of an ordinary recording of three seconds; each call is another recording."""
    digest = hashlib.blake2b(str(next(_numbers)).encode()).hexdigest()
    measures = AudioMeasures(
        seconds=3.0,
        peak=0.5,
        rms_db=-22.0,
        loudness=-20.0,
        speech_db=-20.0,
        noise_db=-65.0,
        dc=0.0,
        clipped=0,
        flat_tops=0,
        leading_silence=0.2,
        trailing_silence=0.2,
        starts_loud_db=0.0,
        ends_loud_db=0.0,
        longest_gap=0.0,
        bandwidth=10_500.0,
        hum_db=3.0,
        hum_hz=0,
        clicks=0,
        echo=0.05,
        f0=140.0,
        f0_spread=5.0,
        channels_agree=1.0,
        not_finite=0,
        digest=digest[:32],
        sketch=digest[64:],
    )
    return dataclasses.replace(measures, **changes)


def make_container(**changes: Any) -> Container:
    """A 16-bit WAV of three seconds at 22,050 Hz."""
    container = Container(
        kind="wav",
        bytes=132_344,
        encoding="PCM_16",
        sample_rate=22_050,
        channels=1,
        frames=66_150,
        frames_promised=66_150,
    )
    return dataclasses.replace(container, **changes)
