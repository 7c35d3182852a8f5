"""5. The environment: GPUs, memory, disk, container, and the doctor's word."""

from __future__ import annotations

import os
from collections.abc import Iterator

from workbench.api import Severity
from workbench.host.machine import machine_checks
from workbench.jobs.checks import CHECKPOINT_BYTES
from workbench.report.machine import free_bytes
from workbench.report.places import named
from workbench.report.records import Fact, Quantity, Section, Statement, Verdict, say
from workbench.report.situation import Situation

_LITTLE_SHARED = 1 << 30
# What says nothing about a training.
_NOT_ASKED = frozenset({"sound", "terminal", "tmux", "gpu", "compiler"})


def environment(here: Situation) -> Section:
    """The machine in numbers, and what of it is in the way."""
    return Section(
        name="environment",
        facts=tuple(_facts(here)),
        statements=(*_gpus(here), *_disk(here), *_container(here), *_doctor(here)),
    )


def _facts(here: Situation) -> Iterator[Fact]:
    machine, place = here.machine, free_bytes(here.workspace.runs)
    yield Fact("host", Quantity(machine.host), "hostname")
    for gpu in machine.gpus:
        value = say("value.gpu", name=gpu.name, size=gpu.bytes, used=gpu.used, driver=gpu.driver)
        yield Fact("gpu", Quantity(value), "nvidia-smi")
    if not machine.gpus:
        reason = say("gpu.no_tool") if machine.gpu_problem == "missing" else machine.gpu_problem
        yield Fact("gpu", Quantity(say("value.none")), reason)
    yield Fact("cores", Quantity(machine.cores), machine.cores_by)
    yield Fact("memory", Quantity(machine.memory, "bytes"), machine.memory_by)
    yield Fact("free_disk", Quantity(place[0] if place else None, "bytes"), named(place[1]) if place else "")
    yield Fact("container", Quantity(say("value.yes" if machine.container else "value.no")), machine.container or "/")
    yield Fact("shared_memory", Quantity(machine.shared_memory, "bytes"), "/dev/shm")


def _gpus(here: Situation) -> Iterator[Statement]:
    training, count = here.workspace.training, len(here.machine.gpus)
    evidence = here.place("training.devices") if training.accelerator == "cuda" else "nvidia-smi"
    on_gpu = training.accelerator == "cuda" or (training.accelerator == "auto" and count > 0)
    if training.accelerator == "cuda" and count == 0:
        yield Statement(Verdict.ERROR, say("gpu.wanted", devices=training.devices), evidence)
    elif on_gpu and count < training.devices:
        yield Statement(Verdict.ERROR, say("gpu.too_few", devices=training.devices, count=count), evidence)
    elif on_gpu:
        yield Statement(Verdict.OK, say("gpu.enough", devices=training.devices, count=count), evidence)
    elif here.workspace.voice.quality != "tiny":
        yield Statement(Verdict.WARNING, say("gpu.cpu", quality=here.workspace.voice.quality), evidence)
    else:
        yield Statement(Verdict.OK, say("gpu.tiny"), evidence)


def _disk(here: Situation) -> Iterator[Statement]:
    place, quality = free_bytes(here.workspace.runs), here.workspace.voice.quality
    if place is None:
        yield Statement(Verdict.UNKNOWN, say("disk.unknown"), named(here.workspace.runs))
        return
    free, folder = place
    training = here.workspace.training
    one = here.checkpoint_bytes or CHECKPOINT_BYTES[quality]
    keep = training.keep_best + training.keep_last + 1
    values = {"free": free, "needed": keep * one, "count": keep, "one": one, "two": 2 * one}
    if free < 2 * one:
        yield Statement(Verdict.ERROR, say("disk.none", **values), named(folder))
    elif free < keep * one:
        yield Statement(Verdict.WARNING, say("disk.little", **values), named(folder))
    else:
        yield Statement(Verdict.OK, say("disk.enough", **values), named(folder))


def _container(here: Situation) -> Iterator[Statement]:
    machine, training = here.machine, here.workspace.training
    shared = machine.shared_memory
    passes = training.devices > 1 or training.num_workers > 0
    if machine.container and passes and shared is not None and shared < _LITTLE_SHARED:
        yield Statement(Verdict.WARNING, say("container.shared_memory", size=shared), "/dev/shm")


def _doctor(here: Situation) -> Iterator[Statement]:
    """What the checks of the machine have against it."""
    verdicts = {Severity.BLOCKS: Verdict.ERROR, Severity.WARNS: Verdict.WARNING}
    for name, check in machine_checks(here.workspace.runs, os.environ).items():
        for finding in check() if name not in _NOT_ASKED else ():
            # How much room is needed is said above, by the voice's own quality.
            if finding.severity in verdicts and finding.rule != "doctor.disk":
                text = say("quoted", text=f"{finding.subject}: {finding.message}")
                yield Statement(verdicts[finding.severity], text, "workbench doctor")
