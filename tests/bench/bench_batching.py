"""How much of a batch is padding: `python tests/bench/bench_batching.py`.

Three kinds of data sets of 8,397 clips, put into batches in four ways. What a clip costs is by the arithmetic of a
training step (`bench_step_peer.py`): Piper 121.3 + 0.11 x padded frames, here 95.2 + 0.11 x padded frames, GFLOP.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clip_lengths import DISTRIBUTIONS, clip_lengths

from core_vits.batching import BucketBatches, RandomBatches, padded_cost, padded_size

BOUNDARIES = (32, 300, 400, 500, 600, 700, 800, 900, 1000)
"""Of the buckets of VITS' own training (Kim et al. 2021), frames."""
Batches = list[list[int]]


def buckets_of_vits(frames: Sequence[int], batch_size: int) -> Batches:
    """As its `DistributedBucketSampler`: clips outside the boundaries are left out, buckets filled up with repeats."""
    draw = random.Random(0)
    batches = []
    for low, high in pairwise(BOUNDARIES):
        bucket = [clip for clip, length in enumerate(frames) if low < length <= high]
        if bucket:
            draw.shuffle(bucket)
            bucket += [bucket[index % len(bucket)] for index in range(-len(bucket) % batch_size)]
            batches += [bucket[begin : begin + batch_size] for begin in range(0, len(bucket), batch_size)]
    return batches


def row(name: str, frames: Sequence[int], batches: Batches, constant: float, *, few_sizes: bool) -> str:
    longest = [max(frames[clip] for clip in batch) for batch in batches]
    sizes = [padded_size(length) if few_sizes else length for length in longest]
    padded = [len(batch) * size for batch, size in zip(batches, sizes, strict=True)]
    costs = [padded_cost(len(batch), size) for batch, size in zip(batches, sizes, strict=True)]
    trained = [clip for batch in batches for clip in batch]
    real = sum(frames[clip] for clip in trained)
    left_out = 1 - len(set(trained)) / len(frames)
    gflop = constant + 0.1096 * sum(padded) / len(trained)
    clips = f"{min(map(len, batches))} to {max(map(len, batches))}"
    spread = max(costs) / (sum(costs) / len(costs))
    return (
        f"{name:24} {100 * real / sum(padded):9.1f} % {max(padded):12,d} {clips:>10} {spread:13.2f} "
        f"{len(set(sizes)):6d} {100 * left_out:9.1f} % {gflop:11.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--clips", type=int, default=8_397)
    options = parser.parse_args()
    for distribution in DISTRIBUTIONS:
        frames, size = clip_lengths(distribution, options.clips), options.batch_size
        print(f"\n{distribution}: {sum(frames) / len(frames):.0f} frames in the mean, batches of {size}")
        print(
            f"{'':24} {'efficiency':>11} {'peak frames':>12} {'clips':>10} {'largest/mean':>13} {'sizes':>6} "
            f"{'left out':>11} {'GFLOP/clip':>11}"
        )
        print(row("Piper, at random", frames, RandomBatches(frames, size, 1).batches(0), 121.3, few_sizes=False))
        print(row("buckets of VITS", frames, buckets_of_vits(frames, size), 121.3, few_sizes=False))
        print(row("ours, at random", frames, RandomBatches(frames, size, 1).batches(0), 95.2, few_sizes=False))
        print(row("ours, buckets", frames, BucketBatches(frames, size, 1).batches(0), 95.2, few_sizes=True))


if __name__ == "__main__":
    main()
