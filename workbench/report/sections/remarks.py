"""11. Remarks: what a training needs of GPU memory, disk and time. An estimate says that it is one, and what of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core_vits.needed_memory import CUDA_BYTES, StepMemory, step_memory
from workbench.config import HOP_LENGTH
from workbench.jobs.checks import CHECKPOINT_BYTES
from workbench.report.event_files import EventFile
from workbench.report.places import named
from workbench.report.records import Fact, Quantity, Section, Statement, Verdict, say
from workbench.report.situation import Situation


def remarks(here: Situation) -> Section:
    """Memory, disk, time, copies."""
    return Section(
        name="remarks",
        facts=(*_memory_facts(here), *_disk(here), *_time_facts(here)),
        statements=(*_memory(here), *_time(here), *_copies(here)),
    )


def _longest(here: Situation) -> float | None:
    """Seconds of the longest clip, decoded."""
    return here.scan.longest if here.scan is not None else None


@dataclass(frozen=True, slots=True)
class _Need:
    """What a step takes of a device, bytes."""

    step: float
    recorded: float | None
    """Where steps are recorded and trained as usual; None where none is recorded."""


def _need(here: Situation) -> _Need | None:
    longest = _longest(here)
    if longest is None:
        return None
    training, memory = here.workspace.training, _step(here)
    batch = training.batch_size, int(longest * here.workspace.audio.sample_rate) // HOP_LENGTH, training.segment_size
    records = training.cuda_graphs and training.precision != "16-mixed"
    return _Need(
        CUDA_BYTES + memory.bytes(*batch), CUDA_BYTES + memory.recorded(*batch) if records else None
    )  # fmt: skip


def _step(here: Situation) -> StepMemory:
    training = here.workspace.training
    return step_memory(here.workspace.voice.quality, training.precision, devices=training.devices)


def _memory_facts(here: Situation) -> Iterator[Fact]:
    need, longest = _need(here), _longest(here)
    training, memory = here.workspace.training, _step(here)
    if need is None:
        yield Fact("gpu_need", Quantity(None), say("evidence.longest_unknown"))
        return
    formula = say(
        "evidence.memory", fixed=CUDA_BYTES + memory.fixed, batch=training.batch_size, precision=training.precision,
        clip=memory.bytes(1, 0, training.segment_size) - memory.fixed, frame=memory.a_frame, longest=longest,
    )  # fmt: skip
    yield Fact("gpu_need", Quantity(say("value.estimate", size=need.step)), formula)
    if need.recorded is not None:
        again = say("evidence.recorded", again=memory.again)
        yield Fact("recorded_need", Quantity(say("value.estimate", size=need.recorded)), again)


def _memory(here: Situation) -> Iterator[Statement]:
    need, gpus = _need(here), here.machine.gpus
    if need is None or not gpus or here.workspace.training.accelerator == "cpu":
        return
    smallest = min(gpu.bytes for gpu in gpus)
    if need.step > smallest:
        text = say("memory.too_little", need=need.step, has=smallest, batch=here.workspace.training.batch_size)
        yield Statement(Verdict.WARNING, text, here.place("training.batch_size"))
        return
    yield Statement(Verdict.OK, say("memory.enough", need=need.step, has=smallest), "nvidia-smi")
    if need.recorded is not None and need.recorded > smallest:
        text = say("memory.recorded", need=need.recorded, has=smallest)
        yield Statement(Verdict.WARNING, text, here.place("training.cuda_graphs"))


def _disk(here: Situation) -> Iterator[Fact]:
    training, quality = here.workspace.training, here.workspace.voice.quality
    measured, count = here.checkpoint_bytes, training.keep_best + training.keep_last
    one = measured or CHECKPOINT_BYTES[quality]
    # A new one is whole before an old one goes.
    key = "evidence.disk_measured" if measured else "evidence.disk_usual"
    source = say(key, best=training.keep_best, last=training.keep_last, one=one, quality=quality)
    yield Fact("disk_need", Quantity((count + 1) * one, "bytes"), source)
    seconds = here.seconds
    size = None if seconds is None else seconds * here.workspace.audio.sample_rate * 2
    yield Fact("cache_need", Quantity(size, "bytes"), say("evidence.cache"))


def _speed(here: Situation) -> tuple[EventFile, float] | None:
    """The newest event file that tells epochs or batches a second, and epochs a second."""
    plan = here.plan
    for file in here.event_files:
        if file.epochs_per_second:
            return file, file.epochs_per_second
        if file.batches_per_second and plan is not None:
            return file, file.batches_per_second / plan.batches("kept")
    return None


def _time_facts(here: Situation) -> Iterator[Fact]:
    found = _speed(here)
    if found is None:
        yield Fact("epochs_an_hour", Quantity(None), say("evidence.no_speed"))
        return
    file, speed = found
    source = say("evidence.speed", file=named(file.path), date=file.last)
    yield Fact("epochs_an_hour", Quantity(3600 * speed, "decimal"), source)
    start, wanted = here.start, here.workspace.training.epochs
    trained = 0 if start is None or start.epoch is None else start.epoch + 1
    if wanted > trained:
        yield Fact("time_left", Quantity((wanted - trained) / speed, "time"), say("evidence.left", epochs=wanted))


def _time(here: Situation) -> Iterator[Statement]:
    found = _speed(here)
    if found is None:
        yield Statement(Verdict.UNKNOWN, say("time.unknown"), "workbench walk")
    elif found[0].host and found[0].host != here.machine.host:
        text = say("time.elsewhere", host=found[0].host, here=here.machine.host)
        yield Statement(Verdict.OK, text, named(found[0].path))


def _copies(here: Situation) -> Iterator[Statement]:
    whole = [saved for saved in here.checkpoints if not saved.problem]
    if len(whole) == 1:
        text = say("copies.one", file=named(whole[0].path), size=whole[0].bytes)
        yield Statement(Verdict.WARNING, text, named(whole[0].path))
