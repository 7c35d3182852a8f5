"""Bringing two step counters onto one axis.

Lightning writes scalars at the batch (0-based) and names checkpoints and clips by optimizer steps. A GAN has two
optimizers, so `step=80` of a checkpoint belongs to batch 39 of the curves: drawn as it stands, its mark would be at
twice its place. The factor is read off the run itself; wall time or epoch place a mark without any factor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.tail.series import AudioEntry, Points


def batch_of(optimizer_step: int, optimizers: int) -> int:
    """Give the 0-based batch that ended at a 1-based count of optimizer steps: 80 steps of 2 optimizers -> batch 39."""
    return optimizer_step // max(1, optimizers) - 1


def optimizer_count(points: Points, clips: Sequence[AudioEntry]) -> int | None:
    """Find how many optimizer steps there are in a batch, from clips and scalars written at the same moments.

    Args:
        points: a tag that is written often, by step.
        clips: clips of the same run.

    Returns:
        The median of clip step / batches done by then, at least 1; None while there is nothing to compare.
    """
    ratios = []
    for clip in clips:
        batch = step_at_wall_time(points, clip.wall_time)
        if batch is not None and clip.step > 0:
            ratios.append(clip.step / (batch + 1))
    return max(1, round(float(np.median(ratios)))) if ratios else None


def step_at_wall_time(points: Points, wall_time: float) -> int | None:
    """Give the last step written at or before a moment (unix seconds): the place of a checkpoint saved then.

    None before the first point.
    """
    written = points.wall_times <= wall_time
    return int(points.steps[written].max()) if written.any() else None


def step_at_epoch(epochs: Points, epoch: int) -> int | None:
    """Give the last step of an epoch.

    Args:
        epochs: the series `epoch`, whose values are epochs and which Lightning may write twice at one step.
        epoch: 0-based.
    """
    inside = epochs.values == epoch
    return int(epochs.steps[inside].max()) if inside.any() else None
