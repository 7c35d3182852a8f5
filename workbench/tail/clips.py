"""Clips of a run at their places: which epoch and batch each was made after."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.tail.follower import RunFollower
from workbench.tail.series import AudioEntry


@dataclass(frozen=True, slots=True)
class Clip:
    """A sentence that the voice said while it was trained."""

    entry: AudioEntry
    epoch: int | None
    """From 0, as checkpoints are named; None if nothing tells."""
    batch: int
    """Batches trained by then."""

    @property
    def text(self) -> str:
        """The sentence, where the writer named the clip by it."""
        return self.entry.tag


def clips_of(follower: RunFollower) -> list[Clip]:
    """Give the clips of a run as far as its files are read, oldest first."""
    entries = follower.audio()
    batches = follower.clip_batches(entries)
    epochs = follower.epochs_at(batches)
    return [Clip(entry, epoch, batch) for entry, epoch, batch in zip(entries, epochs, batches, strict=True)]
