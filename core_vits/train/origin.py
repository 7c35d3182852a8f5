"""What a checkpoint file is: who made it, what model is in it, where its training stood, at which learning rates.

Told by content alone, never by the file's name. Everything that is read here comes from a file that anybody may have
made, so each value is checked before it is believed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from core_vits.architecture import architecture_from_state_dict, quality_of
from core_vits.checkpoint import EXTRAS_KEY
from core_vits.checkpoint_names import OPTIMIZERS
from core_vits.config import ModelConfig
from core_vits.errors import CheckpointFileError
from core_vits.manifest import RANDOM
from core_vits.train.settings import Position

OURS, PIPER, FIRST_PIPER, UNKNOWN = "ours", "piper1-gpl", "piper_train", "unknown"
"""Makers of checkpoints. `piper_train` is the trainer of the first Piper, on Lightning 1.7."""

SIDES = ("g", "d")
"""Generator and discriminators, in the order of the optimizers."""

# Trap of Piper: it stores these paths and copies the files over the restored weights when the run is resumed.
_WARM_START_PATHS = ("warmstart_ckpt", "vocoder_warmstart_ckpt")
_ONLY_FIRST_PIPER = frozenset({"dataset_dir", "max_phoneme_ids", "checkpoint_epochs", "quality"})
_MOST = 2**53
"""Counters beyond this were never counted."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A checkpoint as far as it matters to a run that begins with it."""

    maker: str
    config: ModelConfig
    """Read from the shapes of the tensors; what no shape shows, from the hyperparameters."""
    quality: str
    """The preset that it is; empty: none."""
    sample_rate: int | None
    """Hz; None: the file doesn't say."""
    position: Position | None
    """Where training goes on, with the batch inside the epoch; None: the file doesn't say."""
    unfinished: bool
    """Whether it was saved in the middle of an epoch by a trainer that stored no place in it."""
    batches_per_epoch: int | None
    batching: str
    """How its batches were made. A file that doesn't say is older than the choice: at random, as Piper."""
    learning_rates: Mapping[str, float]
    """Of each side whose optimizer it holds, as they stand."""
    held: bool
    """Whether its run held the rates constant (ours), or never applied its decay (Piper)."""
    discriminators: bool
    betas: Mapping[str, tuple[float, ...]]
    """Of each side's optimizer."""
    has_state: Mapping[str, bool]
    """Whether the moments of a side's optimizer are there."""
    warm_start_file: str
    """What its hyperparameters name to be copied over the weights; passed over here."""
    hyper_parameters: Mapping[str, Any] = field(repr=False)
    speakers: Mapping[str, int] | None = field(default=None, repr=False)
    """Number of each speaker, if the file says so itself."""
    symbols: Mapping[str, tuple[int, ...]] | None = field(default=None, repr=False)
    """Ids of each phoneme, likewise."""
    phonemizer: str = ""
    """Name, version and language of the phonemizer; empty: the file doesn't say."""


def read_origin(payload: Mapping[str, Any]) -> Origin:
    """Read what `load_checkpoint` gave.

    Raises:
        CheckpointFileError: it is not a model of Piper's kind, or what it says about itself can't be true.
    """
    state: Mapping[str, Tensor] = payload["state_dict"]
    hyper = _mapping(payload.get("hyper_parameters"))
    extras = _mapping(payload.get(EXTRAS_KEY))
    config = architecture_from_state_dict(state, hyper)
    maker = _maker(payload, hyper)
    position, unfinished = _position(payload, extras)
    groups = {side: _group(payload, number) for number, side in enumerate(SIDES)}
    rates = {side: rate for side, group in groups.items() if (rate := _number(group.get("lr"))) is not None}
    return Origin(
        maker=maker,
        config=config,
        quality=quality_of(config),
        sample_rate=_count(hyper.get("sample_rate")),
        position=position,
        unfinished=unfinished,
        batches_per_epoch=_batches_per_epoch(extras, position, unfinished=unfinished),
        batching=_text(extras.get("batching")) or RANDOM,
        learning_rates=rates,
        held=maker == PIPER or _text(_mapping(extras.get("begun")).get("learning_rate")) == "keep",
        discriminators=any(key.startswith("model_d.") for key in state),
        betas={side: betas for side, group in groups.items() if (betas := _betas(group.get("betas")))},
        has_state={side: bool(_mapping(_optimizer(payload, number).get("state"))) for number, side in enumerate(SIDES)},
        warm_start_file=next(filter(None, (_text(hyper.get(name)) for name in _WARM_START_PATHS)), ""),
        hyper_parameters=hyper,
        speakers=_speakers(extras.get("speakers")),
        symbols=_symbols(extras.get("phoneme_id_map")),
        phonemizer=_text(extras.get("phonemizer")),
    )


def not_finite(state: Mapping[str, Tensor]) -> str:
    """The first tensor with a value that is no finite number; empty when there is none."""
    for name, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return name
    return ""


# --- who made it ----------------------------------------------------------------------------------------------------


def _maker(payload: Mapping[str, Any], hyper: Mapping[str, Any]) -> str:
    if isinstance(payload.get(EXTRAS_KEY), Mapping):
        return OURS
    version = _text(payload.get("pytorch-lightning_version"))
    if any(".batch_loop." in str(key) for key in _fit_loop(payload)) or version.startswith("1."):
        return FIRST_PIPER
    if "learning_rate_d" in hyper or "_instantiator" in hyper:
        return PIPER
    if hyper.keys() & _ONLY_FIRST_PIPER:
        return FIRST_PIPER
    return PIPER if version else UNKNOWN


# --- where it stood -------------------------------------------------------------------------------------------------


def _position(payload: Mapping[str, Any], extras: Mapping[str, Any]) -> tuple[Position | None, bool]:
    if extras:
        epoch, batch, step = (_count(extras.get(name)) for name in ("epoch", "batch", "step"))
        if epoch is None or batch is None or step is None:
            raise CheckpointFileError("its position can't be read (epoch, batch and step are no counters)")
        return Position(epoch=epoch, batch=batch, step=step), False
    next_epoch, unfinished = _next_epoch(payload)
    step = _batches(payload)
    if next_epoch is None or step is None:
        return None, False
    return Position(epoch=next_epoch, step=step), unfinished


def _next_epoch(payload: Mapping[str, Any]) -> tuple[int | None, bool]:
    """The epoch that comes next, and whether it is one that was begun already.

    Lightning takes it from its loop counters alone, so they come first. At the end of an epoch its number is
    `processed`; in a file of a callback that comes before that, or from inside the epoch, it is not yet.
    """
    saved, loop = _count(payload.get("epoch")), _fit_loop(payload)
    processed = _count(_at(loop, "epoch_progress", "current", "processed"))
    if processed is None:
        return (None if saved is None else saved + 1), False
    inside = _at(loop, "epoch_loop.batch_progress", "is_last_batch") is False
    if processed != saved:
        return processed, False
    return (processed if inside else processed + 1), inside


def _batches(payload: Mapping[str, Any]) -> int | None:
    """Batches trained.

    `global_step` counts optimizer steps, two a batch, and begins at 0 again when Piper resumes a file of its first
    version; `_batches_that_stepped` goes on.
    """
    loop = _fit_loop(payload)
    batches = _count(_at(loop, "epoch_loop.state_dict", "_batches_that_stepped"))
    if batches:
        return batches
    steps = _count(payload.get("global_step"))
    return batches if steps is None else steps // OPTIMIZERS


def _batches_per_epoch(extras: Mapping[str, Any], position: Position | None, *, unfinished: bool) -> int | None:
    if extras:
        return _count(extras.get("batches_per_epoch"))
    if position is None or unfinished or not position.epoch or position.step % position.epoch:
        return None
    return position.step // position.epoch or None


# --- optimizers -----------------------------------------------------------------------------------------------------


def _group(payload: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    groups = _optimizer(payload, number).get("param_groups")
    return _mapping(groups[0]) if isinstance(groups, Sequence) and groups else {}


def _betas(value: object) -> tuple[float, ...]:
    numbers = [_number(item) for item in value] if isinstance(value, list | tuple) else []
    return tuple(number for number in numbers if number is not None)


def _optimizer(payload: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    states = payload.get("optimizer_states")
    if not isinstance(states, Sequence) or len(states) <= number:
        return {}
    return _mapping(states[number])


# --- values from a file ---------------------------------------------------------------------------------------------


def _fit_loop(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(_mapping(payload.get("loops")).get("fit_loop"))


def _at(value: object, *names: str) -> object:
    for name in names:
        value = _mapping(value).get(name)
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int | None:
    """A whole number from 0, or None."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < _MOST else None  # type: ignore[operator, return-value]  # an int by then


def _number(value: object) -> float | None:
    """A number; None when it is none. Whether it makes sense is for the reader to judge."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""


def _speakers(value: object) -> dict[str, int] | None:
    known = {str(name): number for name, number in _mapping(value).items() if _count(number) is not None}
    return known or None


def _symbols(value: object) -> dict[str, tuple[int, ...]] | None:
    known = {
        str(symbol): tuple(ids)
        for symbol, ids in _mapping(value).items()
        if isinstance(ids, Sequence) and ids and all(_count(number) is not None for number in ids)
    }
    return known or None


def is_rate(value: float) -> bool:
    """Whether a number can be a learning rate."""
    return math.isfinite(value) and 0 < value <= 1
