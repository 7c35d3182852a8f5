"""Clips of a run at their places: which epoch and batch each was made after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.tail.follower import RunFollower
from workbench.tail.series import AudioEntry

SENTENCES = "sentences.json"
"""Beside event files of ours: what the samples of each tag say."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A sentence that the voice said while it was trained."""

    entry: AudioEntry
    epoch: int | None
    """From 0, as checkpoints are named; None if nothing tells."""
    batch: int
    """Batches trained by then."""
    sentence: str = ""
    """What the run's own list says of its tag; empty where it says nothing."""

    @property
    def text(self) -> str:
        """The sentence: as listed, or as the writer named the clip."""
        return self.sentence or self.entry.tag


def clips_of(follower: RunFollower) -> list[Clip]:
    """Give the clips of a run as far as its files are read, oldest first."""
    entries = follower.audio()
    batches = follower.clip_batches(entries)
    epochs = follower.epochs_at(batches)
    said = {folder: _sentences(folder) for folder in {Path(entry.path).parent for entry in entries}}
    return [
        Clip(entry, epoch, batch, said[Path(entry.path).parent].get(entry.tag, ""))
        for entry, epoch, batch in zip(entries, epochs, batches, strict=True)
    ]


def _sentences(folder: Path) -> Mapping[str, str]:
    """Sentences by tag, as a trainer of ours lists them; empty where none does."""
    try:
        listed = json.loads((folder / SENTENCES).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(tag): str(text) for tag, text in listed.items()} if isinstance(listed, dict) else {}
