"""Piper's own event files under our names and on our axis, so that its runs and ours are drawn alike.

Three generations of tags are about: the first Piper's, those of 1.3 and 1.4, those since 1.5. Steps are of two kinds:
scalars stand at the batch, counted from 0; clips and names of checkpoints count optimizer steps, two a batch, or
nothing at all. Our axis is the number of batches trained. What is placed by a count is held against the epochs and
times of the scalars around it: a run that Piper took over from the first Piper counts optimizer steps from 0 again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from core_vits.checkpoint_names import OPTIMIZERS
from workbench.tail.eventfile import EventFile
from workbench.tail.follower import RunFollower
from workbench.tail.series import NO_POINTS, AudioEntry, Integers, Points, join
from workbench.tail.stitch import History, Verdict, judge, stitch

BOTH = "loss_g + loss_d"
"""What the first Piper calls the validation loss."""

_FIRST_PIPER = frozenset({"loss_gen_all", "loss_disc_all"})
_LOSSES = {
    "loss_gen_all": "train/loss_g",
    "loss_disc_all": "train/loss_d",
    "loss_g": "train/loss_g",
    "loss_d": "train/loss_d",
    "val_loss": "val/loss_g",
    "val_mos": "val/mos",
}
_TERMS = {
    "mel": "mel",
    "kl": "kl",
    "dur": "duration",
    "fm": "feature",
    "gen": "generator",
    "disc": "discriminator",
    "mrd_gen": "mrd_generator",
    "mrd_fm": "mrd_feature",
    "mrd_disc": "mrd_discriminator",
}


def our_name(tag: str, tags: Collection[str]) -> str | None:
    """Give our name of one of Piper's tags.

    Args:
        tag: as it stands in an event file.
        tags: all tags of the file, which tell the generation.

    Returns:
        None for what is no curve. A tag that is not Piper's keeps its name.
    """
    if tag == "hp_metric":
        return None
    if tag == "val_loss" and not _FIRST_PIPER.isdisjoint(tags):
        return f"val/{BOTH}"
    side, _, term = tag.partition("_")
    if side in ("train", "val") and term in _TERMS:
        return f"{side}/{_TERMS[term]}"
    return _LOSSES.get(tag, tag)


class PiperFollower(RunFollower):
    """Tails the event files of a chain of Piper's runs; tags and steps are ours.

    Args:
        versions: directories `version_N`, each resumed from the one before, oldest first.
    """

    def __init__(self, versions: Sequence[Path]) -> None:
        super().__init__(versions[-1], earlier=versions[:-1])
        self._linked = len(versions) > 1
        self._line: tuple[tuple[int, ...], Points] = ((), NO_POINTS)

    def _name(self, file: EventFile, tag: str) -> str | None:
        return our_name(tag, file.tags())

    def _points(self, file: EventFile, name: str) -> Points:
        tags = file.tags()
        return join([file.points(tag) for tag in tags if our_name(tag, tags) == name])

    def _stitch(self, parts: list[Points]) -> History:
        history = stitch(parts, 0.0) if self._linked else stitch(parts)
        return History([_counted(part) for part in history.segments], [_counted(part) for part in history.superseded])

    def _judge_clips(self, groups: list[list[AudioEntry]]) -> list[Verdict]:
        parts = []
        for group in groups:
            times = np.array([clip.wall_time for clip in group])
            parts.append(Points(np.array(self.clip_batches(group), np.int64), times, times))
        return judge(parts, 0.0) if self._linked else judge(parts)

    def epochs_at(self, batches: Sequence[int]) -> list[int | None]:
        """See `RunFollower`; Piper writes the epoch under way beside each point."""
        epochs = self.series("epoch")
        if not len(epochs):
            return [None] * len(batches)
        # The first point at or behind the batch has its epoch; behind the last one, nothing newer is known.
        index = np.searchsorted(epochs.steps, np.asarray(batches, np.int64), side="left")
        found = epochs.values[np.minimum(index, len(epochs) - 1)]
        return [int(epoch) if np.isfinite(epoch) else None for epoch in found]

    def checkpoint_batch(self, epoch: int, step: int) -> int:
        """See `RunFollower`; a count that contradicts the epochs of the curves gives way to them."""
        epochs = join([*self.superseded("epoch"), *self.segments("epoch")])
        inside = epochs.steps[epochs.values == epoch]
        if not len(inside):
            return step
        after = epochs.steps[epochs.values > epoch]
        after = after[after > inside.max()]
        ended = int(inside.max())
        return step if ended <= step and (not len(after) or step < after.min()) else ended

    def clip_batches(self, clips: Sequence[AudioEntry]) -> list[int]:
        """See `RunFollower`; a clip is written between the last batch of an epoch and the validation's losses."""
        line = self._timeline()
        counted = np.array([clip.step // OPTIMIZERS for clip in clips], np.int64)
        if not len(line) or not len(clips):
            return [int(batch) for batch in counted]
        times = np.array([clip.wall_time for clip in clips])
        index = np.searchsorted(line.wall_times, times, side="right")
        before: Integers = np.where(index > 0, line.steps[np.maximum(index - 1, 0)], 0)
        follows = index < len(line)
        behind = np.minimum(index, len(line) - 1)
        # The point behind it may be that of a resume, which begins anew further left.
        after: Integers = np.where(follows & (line.steps[behind] >= before), line.steps[behind], before)
        same_epoch = follows & (line.values[behind] == line.values[np.maximum(index - 1, 0)])
        placed = np.where(same_epoch | (index == 0), after, before)
        fits = (counted >= before) & ((counted <= after) | ~follows) & (counted > 0)
        return [int(batch) for batch in np.where(fits, counted, placed)]

    def _timeline(self) -> Points:
        """Epochs of all files, live or not, in the order of the clock."""
        with self._lock:
            parts = [self._points(file, "epoch") for file in self._files]
            version = tuple(n for file, part in zip(self._files, parts, strict=True) for n in (file.serial, len(part)))
            if version != self._line[0]:
                points = join(parts)
                line = points.select(np.argsort(points.wall_times, kind="stable"))
                self._line = (version, _counted(line))
            return self._line[1]


def _counted(points: Points) -> Points:
    """From batches counted from 0 to batches trained."""
    steps = points.steps + 1
    steps.flags.writeable = False
    return Points(steps, points.wall_times, points.values)
