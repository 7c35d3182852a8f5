"""3. Checkpoints and exports: what is there, is it whole, and which of them is the furthest."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.adopt.arithmetic import check
from workbench.config.settings import RESUME
from workbench.report.places import named
from workbench.report.records import Fact, Quantity, Section, Statement, Table, Verdict, say
from workbench.report.saved import Saved, Voice
from workbench.report.situation import Situation

_SHOWN = 12


def checkpoints(here: Situation) -> Section:
    """Tables of both, and what they say about each other."""
    return Section(
        name="checkpoints",
        facts=tuple(_facts(here)),
        tables=tuple(table for table in (_checkpoints(here), _voices(here)) if table.rows),
        statements=(*_whole(here), *_order(here), *_counters(here), *_exports(here)),
    )


def _facts(here: Situation) -> Iterator[Fact]:
    places = sorted({named(saved.path.parent) for saved in here.checkpoints})
    start = here.start
    yield Fact("checkpoints", Quantity(len(here.checkpoints)), ", ".join(places[:3]) or named(here.workspace.runs))
    if start is not None:
        chosen = here.workspace.start_checkpoint is not None
        source = here.place("start.checkpoint") if chosen else named(here.workspace.runs)
        yield Fact("start", Quantity(named(start.path)), source)
        yield Fact("start_epoch", Quantity(start.epoch, "plain"), start.path.name)
    yield Fact("voices", Quantity(len(here.voices)), named(here.folder))


def _checkpoints(here: Situation) -> Table:
    rows = tuple(
        (
            Quantity(named(saved.path)), Quantity(saved.epoch, "plain"), Quantity(saved.step, "plain"),
            Quantity(saved.bytes, "bytes"), Quantity(saved.modified, "date"),
            Quantity(saved.problem or say("state.whole")),
        )
        for saved in here.checkpoints[::-1][:_SHOWN]
    )  # fmt: skip
    return Table(heads=("checkpoint", "epoch", "step", "size", "date", "state"), rows=rows)


def _voices(here: Situation) -> Table:
    rows = tuple(
        (
            Quantity(named(voice.path)), Quantity(voice.epoch, "plain"), Quantity(voice.bytes, "bytes"),
            Quantity(voice.modified, "date"), Quantity(say(f"json.{voice.config}")), Quantity(_compared(voice)),
        )
        for voice in here.voices[::-1][:_SHOWN]
    )  # fmt: skip
    return Table(heads=("voice", "epoch", "size", "date", "json", "compared"), rows=rows)


def _compared(voice: Voice) -> object:
    return say("compared.no") if voice.difference is None else say("compared.yes", difference=voice.difference)


def _whole(here: Situation) -> Iterator[Statement]:
    chosen = here.workspace.start_checkpoint
    if chosen is not None and here.start is None:
        yield Statement(Verdict.ERROR, say("checkpoints.not_here", file=named(chosen)), here.place("start.checkpoint"))
    for saved in here.checkpoints:
        if saved.problem:
            verdict = Verdict.ERROR if saved == here.start else Verdict.WARNING
            text = say("checkpoints.broken", file=named(saved.path), problem=saved.problem)
            yield Statement(verdict, text, named(saved.path))
    good = sum(not saved.problem for saved in here.checkpoints)
    if good:
        yield Statement(Verdict.OK, say("checkpoints.whole", count=good), say("evidence.archive"))
    elif not here.checkpoints and chosen is None:
        yield Statement(Verdict.OK, say("checkpoints.none"), named(here.workspace.runs))


def _order(here: Situation) -> Iterator[Statement]:
    """Would anything that is trained already be trained again?"""
    start, furthest = here.start, here.furthest
    later = [voice for voice in here.voices if voice.epoch is not None and _beyond(voice.epoch, furthest)]
    for voice in later[-1:]:
        values = {"voice": voice.path.name, "voice_epoch": voice.epoch}
        if furthest is None or furthest.epoch is None:
            yield Statement(Verdict.WARNING, say("order.voice_alone", **values), named(voice.path))
            continue
        behind = (voice.epoch or 0) - furthest.epoch
        text = say("order.voice", file=furthest.path.name, epoch=furthest.epoch, behind=behind, **values)
        # A voice of another name may be of another training.
        verdict = Verdict.ERROR if voice.ours else Verdict.WARNING
        yield Statement(verdict, text, f"{named(voice.path)}, {named(furthest.path)}")
    if here.is_done and furthest is not None and furthest.epoch is not None:
        text = say("order.done", epochs=furthest.epoch + 1, wanted=here.workspace.training.epochs)
        yield Statement(Verdict.WARNING, text, here.place("training.epochs"))
    if start is None or furthest is None or start.epoch is None or furthest.epoch is None:
        return
    if here.workspace.start.mode == RESUME and start.epoch < furthest.epoch:
        text = say(
            "order.start", file=start.path.name, epoch=start.epoch, later=named(furthest.path),
            later_epoch=furthest.epoch, behind=furthest.epoch - start.epoch,
        )  # fmt: skip
        yield Statement(Verdict.WARNING, text, here.place("start.checkpoint"))


def _beyond(epoch: int, furthest: Saved | None) -> bool:
    return furthest is None or furthest.epoch is None or epoch > furthest.epoch


def _counters(here: Situation) -> Iterator[Statement]:
    """Do the counters of the checkpoint fit the clips, the batch and the GPUs?"""
    start, plan = here.start, here.plan
    if start is None or start.problem or here.workspace.start.mode != RESUME:
        return
    chosen = here.workspace.start_checkpoint is not None
    verdict = check(start.path, plan) if plan is not None else None
    if verdict is None or plan is None or start.epoch is None or start.step is None:
        if chosen:
            text = say("counters.unknown", file=start.path.name)
            yield Statement(Verdict.UNKNOWN, text, named(here.workspace.metadata))
        return
    adopted = here.adoption.start.verdict if here.adoption is not None else None
    if not verdict.fits and adopted is not None and adopted.fits and adopted.name == verdict.name:
        verdict = adopted  # by the settings of the run that wrote it
    last = verdict.fits[0] if verdict.fits else "kept"
    batches = verdict.plan.batches(last)
    values = {
        "epoch": start.epoch, "step": start.step, "clips": verdict.plan.clips, "batch": verdict.plan.batch_size,
        "devices": verdict.plan.devices, "training": verdict.plan.training_clips, "batches": batches,
        "epochs": start.epoch + 1, "expected": verdict.plan.steps(start.epoch + 1, last),
    }  # fmt: skip
    if verdict.fits:
        yield Statement(Verdict.OK, say("counters.fit", **values), start.path.name)
    else:
        yield Statement(Verdict.WARNING, say("counters.other", **values), start.path.name)


def _exports(here: Situation) -> Iterator[Statement]:
    for voice in here.voices:
        if not voice.whole:
            text = say("exports.small", voice=voice.path.name, size=voice.bytes)
            yield Statement(Verdict.WARNING, text, named(voice.path))
        if voice.config != "ok":
            yield Statement(
                Verdict.WARNING, say(f"exports.json_{voice.config}", voice=voice.path.name), named(voice.path)
            )
    unchecked = [voice for voice in here.voices if voice.difference is None]
    if unchecked:
        text = say("exports.not_compared", count=len(unchecked))
        yield Statement(Verdict.UNKNOWN, text, "workbench export")
    elif here.voices:
        yield Statement(Verdict.OK, say("exports.compared", count=len(here.voices)), "exports.jsonl")
