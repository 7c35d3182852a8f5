"""The whole state of a training run as a checkpoint, and back.

The layout is the one Lightning writes for Piper, so Piper's own trainer resumes from the file: the position is in the
counters under `loops`, `hyper_parameters` holds Piper's keys and no other, and the two warm-start paths are empty
(Piper would copy those files over the restored weights). What only this program knows (random number states, the batch
inside an epoch) lies under one more top-level key, as tensors and plain values.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightning.fabric
import numpy as np
import torch

from core_vits.checkpoint import EXTRAS_KEY
from core_vits.config import piper_hyperparameters
from core_vits.errors import CheckpointFileError
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.settings import ADAM_EPSILON, BETAS, BETAS_D, Position, TrainSettings

FORMAT = 1
"""Of what lies under our key."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a checkpoint says about where it comes from."""

    split_hash: str = ""
    """Fingerprint of the division into training, validation and test clips."""
    versions: Mapping[str, str] = field(default_factory=dict)
    speakers: Mapping[str, int] = field(default_factory=dict)
    """Number of each speaker; empty for a voice with one."""
    phoneme_id_map: Mapping[str, Sequence[int]] = field(default_factory=dict)
    phonemizer: str = ""
    """Name, version and language."""
    begun: Mapping[str, str] = field(default_factory=dict)
    """What the run began with: file, mode, learning rate and optimizer; empty: from scratch."""


def pack(
    models: VoiceModels,
    optimization: Optimization,
    position: Position,
    settings: TrainSettings,
    *,
    batches_per_epoch: int,
    validation: Mapping[str, float],
    provenance: Provenance,
    random_states: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Everything that resuming needs, as `save_atomic` takes it.

    `random_states` are `random_numbers` of each process, in their order; those of this one if not given.
    """
    first, *others = random_states or (random_numbers(),)
    return {
        "epoch": position.labelled_epoch,
        "global_step": position.optimizer_step,
        "pytorch-lightning_version": lightning.fabric.__version__,
        "state_dict": models.state_dict(),
        "loops": _loops(position, batches_per_epoch),
        "callbacks": {},
        "optimizer_states": optimization.optimizer_states(),
        "lr_schedulers": optimization.scheduler_states(),
        "hparams_name": "kwargs",
        "hyper_parameters": _hyper_parameters(models, settings),
        EXTRAS_KEY: {
            "format": FORMAT,
            "epoch": position.epoch,
            "batch": position.batch,
            "step": position.step,
            "batches_per_epoch": batches_per_epoch,
            "seed": settings.seed,
            "batch_size": settings.batch_size,
            "batching": settings.batching,
            "settings_hash": settings.digest(),
            "split_hash": provenance.split_hash,
            "validation": dict(validation),
            "versions": dict(provenance.versions),
            "speakers": dict(provenance.speakers),
            "phoneme_id_map": {symbol: list(ids) for symbol, ids in provenance.phoneme_id_map.items()},
            "phonemizer": provenance.phonemizer,
            "begun": dict(provenance.begun),
            "discriminator_width_divisor": models.config.discriminator_width_divisor,
            "rng": dict(first),
            "rng_of_others": [dict(states) for states in others],
        },
    }


def restore_random(payload: Mapping[str, Any], rank: int = 0, world: int = 1) -> bool:
    """Put the random number generators of a process where they stood.

    Args:
        payload: a checkpoint.
        rank: of the process.
        world: number of processes that train now.

    Returns:
        False when the file doesn't say, or was saved by another number of processes; then nothing is changed.

    Raises:
        CheckpointFileError: what it says can't be used.
    """
    extras = payload.get(EXTRAS_KEY)
    if not isinstance(extras, Mapping) or not isinstance(extras.get("rng"), Mapping):
        return False
    processes = [extras["rng"], *extras.get("rng_of_others", ())]
    if len(processes) != world:
        return False
    states = processes[rank]
    try:
        torch.set_rng_state(states["torch"])
        cuda = states["cuda"]
        if cuda and torch.cuda.is_available() and len(cuda) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(list(cuda))
        version, words, gauss = states["python"]
        random.setstate((version, tuple(words.tolist()), gauss))
        key, position, has_gauss, cached = states["numpy"]
        np.random.set_state(("MT19937", key.numpy().astype(np.uint32), position, has_gauss, cached))
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CheckpointFileError(f"its random number states can't be restored ({error})") from None
    return True


def seed_process(seed: int, rank: int) -> None:
    """Begin the random numbers of one of several processes: other ones in each."""
    torch.manual_seed(seed + rank)


def random_numbers() -> dict[str, Any]:
    """Where the random number generators of this process stand, as a checkpoint holds them."""
    version, words, gauss = random.getstate()
    _, key, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": [version, torch.tensor(words, dtype=torch.int64), gauss],
        "numpy": [torch.from_numpy(np.asarray(key).astype(np.int64)), int(position), int(has_gauss), float(cached)],
    }


def _hyper_parameters(models: VoiceModels, settings: TrainSettings) -> dict[str, Any]:
    """Every argument of Piper's model, and none that it doesn't have: it refuses a file with an unknown one."""
    return {
        **piper_hyperparameters(models.config),
        "n_layers_q": 3,
        "learning_rate": settings.learning_rate,
        "learning_rate_d": settings.learning_rate_d,
        "betas": list(BETAS),
        "betas_d": list(BETAS_D),
        "eps": ADAM_EPSILON,
        "lr_decay": settings.lr_decay,
        "lr_decay_d": settings.lr_decay_d,
        "init_lr_ratio": 1.0,
        "warmup_epochs": 0,
        "c_mel": round(settings.mel_weight),  # a whole number there; a float makes Piper refuse the file
        "c_kl": settings.kl_weight,
        "grad_clip": None,
        "vocoder_warmstart_ckpt": None,
        "warmstart_ckpt": None,
        "mos_metric": "utmos",
        "dataset": None,
        "batch_size": settings.batch_size,
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
    }


def _counts(done: int, *names: str, begun: int | None = None) -> dict[str, int]:
    """A Lightning progress record: `completed` may lag behind the other counters."""
    return {name: done if name == "completed" or begun is None else begun for name in names}


def _progress(done: int, *, begun: int | None = None, current: int | None = None) -> dict[str, Any]:
    names = ("ready", "completed", "started", "processed")
    now = _counts(done if current is None else current, *names, begun=begun if current is None else None)
    return {"total": _counts(done, *names, begun=begun), "current": now}


def _loops(position: Position, batches_per_epoch: int) -> dict[str, Any]:
    """Lightning's counters; its trainer takes its position from here alone.

    In a file of the end of an epoch that epoch is `processed` but not yet `completed`: so Lightning writes it, and so
    it begins the next one after a resume.
    """
    ended = position.batch in (0, batches_per_epoch)
    running = position.labelled_epoch
    batch = batches_per_epoch if ended else position.batch
    if position.step == 0:
        batch = 0
    epochs = _progress(running, begun=running + 1)
    if not ended:
        for counters in epochs.values():
            counters["processed"] = running
    short, no_grad = ("ready", "completed"), ("ready", "completed", "started")
    zero_grads = {"total": _counts(0, *no_grad), "current": _counts(0, *no_grad)}
    no_steps = {"total": _counts(0, *short), "current": _counts(0, *short)}
    steps = _counts(position.optimizer_step, *short)
    idle = {"state_dict": {}, "batch_progress": {**_progress(0), "is_last_batch": False}}
    return {
        "fit_loop": {
            "state_dict": {},
            "epoch_loop.state_dict": {"_batches_that_stepped": position.step},
            "epoch_loop.batch_progress": {
                **_progress(position.step, current=batch),
                "is_last_batch": ended and position.step > 0,
            },
            "epoch_loop.scheduler_progress": no_steps,
            "epoch_loop.automatic_optimization.state_dict": {},
            "epoch_loop.automatic_optimization.optim_progress": {
                "optimizer": {"step": no_steps, "zero_grad": zero_grads}
            },
            "epoch_loop.manual_optimization.state_dict": {},
            "epoch_loop.manual_optimization.optim_step_progress": {"total": steps, "current": dict(steps)},
            "epoch_loop.val_loop.state_dict": {},
            "epoch_loop.val_loop.batch_progress": idle["batch_progress"],
            "epoch_progress": epochs,
        },
        "validate_loop": idle,
        "test_loop": idle,
        "predict_loop": {"state_dict": {}, "batch_progress": _progress(0)},
    }
