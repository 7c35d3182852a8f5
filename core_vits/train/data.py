"""What the trainer wants of a data set, and the loaders that give it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from core_vits.dataset import Batch


class TrainingData(Protocol):
    """Batches of a run. What a batch holds depends on seed and epoch alone, so a position is two numbers."""

    @property
    def batches_per_epoch(self) -> int:
        """Batches of each epoch, at least 1."""

    @property
    def validation_batches(self) -> int:
        """Batches of one validation; 0 = there are no validation clips."""

    def train(self, epoch: int, start_batch: int) -> Iterable[Batch]:
        """The batches of an epoch from `start_batch` on."""

    def validation(self) -> Iterable[tuple[Batch, int]]:
        """Validation batches in fixed order, with the utterances in each."""

    def sentences(self) -> Sequence[Sentence]:
        """What is spoken after a validation."""


class Sentence(Protocol):
    """A sentence to speak."""

    @property
    def name(self) -> str:
        """How it is shown."""

    @property
    def phoneme_ids(self) -> Sequence[int]:
        """As the model reads it."""

    @property
    def speaker_id(self) -> int | None:
        """None for a voice with one speaker."""


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with all its tensors on a device; copies from pinned memory run beside the computation."""
    tensors = {field.name: getattr(batch, field.name) for field in fields(batch)}
    moved = {
        name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items() if isinstance(tensor, Tensor)
    }
    return replace(batch, **moved)


class _Plan:
    """A batch sampler whose plan is replaced before each epoch, so that worker processes live on."""

    def __init__(self) -> None:
        self.batches: Sequence[Sequence[int]] = ()

    def __iter__(self) -> Iterator[Sequence[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class PlannedLoader:
    """A `DataLoader` that is told the batches of each epoch."""

    def __init__(self, dataset: Dataset[Any], collate: Any, *, num_workers: int, pin_memory: bool) -> None:
        self._plan = _Plan()
        self._loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_sampler=self._plan,  # type: ignore[arg-type]  # iterating it is all that is done
            collate_fn=collate,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=pin_memory,
            # A loader draws a seed for its workers from the global generator; our random numbers must not depend on
            # how often a loader was started, or a resumed run would differ from an uninterrupted one.
            generator=torch.Generator().manual_seed(0),
        )

    def run(self, batches: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """Load these batches in this order."""
        self._plan.batches = batches
        return iter(self._loader)
