"""A very small voice and a made-up data set for tests of the training loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from core_vits.checkpoint import EXTRAS_KEY, load_checkpoint
from core_vits.config import ModelConfig
from core_vits.dataset import Batch
from core_vits.spectrogram import linear_spectrogram
from core_vits.train.callbacks import Callback, Progress, SavedCheckpoint, StepRecord, ValidationRecord
from core_vits.train.data import Sentence
from core_vits.train.loop import Trainer
from core_vits.train.settings import TrainSettings

CONFIG = ModelConfig(
    hidden_channels=8,
    inter_channels=8,
    filter_channels=16,
    n_layers=1,
    upsample_initial_channel=16,
    resblock_kernel_sizes=(3,),
    resblock_dilation_sizes=((1, 2),),
    segment_size=2048,
    discriminator_width_divisor=32,
)
HOP = CONFIG.audio.hop_length


def settings(**changes: object) -> TrainSettings:
    """Two epochs of four batches, a point of the curve at each step."""
    values: dict[str, object] = {"epochs": 2, "batch_size": 2, "log_every_steps": 1, "accelerator": "cpu", "seed": 7}
    return TrainSettings(**{**values, **changes})  # type: ignore[arg-type]


def small_payload(folder: Path, config: ModelConfig = CONFIG) -> dict[str, Any]:
    """A checkpoint of three epochs of two batches as Piper writes it: our layout is its own but for one key."""
    data = MadeUpData(batches=2, validation=0)
    Trainer(settings(epochs=3), config, data, folder).fit()
    payload = load_checkpoint(folder / "epoch=2-step=12.ckpt")
    del payload[EXTRAS_KEY]
    return payload


class MadeUpData:
    """Noise with phoneme ids; a batch is a pure function of epoch and number."""

    def __init__(
        self, batches: int = 4, validation: int = 1, frames: int = 24, poison_at: tuple[int, int] | None = None
    ):
        self.batches_per_epoch = batches
        self.validation_batches = validation
        self._frames = frames
        self._poison_at = poison_at
        self.served: list[tuple[int, int]] = []

    def _batch(self, seed: int) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        audio = torch.randn(2, 1, self._frames * HOP, generator=generator) * 0.1
        longest = min(9, self._frames - 4)
        ids = torch.randint(3, 100, (2, longest), generator=generator)
        return Batch(
            phoneme_ids_BT=ids,
            phoneme_lengths_B=torch.tensor([longest, longest - 2]),
            spectrogram_BCF=linear_spectrogram(audio.squeeze(1), CONFIG.audio),
            spectrogram_lengths_B=torch.tensor([self._frames, self._frames - 3]),
            audio_B1S=audio,
            audio_lengths_B=torch.tensor([self._frames * HOP, (self._frames - 3) * HOP]),
            speaker_ids_B=None,
            keys=("a", "b"),
        )

    def train(self, epoch: int, start_batch: int) -> Iterator[Batch]:
        for number in range(start_batch, self.batches_per_epoch):
            self.served.append((epoch, number))
            batch = self._batch(1000 * epoch + number)
            if self._poison_at == (epoch, number):
                batch.audio_B1S.fill_(float("nan"))
            yield batch

    def largest(self, epoch: int) -> list[Batch]:
        return []

    def validation(self) -> Iterator[Batch]:
        for number in range(self.validation_batches):
            yield self._batch(900_000 + number)

    def sentences(self) -> list[Sentence]:
        return [Sentence(name="one", phoneme_ids=(1, 0, 30, 0, 2))]


class Notes(Callback):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.losses: list[tuple[int, float, float]] = []
        self.saved: list[SavedCheckpoint] = []
        self.validations: list[ValidationRecord] = []
        self.problems: list[str] = []
        self.events: list[str] = []
        self.resumed_from: Path | None = None

    def on_run_start(self, progress: Progress, resumed_from: Path | None) -> None:
        self.resumed_from = resumed_from

    def on_step_end(self, progress: Progress, record: StepRecord) -> None:
        if record.metrics is not None:
            step = progress.position.step
            self.losses.append((step, record.metrics["loss_g"], record.metrics["loss_d"]))

    def on_validation_end(self, progress: Progress, record: ValidationRecord) -> None:
        self.validations.append(record)

    def on_checkpoint(self, progress: Progress, saved: SavedCheckpoint) -> None:
        self.saved.append(saved)

    def on_problem(self, progress: Progress, message: str) -> None:
        self.problems.append(message)

    def on_run_end(self, progress: Progress, outcome: str) -> None:
        self.events.append(outcome)

    def on_exception(self, progress: Progress, error: BaseException) -> None:
        self.events.append(type(error).__name__)


class StopAt(Callback):
    """Raises a stop request after a given step; pass `asked` as the trainer's `stop`."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._reached = False

    def on_step_end(self, progress: Progress, record: StepRecord) -> None:
        self._reached = self._reached or progress.position.step >= self._step

    def reached(self) -> StopAt:
        """As if the step had been reached already."""
        self._reached = True
        return self

    def asked(self) -> bool:
        """The trainer's question."""
        return self._reached
