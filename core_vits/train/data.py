"""What the trainer wants of a data set, and the loaders that give it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Sampler

from core_vits.batching import SAMPLERS, padded_cost
from core_vits.dataset import CachedBatch, ClipDataset, Collate, LoadedBatch
from core_vits.manifest import BUCKETS

EPOCHS_AHEAD = 8
"""In how many epochs the largest batch is looked for."""


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence to speak after a validation."""

    name: str
    """How it is shown."""
    phoneme_ids: Sequence[int]
    speaker_id: int | None = None
    """None for a voice with one speaker."""
    speaker: str = ""
    """Name of the speaker."""


class TrainingData(Protocol):
    """Batches of a run. What a batch holds depends on seed and epoch alone, so a position is two numbers."""

    @property
    def batches_per_epoch(self) -> int:
        """Batches of each epoch, at least 1."""

    @property
    def validation_batches(self) -> int:
        """Batches of one validation, of all processes; 0 = there are no validation clips."""

    def train(self, epoch: int, start_batch: int) -> Iterable[LoadedBatch]:
        """The batches of an epoch from `start_batch` on."""

    def largest(self, epoch: int) -> Sequence[LoadedBatch]:
        """The batches of this epoch, and of those that follow soon, that need the most memory; may be empty."""

    def validation(self) -> Iterable[LoadedBatch]:
        """This process's validation batches, always the same ones: of all, from its number on every so many."""

    def sentences(self) -> Sequence[Sentence]:
        """What is spoken after a validation."""


class ClipData:
    """Training data out of prepared clips."""

    def __init__(
        self,
        train: ClipDataset,
        validation: ClipDataset | None,
        sentences: Sequence[Sentence],
        *,
        batch_size: int,
        seed: int,
        batching: str = BUCKETS,
        num_workers: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Plan the loading.

        Args:
            train: clips to train on, at least one.
            validation: clips to validate on; None: no validation.
            sentences: what to speak.
            batch_size: utterances of a batch, in the mean.
            seed: of the order of the clips.
            batching: how batches are made, a key of `SAMPLERS`.
            num_workers: processes that load; 0: the trainer does it.
            rank: of this process.
            world: number of processes that train.
        """
        self._clips = train
        self._collate = Collate(audio_config=train.audio_config, few_sizes=batching == BUCKETS)
        self._sampler = SAMPLERS[batching](train.lengths, batch_size, seed, rank=rank, world=world)
        self._train = _loader(train, self._sampler, self._collate, num_workers)
        clips = range(len(validation)) if validation is not None else range(0)
        plan = [list(clips[begin : begin + batch_size]) for begin in range(0, len(clips), batch_size)]
        self._validation_batches = len(plan)
        together = Collate(audio_config=train.audio_config)
        self._validation = _loader(validation, plan[rank::world], together, 0) if validation is not None else ()
        self._sentences = tuple(sentences)

    @property
    def batches_per_epoch(self) -> int:
        """Batches of each epoch."""
        return len(self._sampler)

    @property
    def validation_batches(self) -> int:
        """Batches of one validation, of all processes."""
        return self._validation_batches

    def train(self, epoch: int, start_batch: int) -> Iterator[CachedBatch]:
        """The batches of an epoch from `start_batch` on."""
        self._sampler.set_position(epoch, start_batch)
        return iter(self._train)

    def largest(self, epoch: int) -> Sequence[CachedBatch]:
        """The batch with the most frames, padding included, and the one with the most phonemes likewise."""
        frames, phonemes = self._clips.lengths, self._clips.phonemes
        batches = [batch for ahead in range(EPOCHS_AHEAD) for batch in self._sampler.batches(epoch + ahead)]
        found = [
            max(batches, key=lambda batch: padded_cost(len(batch), max(frames[clip] for clip in batch))),
            max(batches, key=lambda batch: len(batch) * max(phonemes[clip] for clip in batch)),
        ]
        different = found[:1] if found[0] == found[1] else found
        return [self._collate([self._clips[clip] for clip in batch]) for batch in different]

    def validation(self) -> Iterable[CachedBatch]:
        """This process's validation batches in the order of the clips."""
        return self._validation

    def sentences(self) -> Sequence[Sentence]:
        """What is spoken after a validation."""
        return self._sentences


def _loader(
    clips: ClipDataset, batches: Sampler[list[int]] | Sequence[list[int]], together: Collate, num_workers: int
) -> DataLoader[Any]:
    return DataLoader(
        clips,
        batch_sampler=batches,
        collate_fn=together,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
        # A loader draws a seed for its workers from the global generator; our random numbers must not depend on how
        # often a loader was started, or a resumed run would differ from an uninterrupted one.
        generator=torch.Generator().manual_seed(0),
    )
