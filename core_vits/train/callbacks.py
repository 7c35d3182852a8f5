"""What the trainer tells others while it works.

A callback is a plain class. The trainer calls it on its own thread between two steps, so a slow one makes training
slow, and an exception out of one ends the run: whoever runs code that is not his own guards it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core_vits.train.begin import BeginPlan
from core_vits.train.rehearsal import Rehearsal
from core_vits.train.settings import Position


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where training stands when a callback is called."""

    position: Position
    epochs: int
    batches_per_epoch: int
    max_steps: int = 0
    """0 = no limit."""
    learning_rates: Mapping[str, float] = field(default_factory=dict)
    """Of the generator `g` and the discriminators `d`."""
    device: str = ""
    """Where it computes, as torch calls it: `cpu`, `cuda:0`."""

    @property
    def last_step(self) -> int:
        """Batches that will be trained when the run is over; its earlier epochs may have had another length."""
        at = self.position
        total = at.step + max(0, (self.epochs - at.epoch) * self.batches_per_epoch - at.batch)
        return min(total, self.max_steps) if self.max_steps else total


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One trained batch."""

    seconds: float
    """Wall time of the step, waiting for data included."""
    wait_seconds: float
    """Of these, waiting for data."""
    metrics: Mapping[str, float] | None = None
    """Means since the last point of the curves; only when they were fetched from the device in this step."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sentence that the voice said."""

    name: str
    audio_S: NDArray[np.float32]
    """Full scale = 1."""
    sample_rate: int
    """Hz."""
    speaker: str = ""
    """Who said it, of a voice with several speakers."""


@dataclass(frozen=True, kw_only=True)
class ValidationRecord:
    """What a validation found."""

    metrics: Mapping[str, float]
    """Means over the validation utterances; empty when there are none."""
    clips: int = 0
    """Utterances that the means are over."""
    clips_of: int = 0
    """Utterances that there are; the others did not fit into the memory."""
    samples: Sequence[Sample] = ()

    @property
    def mel(self) -> float | None:
        """The loss that checkpoints are compared by."""
        return self.metrics.get("mel")


@dataclass(frozen=True, kw_only=True)
class SavedCheckpoint:
    """A checkpoint that is complete on disk."""

    path: Path
    epoch: int
    step: int
    """Batches."""
    optimizer_step: int
    bytes: int
    kind: str
    """`epoch`, `timer` or `stop`."""
    val_mel: float | None = None
    removed: Sequence[Path] = field(default_factory=tuple)
    """Older checkpoints that retention took away."""


class Callback:
    """Base class: override what you want to hear of."""

    def on_begin(self, progress: Progress, checkpoint: Path, plan: BeginPlan) -> None:
        """A new run has taken over what the plan says of another run's checkpoint; comes before `on_run_start`."""

    def on_run_start(self, progress: Progress, resumed_from: Path | None) -> None:
        """Models are built, and restored when the run is resumed; nothing is trained yet."""

    def on_rehearsal(self, progress: Progress, found: Rehearsal) -> None:
        """It is known how much memory the largest batch takes; comes after `on_run_start`, before the first step."""

    def on_epoch_start(self, progress: Progress) -> None:
        """An epoch begins, or goes on after a resume."""

    def on_step_end(self, progress: Progress, record: StepRecord) -> None:
        """A batch was trained."""

    def on_validation_progress(self, progress: Progress, done: int, total: int) -> None:
        """Validation is on its way; counts batches."""

    def on_validation_end(self, progress: Progress, record: ValidationRecord) -> None:
        """Validation is over."""

    def on_epoch_end(self, progress: Progress) -> None:
        """An epoch is over; learning rates are those of the next one."""

    def on_checkpoint_start(self, progress: Progress) -> None:
        """A checkpoint is about to be written."""

    def on_checkpoint(self, progress: Progress, saved: SavedCheckpoint) -> None:
        """A checkpoint is complete on disk."""

    def on_problem(self, progress: Progress, message: str) -> None:
        """Something failed and training goes on."""

    def on_exception(self, progress: Progress, error: BaseException) -> None:
        """Training ends by an error."""

    def on_run_end(self, progress: Progress, outcome: str) -> None:
        """Training ended as it should: `completed` or `stopped`."""
