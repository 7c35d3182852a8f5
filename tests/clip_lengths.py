"""Frames of made-up clips, for tests and benchmarks of batches: three kinds of data sets."""

from __future__ import annotations

import numpy as np

FRAMES_A_SECOND = 22_050 / 256
DISTRIBUTIONS = ("LJ-like", "short", "wide")
"""Read sentences of 1 to 10 s; mostly short ones, log-normal, 0.6 to 25 s; an audiobook, uniform, 0.6 to 25 s."""


def clip_lengths(distribution: str, clips: int, seed: int = 0) -> list[int]:
    """Frames of each clip."""
    draw = np.random.default_rng(seed)
    seconds = {
        "LJ-like": draw.normal(6.6, 2.2, clips).clip(1.1, 10.1),
        "short": draw.lognormal(np.log(3.6), 0.6, clips).clip(0.6, 25),
        "wide": draw.uniform(0.6, 25, clips),
    }[distribution]
    return [int(length * FRAMES_A_SECOND) for length in seconds]
