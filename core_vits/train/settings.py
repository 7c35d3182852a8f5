"""What a training run is told, and how it counts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from core_vits.checkpoint_names import OPTIMIZERS
from core_vits.config import ConfigError
from core_vits.manifest import BUCKETS, RANDOM

ADAM_EPSILON = 1e-9
WEIGHT_DECAY = 0.01
BETAS = (0.8, 0.99)
BETAS_D = (0.5, 0.9)
"""Piper's optimizer constants; `_d` is the discriminators'."""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How to train; names as in `[training]` of a workspace file."""

    seed: int = 1234
    epochs: int = 1000
    max_steps: int = 0
    """Batches after which training ends; 0 = no limit."""
    batch_size: int = 16
    """Utterances; with buckets in the mean."""
    batching: str = BUCKETS
    """How batches are made, `buckets` or `random`."""
    learning_rate: float = 2e-4
    learning_rate_d: float = 1e-4
    lr_decay: float = 0.999875
    """Factor on the learning rate after each epoch."""
    lr_decay_d: float = 0.9999
    mel_weight: float = 45.0
    kl_weight: float = 1.0
    accelerator: str = "auto"
    devices: int = 1
    precision: str = "32-true"
    tf32: bool = True
    """Whether a GPU may round the factors of float32 products to ten bits, as Piper does."""
    cuda_graphs: bool = False
    """Whether steps on a GPU are recorded once for each shape of a batch, and then started as a whole."""
    num_workers: int = 0
    """Processes that load batches; 0 = this one."""
    validate_every_epochs: int = 1
    checkpoint_every_epochs: int = 1
    checkpoint_every_minutes: float = 0.0
    """0 = off."""
    keep_best: int = 5
    """Checkpoints with the lowest validation mel loss that are kept."""
    keep_last: int = 2
    """Newest checkpoints that are kept, at least 1."""
    log_every_steps: int = 10
    """Batches between two points of a curve."""

    def __post_init__(self) -> None:
        positive = ("epochs", "batch_size", "devices", "validate_every_epochs", "checkpoint_every_epochs",
                    "keep_last", "log_every_steps")  # fmt: skip
        for name in positive:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; set at least 1")
        for name in ("learning_rate", "learning_rate_d", "lr_decay", "lr_decay_d"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; set more than 0 and at most 1")

        if self.batching not in (BUCKETS, RANDOM):
            raise ConfigError(f"batching is {self.batching!r}; set {BUCKETS} or {RANDOM}")

    def digest(self) -> str:
        """A short fingerprint, stored in checkpoints to tell which settings made them."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where training stands: the next batch to train is number `batch` of epoch `epoch`, both from 0."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    """Batches trained since the run began."""

    @property
    def optimizer_step(self) -> int:
        """Optimizer steps, as Piper counts."""
        return self.step * OPTIMIZERS

    @property
    def labelled_epoch(self) -> int:
        """The epoch that a file name shows: the one that runs, or the one just finished."""
        return self.epoch if self.batch else max(self.epoch - 1, 0)
