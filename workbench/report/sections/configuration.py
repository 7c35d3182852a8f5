"""2. The configuration: what is set, and where that is said."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.report.places import named
from workbench.report.records import Fact, Quantity, Section, Statement, Verdict, say
from workbench.report.situation import Situation

_SETTINGS = (
    ("voice.name", ""), ("voice.language", ""), ("voice.quality", ""), ("audio.sample_rate", "hertz"),
    ("training.batch_size", ""), ("training.devices", ""), ("training.accelerator", ""), ("training.precision", ""),
    ("training.epochs", ""), ("training.validation_split", "share"), ("training.learning_rate", "exact"),
    ("start.mode", ""),
)  # fmt: skip
_SHOWN = 8
# What other sections say with more numbers, and what the first lines of every resumed project would be.
_SAID_ELSEWHERE = (
    "the checkpoint (epoch ", "Piper from 1.3 on never lowers", " rows name no recording in ",
    "lines are not as they should be", "its counters were not compared", "so nothing was compared with them",
)  # fmt: skip


def configuration(here: Situation) -> Section:
    """The settings that decide, with their places."""
    return Section(name="configuration", facts=tuple(_facts(here)), statements=tuple(_statements(here)))


def _facts(here: Situation) -> Iterator[Fact]:
    for setting, unit in _SETTINGS:
        table, _, key = setting.partition(".")
        value = getattr(getattr(here.workspace, table), key)
        yield Fact(setting, Quantity(value, unit), here.place(setting))


def _statements(here: Situation) -> Iterator[Statement]:
    adoption = here.adoption
    if here.adopted:
        file = named(here.workspace.file)
        yield Statement(Verdict.OK, say("configuration.file", file=file), file)
    elif adoption is not None:
        source = adoption.source.name
        yield Statement(Verdict.OK, say("configuration.proposed", source=source), source)
    if adoption is None or here.adopted:
        return
    for given, hint in adoption.unknown:
        text = say("configuration.unknown", flag=given.flag, hint=hint) if hint else None
        yield Statement(Verdict.WARNING, text or say("configuration.unknown_plain", flag=given.flag), given.place)
    checks = [line for line in adoption.checks if not any(part in line for part in _SAID_ELSEWHERE)]
    for line in checks[:_SHOWN]:
        yield Statement(Verdict.WARNING, say("quoted", text=line), "workbench adopt")
    if len(checks) > _SHOWN:
        yield Statement(Verdict.WARNING, say("configuration.more", count=len(checks) - _SHOWN), "workbench adopt")
