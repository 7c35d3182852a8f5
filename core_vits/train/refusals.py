"""Why a run can't begin with a checkpoint in the way that was chosen, in words, and what to do instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from core_vits.architecture import different_fields, quality_of
from core_vits.config import ModelConfig
from core_vits.train.origin import SIDES, is_rate, not_finite
from core_vits.train.surgery import COPIED, ROWS

if TYPE_CHECKING:
    from core_vits.train.begin import BeginPlan

_JUDGES_ONLY = ("discriminator_width_divisor", "use_spectral_norm")
_WARM_START = 'mode = "warm-start" in [start] (--mode warm-start)'
_SHOWN = 4
_NOTHING = 0.01
"""Share of the generator; a few shapes fit by accident."""
"""Differences that are listed; nobody reads more."""


def why_refused(plan: BeginPlan, state: Mapping[str, Tensor], *, own: bool) -> str:
    """The first reason against a plan; empty when there is none.

    Args:
        plan: all but the refusal.
        state: the file's tensors.
        own: the file is the run's own, which may be at its end.
    """
    reasons = _against_resuming(plan, own=own) if plan.choices.mode == "resume" else _against_copying(plan)
    for reason in reasons:
        if reason:
            return reason
    odd = not_finite(state)
    if odd:
        return f"its weights are no finite numbers ({odd}): its training had diverged. Use an earlier checkpoint"
    return ""


def name_of(config: ModelConfig) -> str:
    """What a model is called: its quality, or that it is none."""
    quality = quality_of(config)
    return f"'{quality}'" if quality else "of a size of its own"


def _against_copying(plan: BeginPlan) -> Iterator[str]:
    if plan.surgery.generator_share() < _NOTHING:
        yield (
            f"nothing of this checkpoint fits: it is {name_of(plan.origin.config)}, the project wants "
            f"{name_of(plan.config)}. Choose another checkpoint, or begin from scratch"
        )


def _against_resuming(plan: BeginPlan, *, own: bool) -> Iterator[str]:
    yield _architecture(plan)
    yield _sample_rate(plan)
    yield _speakers(plan)
    yield _symbols(plan)
    yield _other_tensors(plan)
    if plan.origin.position is None:
        yield (
            "it doesn't say where its training stood (weights only?), so it can't be resumed. "
            f"{_WARM_START} begins with its weights at epoch 0"
        )
    yield _rates(plan)
    if not own:
        yield _at_its_end(plan)


def _architecture(plan: BeginPlan) -> str:
    old, new = plan.origin.config, plan.config
    names = different_fields(old, new)
    if not plan.origin.discriminators:
        names = tuple(name for name in names if name not in _JUDGES_ONLY)
    if not names:
        return ""
    is_now, is_wanted = quality_of(old), quality_of(new)
    if is_now and is_wanted:
        return (
            f"this checkpoint is '{is_now}', the project says '{is_wanted}'. Set quality = \"{is_now}\" in [voice] to "
            f"go on with it, or {_WARM_START} to copy what fits"
        )
    listed = [f"{name} {getattr(old, name)} instead of {getattr(new, name)}" for name in names[:_SHOWN]]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    kind = f"is {name_of(old)}, the project says {name_of(new)}" if is_now or is_wanted else "is of another size"
    return f"this checkpoint {kind}: it has {', '.join(listed)}{more}. {_WARM_START} copies what fits"


def _sample_rate(plan: BeginPlan) -> str:
    old, new = plan.origin.sample_rate, plan.config.audio.sample_rate
    if old in (None, new):
        return ""
    return (
        f"this checkpoint was trained at {old} Hz, the project says {new} Hz. Set sample_rate = {old} in [audio] to go "
        f"on with it, or {_WARM_START} to begin with its weights"
    )


def _speakers(plan: BeginPlan) -> str:
    old, new = plan.origin.config.num_speakers, plan.config.num_speakers
    if old == 1 < new:
        return (
            f"this checkpoint has one speaker, the data set has {new}. {_WARM_START} gives each of them the old "
            "voice to begin with"
        )
    if new == 1 < old:
        return (
            f"this checkpoint has {old} speakers, the data set has one. Set multi_speaker = true in [dataset] if its "
            f"second column names them, or {_WARM_START} to leave them out"
        )
    if new < old and not plan.speakers_known:
        return (
            f"this checkpoint has {old} speakers, the data set has {new}, and which of them is not known: put the "
            f"config.json of its training beside it, or {_WARM_START} takes the first {new}"
        )
    return ""


def _symbols(plan: BeginPlan) -> str:
    moved, shown = plan.moved_symbols, " ".join(plan.moved_symbols[:_SHOWN])
    if moved:
        have = "1 phoneme has another number" if len(moved) == 1 else f"{len(moved)} phonemes have other numbers"
        return (
            f"{have} in the checkpoint than in this project ({shown}). Use its "
            f"phoneme map (phoneme_map in [text]), or {_WARM_START}, which moves what it learnt about them"
        )
    old, new = plan.origin.config.num_symbols, plan.config.num_symbols
    if old != new:
        return (
            f"this checkpoint has a table of {old} phonemes, the project one of {new}. {_WARM_START} copies what fits"
        )
    return ""


def _other_tensors(plan: BeginPlan) -> str:
    """Differences that have no name of their own."""
    for move in plan.surgery.moves:
        judges = move.name.startswith(("model_d.", "model_mrd."))
        optional = move.name.startswith("model_mrd.") or (judges and not plan.origin.discriminators)
        if move.how not in (COPIED, ROWS) and not optional:
            return (
                f"the tensor {move.name} is missing or has another shape than the project's model wants. "
                f"{_WARM_START} copies what fits"
            )
    extra = [name for name in plan.surgery.dropped if name not in _moved(plan) and not name.startswith("model_mrd.")]
    if extra:
        return f"the tensor {extra[0]} has no place in the project's model. {_WARM_START} copies what fits"
    return ""


def _moved(plan: BeginPlan) -> set[str]:
    return {move.name for move in plan.surgery.moves if move.rows is not None}


def _rates(plan: BeginPlan) -> str:
    for side in SIDES:
        rate = plan.rates[side]
        if not is_rate(rate.now):
            return (
                f"its learning rate is {rate.now}, with which nothing can be learnt. "
                'Set learning_rate = "set" in [start] (--learning-rate set) to take that of [training]'
            )
    return ""


def _at_its_end(plan: BeginPlan) -> str:
    settings, at = plan.settings, plan.position
    if at.epoch >= settings.epochs:
        return (
            f"it has trained {at.epoch} epochs and [training] epochs is {settings.epochs}, so there is nothing left to "
            f"train. Set more epochs, for instance {at.epoch + 1000}"
        )
    if 0 < settings.max_steps <= at.step:
        return (
            f"it has trained {at.step} batches and [training] max_steps is {settings.max_steps}, so there is nothing "
            f"left to train. Set more, or 0 for no limit"
        )
    return ""
