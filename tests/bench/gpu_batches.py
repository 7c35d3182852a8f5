"""Clips and batches of both sides of bench_gpu.py. What Piper's side uses of it imports nothing of ours.

The clips are those of the demo voice. A seed chooses which of them make up a batch, and each side pads and loads them
in its own way.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEMO = Path(__file__).resolve().parent.parent.parent / "workbench" / "demo"
RATE = 22_050
SEED = 20_261_126

Clip = tuple[NDArray[Any], NDArray[Any]]
"""Phoneme ids, int64, and samples, int16 at `RATE` Hz, a whole number of hops."""


def write_clips(path: Path) -> None:
    """Prepare the demo voice as it is prepared for quality medium, and keep it in one file."""
    from core_vits.audio import decode, resample, to_int16
    from core_vits.phonemes import phonemes_to_ids
    from workbench_espeak.backend import create

    phonemizer = create()
    arrays: dict[str, NDArray[Any]] = {}
    with (DEMO / "metadata.csv").open(encoding="utf-8", newline="") as file:
        for number, (name, text) in enumerate(csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE)):
            samples = to_int16(resample(*decode(DEMO / "wavs" / name), RATE))
            (sentences,) = phonemizer.phonemize([text], language="ru")
            ids, _ = phonemes_to_ids(sentences, phonemizer.phoneme_id_map("ru"))
            arrays[f"ids{number}"] = np.array(ids)
            arrays[f"audio{number}"] = samples[: len(samples) // 256 * 256]
    np.savez(path, **arrays)


def read_clips(path: Path) -> list[Clip]:
    """What `write_clips` wrote."""
    with np.load(path) as arrays:
        return [(arrays[f"ids{number}"], arrays[f"audio{number}"]) for number in range(len(arrays.files) // 2)]


def batches(clips: Sequence[Clip], size: int, steps: int) -> Iterator[list[Clip]]:
    """The clips of each step."""
    chance = np.random.default_rng(SEED)
    for _ in range(steps):
        yield [clips[number] for number in chance.choice(len(clips), size, replace=size > len(clips))]
