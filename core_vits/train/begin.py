"""How a run begins with a checkpoint: a plan, computed from the file and from what is wanted, and its execution.

The plan that the trainer carries out is the plan that the user was shown: both come from `plan_begin`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from core_vits.config import ConfigError, ModelConfig
from core_vits.errors import CheckpointFileError
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.origin import SIDES, Origin, read_origin
from core_vits.train.refusals import why_refused
from core_vits.train.settings import Position, TrainSettings
from core_vits.train.surgery import (
    COPIED,
    ROWS,
    SPEAKER_TABLE,
    SYMBOL_TABLE,
    Rows,
    Surgery,
    first_rows,
    fitting_copy,
    moved_moments,
    operate,
    rows_by_name,
    whole_copy,
)

RESUME, WARM_START, VOCODER = "resume", "warm-start", "vocoder"
"""How much of the file a run begins with."""
CONTINUE, KEEP, SET = "continue", "keep", "set"
"""Learning rates: the file's, decaying on; the file's, constant; those of the settings, decaying from now."""
FRESH = "fresh"

_PREFIXES = {"g": "model_g.", "d": "model_d."}


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the user chose; names and values as in `[start]` of a workspace file."""

    mode: str = RESUME
    learning_rate: str = CONTINUE
    optimizer: str = KEEP

    def __post_init__(self) -> None:
        allowed = {
            "mode": (RESUME, WARM_START, VOCODER),
            "learning_rate": (CONTINUE, KEEP, SET),
            "optimizer": (KEEP, FRESH),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; set one of {', '.join(values)}")

    @property
    def rates(self) -> str:
        """Where the rates come from: a run that does not resume takes those of the settings."""
        return self.learning_rate if self.mode == RESUME else SET

    @property
    def decays(self) -> bool:
        """Whether the rates fall after each epoch."""
        return self.rates != KEEP

    def later(self) -> Choices:
        """How the run goes on from its own checkpoints: exactly, and rates that were held stay held."""
        return Choices(learning_rate=KEEP if self.rates == KEEP else CONTINUE)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the numbers of phonemes and speakers mean on both sides; None: not known."""

    symbols_before: Mapping[str, Sequence[int]] | None = field(default=None, repr=False)
    symbols: Mapping[str, Sequence[int]] | None = field(default=None, repr=False)
    speakers_before: Mapping[str, int] | None = None
    speakers: Mapping[str, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Rate:
    """The learning rate of one side."""

    now: float
    decay: float
    """Factor after each epoch; 1: it stays."""
    last: float
    """In the last epoch of the settings."""
    of_file: bool
    """Whether it is the file's; else the settings'."""


@dataclass(frozen=True, kw_only=True)
class BeginPlan:
    """Everything that happens when a run begins with a checkpoint."""

    origin: Origin
    choices: Choices
    config: ModelConfig
    settings: TrainSettings
    position: Position
    rates: Mapping[str, Rate]
    optimizers: Mapping[str, bool]
    """Whether the moments of a side are kept."""
    surgery: Surgery
    moved_symbols: tuple[str, ...] = ()
    """Phonemes whose number is another one now."""
    new_symbols: tuple[str, ...] = ()
    """Phonemes that the checkpoint's map lacks; empty when it is not known."""
    symbols_known: bool = False
    new_speakers: tuple[str, ...] = ()
    dropped_speakers: tuple[str, ...] = ()
    speakers_known: bool = False
    refusal: str = ""
    """Why it can't begin so, and what to do; empty: it can."""


def plan_begin(
    payload: Mapping[str, Any],
    config: ModelConfig,
    settings: TrainSettings,
    choices: Choices,
    known: Known | None = None,
    *,
    batches_per_epoch: int | None = None,
    own: bool = False,
) -> BeginPlan:
    """Work out how a run begins. Nothing is changed, and no weights are allocated.

    Args:
        payload: the file, as `load_checkpoint` gives it.
        config: the model that is wanted.
        settings: how it is to be trained.
        choices: of the user.
        known: names of phonemes and speakers; what the file says about itself goes before `known`.
        batches_per_epoch: of the new run; None: not known yet.
        own: the file is the run's own, so the run may be at its end.

    Raises:
        CheckpointFileError: the file is not a model of Piper's kind.
    """
    origin = read_origin(payload)
    names = _names(origin, known or Known())
    before = {name: tuple(value.shape) for name, value in payload["state_dict"].items()}
    wanted = _layout(config)
    rows = _rows(origin.config, config, names)
    if choices.mode == RESUME:
        surgery = whole_copy(before, wanted, rows)
    else:
        configs = (origin.config, config)
        surgery = fitting_copy(before, wanted, rows, configs, vocoder_only=choices.mode == VOCODER)
    position = _position(origin, choices, settings, batches_per_epoch)
    facts: dict[str, Any] = {
        "origin": origin,
        "choices": choices,
        "config": config,
        "settings": settings,
        "position": position,
        "rates": {side: _rate(side, origin, settings, choices, position) for side in SIDES},
        "optimizers": {side: _keeps_moments(side, origin, choices, surgery) for side in SIDES},
        "surgery": surgery,
        **_symbol_facts(names),
        **_speaker_facts(names, config),
    }
    plan = BeginPlan(**facts)
    return BeginPlan(**facts, refusal=why_refused(plan, payload["state_dict"], own=own))


@lru_cache(maxsize=4)
def _layout(config: ModelConfig) -> Mapping[str, tuple[int, ...]]:
    """Shapes of the model's tensors; nothing is allocated and no random number is drawn."""
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in VoiceModels(config).state_dict().items()}


def _names(origin: Origin, known: Known) -> Known:
    return Known(
        symbols_before=origin.symbols or known.symbols_before,
        symbols=known.symbols,
        speakers_before=origin.speakers or known.speakers_before,
        speakers=known.speakers,
    )


def _rows(old: ModelConfig, new: ModelConfig, names: Known) -> dict[str, Rows]:
    """The tables that are not simply copied."""
    rows = {}
    if names.symbols and names.symbols_before and _moved(names.symbols_before, names.symbols):
        rows[SYMBOL_TABLE] = rows_by_name(names.symbols_before, names.symbols, old.num_symbols, new.num_symbols)
    elif old.num_symbols != new.num_symbols:
        rows[SYMBOL_TABLE] = first_rows(old.num_symbols, new.num_symbols)
    if old.num_speakers > 1 and new.num_speakers > 1:
        speakers = first_rows(old.num_speakers, new.num_speakers)
        if names.speakers and names.speakers_before:
            before, after = ({name: (number,) for name, number in side.items()}
                             for side in (names.speakers_before, names.speakers))  # fmt: skip
            speakers = rows_by_name(before, after, old.num_speakers, new.num_speakers)
        if not speakers.is_identity(old.num_speakers):
            rows[SPEAKER_TABLE] = speakers
    return rows


def _moved(before: Mapping[str, Sequence[int]], after: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """Names that both sides know by other numbers."""
    return tuple(name for name, numbers in after.items() if name in before and tuple(before[name]) != tuple(numbers))


def _symbol_facts(names: Known) -> dict[str, Any]:
    if not names.symbols or not names.symbols_before:
        return {}
    return {
        "moved_symbols": _moved(names.symbols_before, names.symbols),
        "new_symbols": tuple(symbol for symbol in names.symbols if symbol not in names.symbols_before),
        "symbols_known": True,
    }


def _speaker_facts(names: Known, config: ModelConfig) -> dict[str, Any]:
    if config.num_speakers < 2 or not names.speakers or not names.speakers_before:
        return {}
    return {
        "new_speakers": tuple(name for name in names.speakers if name not in names.speakers_before),
        "dropped_speakers": tuple(name for name in names.speakers_before if name not in names.speakers),
        "speakers_known": True,
    }


def _position(origin: Origin, choices: Choices, settings: TrainSettings, batches_per_epoch: int | None) -> Position:
    """Where the run begins; inside an epoch only if its batches are what they were."""
    if choices.mode != RESUME or origin.position is None:
        return Position()
    at = origin.position
    same_length = batches_per_epoch in (None, origin.batches_per_epoch)
    if not same_length or origin.batching != settings.batching:
        return Position(epoch=at.epoch, step=at.step)
    return at


def _rate(side: str, origin: Origin, settings: TrainSettings, choices: Choices, position: Position) -> Rate:
    given, decay = (
        (settings.learning_rate, settings.lr_decay) if side == "g" else (settings.learning_rate_d, settings.lr_decay_d)
    )
    of_file = choices.rates != SET and side in origin.learning_rates
    now = origin.learning_rates[side] if of_file else given
    decay = decay if choices.decays else 1.0
    left = max(0, settings.epochs - 1 - position.epoch)
    return Rate(now=now, decay=decay, last=now * decay**left, of_file=of_file)


def _keeps_moments(side: str, origin: Origin, choices: Choices, surgery: Surgery) -> bool:
    wanted = choices.mode == RESUME and choices.optimizer == KEEP
    return wanted and origin.has_state[side] and surgery.is_exact(_PREFIXES[side])


# --- execution ------------------------------------------------------------------------------------------------------


def carry_out(plan: BeginPlan, payload: Mapping[str, Any], models: VoiceModels, optimization: Optimization) -> None:
    """Give models and optimizers what the plan says.

    Raises:
        CheckpointFileError: the plan is a refusal, or the file's optimizers belong to other parameters.
    """
    if plan.refusal:
        raise CheckpointFileError(plan.refusal)
    built = models.state_dict()
    try:
        models.load_state_dict(operate(plan.surgery, payload["state_dict"], built, plan.settings.seed))
    except RuntimeError as error:
        raise CheckpointFileError(f"its weights can't be used ({' '.join(str(error).split())[:200]})") from error
    names = {
        "g": [f"model_g.{name}" for name, _ in models.model_g.named_parameters()],
        "d": [name for name, _ in models.named_parameters() if not name.startswith("model_g.")],
    }
    for number, side in enumerate(SIDES):
        if plan.optimizers[side]:
            _restore_moments(plan, number, names[side], payload["optimizer_states"][number], optimization)
        rate = plan.rates[side]
        optimization.set_rate(number, rate.now, rate.decay, payload.get("lr_schedulers") if rate.of_file else None)


def _restore_moments(
    plan: BeginPlan, number: int, names: Sequence[str], stored: Mapping[str, Any], optimization: Optimization
) -> None:
    """Adam's state is by position; a file has the parameters of the new model but for one discriminator more or less.

    That one is the last of its optimizer, so the positions of all others are the same.
    """
    before = plan.surgery
    moves = {move.name: move for move in before.moves}
    extra = sum(name.startswith("model_mrd.") for name in before.dropped) if number else 0
    state = stored["state"]
    added = sum(moves[name].copied == 0 for name in names)
    groups = stored.get("param_groups")
    group = groups[0] if isinstance(groups, list | tuple) and len(groups) == 1 else None
    if not isinstance(group, Mapping) or not isinstance(group.get("params"), list | tuple):
        raise CheckpointFileError('its optimizer state is damaged. Set optimizer = "fresh" in [start]')
    count = len(group["params"])
    if count != len(names) - added + extra:
        raise CheckpointFileError(
            f"its optimizer state belongs to {count} parameters, the model has {len(names) - added + extra}. "
            'Set optimizer = "fresh" in [start]'
        )
    kept: dict[int, Mapping[str, Any]] = {}
    for index, name in enumerate(names):
        move = moves[name]
        if not isinstance(state.get(index), Mapping) or move.how not in (COPIED, ROWS):
            continue
        kept[index] = _rows_of_moments(state[index], move.rows) if move.rows is not None else state[index]
    optimization.load_moments(number, kept, group)


def _rows_of_moments(moments: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """Adam's state of a table after its rows moved; the count of steps stays."""
    return {
        name: moved_moments(rows, value) if isinstance(value, Tensor) and value.dim() == 2 else value
        for name, value in moments.items()
    }
