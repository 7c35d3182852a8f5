"""A plan for the beginning of a run in words: what people are shown before they start it, and what its log keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core_vits.architecture import different_fields
from core_vits.config import PRESETS, ModelConfig
from core_vits.train.begin import KEEP, RESUME, SET, VOCODER, BeginPlan, Rate
from core_vits.train.origin import FIRST_PIPER, OURS, PIPER, SIDES, UNKNOWN
from core_vits.train.refusals import name_of
from core_vits.train.settings import BETAS, BETAS_D, Position
from core_vits.train.surgery import CONDITIONING, PartCount

MAKERS: Mapping[str, str] = {
    OURS: "of Voice Workbench",
    PIPER: "of Piper (piper1-gpl)",
    FIRST_PIPER: "of the first Piper (piper_train)",
    UNKNOWN: "by an unknown trainer",
}
_WHO = {"g": "generator", "d": "discriminators"}
_NAMES_SHOWN = 4
_SMALL_SHARE = 0.5
"""Of the generator; a warm start that copies less is hardly one."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line, or several, under a label."""

    label: str
    text: str
    warning: bool = False


def facts_of(plan: BeginPlan) -> list[Fact]:
    """What the file is, what is kept and what changes."""
    found = [
        Fact(label="made by", text=MAKERS[plan.origin.maker]),
        Fact(label="model", text=_model(plan)),
        Fact(label="done", text=_done(plan)),
    ]
    if plan.refusal:
        return found  # what would be kept is not worth reading
    return [
        *found,
        Fact(label="goes on", text=_goes_on(plan)),
        *(Fact(label="rate", text=_rate(_WHO[side], plan.rates[side], plan.settings.epochs)) for side in SIDES),
        Fact(label="optimizer", text=_optimizers(plan)),
        *(Fact(label="weights", text=text) for text in _weights(plan)),
        *_names(plan),
        *(Fact(label="changes", text=text) for text in _changes(plan)),
        *(Fact(label="note", text=text, warning=True) for text in _warnings(plan)),
    ]


def plan_as_json(plan: BeginPlan) -> dict[str, Any]:
    """The plan as plain values."""
    origin, at = plan.origin, plan.position
    return {
        "maker": origin.maker,
        "quality": origin.quality,
        "num_speakers": origin.config.num_speakers,
        "sample_rate": origin.sample_rate,
        **asdict(plan.choices),
        "done": None if origin.position is None else _position(origin.position),
        "position": _position(at),
        "rates": {side: asdict(rate) for side, rate in plan.rates.items()},
        "optimizer_kept": dict(plan.optimizers),
        "parts": [asdict(part) for part in plan.surgery.parts()],
        "generator_share": round(plan.surgery.generator_share(), 6),
        "unused_parameters": plan.surgery.unused,
        "moved_symbols": list(plan.moved_symbols),
        "new_symbols": list(plan.new_symbols),
        "new_speakers": list(plan.new_speakers),
        "dropped_speakers": list(plan.dropped_speakers),
        "warm_start_file_passed_over": origin.warm_start_file,
        "refusal": plan.refusal,
    }


def _position(at: Position) -> dict[str, int]:
    return {"epoch": at.epoch, "batch": at.batch, "step": at.step, "optimizer_step": at.optimizer_step}


# --- the file -------------------------------------------------------------------------------------------------------


def _model(plan: BeginPlan) -> str:
    config, rate = plan.origin.config, plan.origin.sample_rate
    size = name_of(config) if plan.origin.quality else _own_size(config)
    speakers = "1 speaker" if config.num_speakers == 1 else f"{config.num_speakers} speakers"
    extra = "" if plan.origin.discriminators else ", without discriminators"
    extra += ", with the multi-resolution discriminator" if config.use_mrd else ""
    return f"{size}, {speakers}, {f'{rate} Hz' if rate else 'its sample rate is not stored'}{extra}"


def _own_size(config: ModelConfig) -> str:
    """A model that is no preset, by its differences from the one that is nearest."""
    usual_first = sorted(PRESETS, key=lambda name: name != "medium")
    nearest = min(usual_first, key=lambda name: len(different_fields(config, PRESETS[name])))
    names = different_fields(config, PRESETS[nearest])
    listed = ", ".join(f"{name} {getattr(config, name)}" for name in names[:_NAMES_SHOWN])
    more = ", …" if len(names) > _NAMES_SHOWN else ""
    return f"of a size of its own (as '{nearest}', but {listed}{more})"


def _done(plan: BeginPlan) -> str:
    at, origin = plan.origin.position, plan.origin
    if at is None:
        return "it doesn't say where its training stood"
    length = f" ({_count(origin.batches_per_epoch)} an epoch)" if origin.batches_per_epoch else ""
    part = ""
    if at.batch:
        part = f" and {_count(at.batch)} batches of the next"
    elif origin.unfinished:
        part = " and a part of the next"
    epochs = "1 epoch" if at.epoch == 1 else f"{_count(at.epoch)} epochs"
    return f"{epochs}{part}: {_count(at.step)} batches{length}, {_count(at.optimizer_step)} optimizer steps"


# --- what goes on ---------------------------------------------------------------------------------------------------


def _goes_on(plan: BeginPlan) -> str:
    at, epochs = plan.position, _count(plan.settings.epochs)
    if plan.choices.mode != RESUME:
        return f"begins with epoch 1 of {epochs}; what is done does not count"
    names = f"(epoch={at.epoch} in file names)"
    if at.batch:
        return f"inside epoch {_count(at.epoch + 1)} of {epochs} {names}, at its batch {_count(at.batch + 1)}"
    if plan.origin.position is not None and plan.origin.position.batch:
        return (
            f"with the first batch of epoch {_count(at.epoch + 1)} of {epochs} {names}; the file's batches were made "
            f"with batching = {plan.origin.batching!r}, so its place inside the epoch means nothing here"
        )
    if plan.origin.unfinished:
        return (
            f"with the first batch of epoch {_count(at.epoch + 1)} of {epochs} {names}; the file doesn't say which "
            "clips of it were trained"
        )
    left = max(0, plan.settings.epochs - at.epoch)
    return f"with epoch {_count(at.epoch + 1)} of {epochs} {names}; {_count(left)} {'is' if left == 1 else 'are'} left"


def _rate(who: str, rate: Rate, epochs: int) -> str:
    source = "of the file" if rate.of_file else "of [training]"
    if rate.decay == 1.0:
        return f"{who} {rate.now:.3g} {source}, held"
    return (
        f"{who} {rate.now:.3g} {source}, times {rate.decay:g} after each epoch: {rate.last:.3g} in epoch "
        f"{_count(epochs)}"
    )


def _optimizers(plan: BeginPlan) -> str:
    kept = [_WHO[side] for side in SIDES if plan.optimizers[side]]
    if not kept:
        why = "" if any(plan.origin.has_state.values()) else " (the file holds no state of them)"
        return f"both begin fresh{why}"
    if len(kept) < len(SIDES):
        fresh = next(_WHO[side] for side in SIDES if not plan.optimizers[side])
        return f"that of the {kept[0]} is kept, that of the {fresh} begins fresh"
    new = any(move.copied < move.size for move in plan.surgery.moves)
    return "both are kept" + ("; what is new begins with empty moments" if new else "")


def _weights(plan: BeginPlan) -> Iterator[str]:
    surgery = plan.surgery
    if surgery.is_whole:
        parameters = sum(move.size for move in surgery.moves)
        yield f"all {_tensors(len(surgery.moves))} are copied ({_millions(parameters)} parameters)"
        return
    share = surgery.generator_share()
    if share < 1:
        yield f"{_percent(share)} of the generator comes from the file"
    parts = surgery.parts()
    for title, chosen in (
        ("copied", [part for part in parts if part.tensors and part.copied_tensors == part.tensors]),
        ("at zero, so that each speaker begins with the old voice", [part for part in parts if _is_zeroed(part)]),
        ("anew", [part for part in parts if part.tensors and not part.copied and not _is_zeroed(part)]),
    ):
        if chosen:
            size = sum(part.parameters for part in chosen)
            names = ", ".join(part.part for part in chosen)
            yield f"{title}: {names} ({_tensors(sum(part.tensors for part in chosen))}, {_millions(size)})"
    for part in parts:
        if part.copied and part.copied_tensors < part.tensors:
            yield f"in part: {part.part}, {_percent(part.copied / part.parameters)} of {_millions(part.parameters)}"
    left = [part for part in parts if part.dropped]
    if left:
        names = ", ".join(part.part for part in left)
        yield f"left out of the file: {names} ({_millions(sum(part.dropped for part in left))})"


def _is_zeroed(part: PartCount) -> bool:
    return part.part == CONDITIONING and bool(part.zeroed) and not part.copied


def _names(plan: BeginPlan) -> Iterator[Fact]:
    if plan.moved_symbols:
        yield Fact(
            label="phonemes",
            text=f"other numbers than before: {_list(plan.moved_symbols)}; what was learnt about them moves along",
        )
    if plan.new_speakers or plan.dropped_speakers:
        new = f"new: {_list(plan.new_speakers)}" if plan.new_speakers else ""
        gone = f"left out: {_list(plan.dropped_speakers)}" if plan.dropped_speakers else ""
        yield Fact(label="speakers", text="; ".join(filter(None, (new, gone))))
    old, new_count = plan.origin.config.num_speakers, plan.config.num_speakers
    if min(old, new_count) > 1 and not plan.speakers_known:
        text = "the names of the checkpoint's speakers are not known; they are told apart by their numbers"
        yield Fact(label="speakers", text=text, warning=True)


def _changes(plan: BeginPlan) -> Iterator[str]:
    """Settings that the file was trained with and this run is not."""
    old = plan.origin.hyper_parameters
    settings = plan.settings
    pairs = [
        ("batch size", old.get("batch_size"), settings.batch_size),
        ("mel weight", old.get("c_mel"), settings.mel_weight),
        ("kl weight", old.get("c_kl"), settings.kl_weight),
        ("segment size", old.get("segment_size"), plan.config.segment_size),
    ]
    changed = [
        f"{name} {was:g} → {now:g}"
        for name, was, now in pairs
        if isinstance(was, int | float) and not isinstance(was, bool) and was != now
    ]
    if changed:
        yield ", ".join(changed)


def _warnings(plan: BeginPlan) -> Iterator[str]:
    origin, resumes = plan.origin, plan.choices.mode == RESUME
    if resumes and origin.held and plan.choices.rates not in (KEEP, SET):
        who = "Piper never applied its decay" if origin.maker == PIPER else "its run held the learning rate"
        yield f'{who}; from here on the rate falls. Hold it with learning_rate = "keep" (--learning-rate keep)'
    if not origin.discriminators and plan.choices.mode != VOCODER:
        yield "the file has no discriminators: they begin anew and will be easy to deceive for a while"
    if origin.warm_start_file:
        yield f"its hyperparameters name a warm-start file ({origin.warm_start_file[-60:]}), which is passed over here"
    if not resumes:
        yield from _copying_warnings(plan)
    yield from _constants(plan)


def _copying_warnings(plan: BeginPlan) -> Iterator[str]:
    share, old = plan.surgery.generator_share(), plan.origin.sample_rate
    if plan.choices.mode != VOCODER and share < _SMALL_SHARE:
        yield f"only {_percent(share)} of the generator fits; this is close to beginning from scratch"
    if plan.origin.config.num_speakers > 1 == plan.config.num_speakers:
        yield "what tells its speakers apart is left out, so the voice begins as none of them"
    if old is not None and old != plan.config.audio.sample_rate:
        new = plan.config.audio.sample_rate
        yield f"the file was trained at {old} Hz, this run has {new} Hz: every pitch it learnt is another one now"


def _constants(plan: BeginPlan) -> Iterator[str]:
    """The first Piper trained both sides with the same betas; they stay with the moments."""
    states = plan.origin.betas
    for side, usual in zip(SIDES, (BETAS, BETAS_D), strict=True):
        if plan.optimizers[side] and side in states and states[side] != usual:
            yield f"the {_WHO[side]} keep the file's betas {states[side]}; a fresh optimizer has {usual}"


# --- numbers --------------------------------------------------------------------------------------------------------


def _count(number: int | None) -> str:
    return f"{number or 0:,}".replace(",", " ")


def _percent(share: float) -> str:
    """Never all, and never nothing, of what is neither."""
    return f"{min(99, max(1, round(100 * share)))} %" if 0 < share < 1 else f"{share:.0%}".replace("%", " %")


def _tensors(number: int) -> str:
    return "1 tensor" if number == 1 else f"{_count(number)} tensors"


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M" if parameters >= 100_000 else _count(parameters)


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
