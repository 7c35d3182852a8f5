"""Clips a second and core of the loader, beside Piper's way: `python tests/bench/bench_loader.py`.

Piper keeps three files a clip, made by torch.save: audio as float32, phoneme ids, and the spectrogram. Both sides read
the same made-up clips at random, with a warm page cache and one thread, up to a padded batch, and take turns.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from clip_lengths import clip_lengths
from torch import Tensor

from core_vits.batching import BucketBatches
from core_vits.cache import CacheReader, CacheSettings, CacheWriter
from core_vits.config import AudioConfig
from core_vits.dataset import CachedBatch, ClipDataset, Collate
from core_vits.spectrogram import linear_spectrogram

AUDIO = AudioConfig()
SETTINGS = CacheSettings(
    sample_rate=AUDIO.sample_rate, trim_silence=False, keep_seconds_before=0.0, keep_seconds_after=0.0,
    phonemizer="none", phonemizer_version="0", language="en", id_map_md5="",
)  # fmt: skip


def write(folder: Path, frames: Sequence[int]) -> ClipDataset:
    """The same noise for both sides."""
    draw = np.random.default_rng(0)
    with CacheWriter(folder / "ours", SETTINGS) as writer:
        for number, length in enumerate(frames):
            audio = (3000 * draw.standard_normal(length * AUDIO.hop_length)).astype(np.int16)
            ids = tuple(int(value) for value in draw.integers(1, 100, max(2, length // 3)))
            writer.add(key=str(number), file=f"{number}.wav", text="", speaker=None, phoneme_ids=ids, audio=audio)
            samples = torch.from_numpy(audio.astype(np.float32) / 32768)
            torch.save(samples, folder / f"{number}.audio.pt")
            torch.save(torch.tensor(ids), folder / f"{number}.phonemes.pt")
            torch.save(linear_spectrogram(samples, AUDIO), folder / f"{number}.spec.pt")
        cache = writer.folder
    return ClipDataset(CacheReader(cache), [str(number) for number in range(len(frames))], AUDIO)


def pad(tensors: Sequence[Tensor]) -> Tensor:
    padded = torch.zeros(len(tensors), *tensors[0].shape[:-1], max(tensor.shape[-1] for tensor in tensors))
    for row, tensor in zip(padded, tensors, strict=True):
        row[..., : tensor.shape[-1]] = tensor
    return padded


def by_files(folder: Path, batch: Sequence[int]) -> list[Tensor]:
    """Three files a clip, padded."""
    return [
        pad([torch.load(folder / f"{clip}.{part}.pt", weights_only=True) for clip in batch])
        for part in ("audio", "phonemes", "spec")
    ]


def seconds(load: Callable[[list[int]], object], batches: Sequence[list[int]]) -> float:
    begin = time.process_time()
    for batch in batches:
        load(batch)
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    frames = clip_lengths("LJ-like", options.clips)
    sampler, collate = BucketBatches(frames, options.batch_size, 1), Collate(audio_config=AUDIO, few_sizes=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = write(folder, frames)

        def ours(batch: list[int]) -> CachedBatch:
            return collate([clips[clip] for clip in batch])

        cpu = torch.device("cpu")
        ways: dict[str, Callable[[list[int]], object]] = {
            "files, as Piper": lambda batch: by_files(folder, batch),
            "ours": ours,
            "ours, and spectrograms": lambda batch: ours(batch).on(cpu),
        }
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(options.rounds + 1):
            batches = sampler.batches(number)
            random.Random(number).shuffle(batches)
            for way, load in ways.items():
                took = seconds(load, batches)
                if number:  # the first round fills the page cache
                    taken[way].append(took)
        first = statistics.median(taken["files, as Piper"])
        print(f"{options.clips} clips, {sum(frames) / len(frames):.0f} frames in the mean; CPU seconds, one thread")
        print(f"{'':24} {'clips/s/core':>13} {'us/clip':>9} {'ratio':>7}")
        for way, values in taken.items():
            middle = statistics.median(values)
            print(
                f"{way:24} {options.clips / middle:13,.0f} {1e6 * middle / options.clips:9.0f} {first / middle:6.1f}x"
            )


if __name__ == "__main__":
    main()
