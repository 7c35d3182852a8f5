"""8. Logging: which event files there are, what they hold, and how to watch."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from workbench.report.places import named
from workbench.report.records import Command, Fact, Quantity, Section, Statement, Verdict, say
from workbench.report.situation import Situation

_TAGS_SHOWN = 12


def logs(here: Situation) -> Section:
    """The newest event file by its end."""
    return Section(
        name="logs", facts=tuple(_facts(here)), statements=tuple(_statements(here)), commands=tuple(_commands(here))
    )


def _facts(here: Situation) -> Iterator[Fact]:
    yield Fact("runs", Quantity(len(here.runs)), _folders(here))
    yield Fact("event_bytes", Quantity(here.event_bytes, "bytes"), _folders(here))
    newest = next((file for file in here.event_files if file.last), None)
    if newest is not None:
        yield Fact("last_event", Quantity(newest.last, "date"), named(newest.path))
        tags = ", ".join(newest.tags[:_TAGS_SHOWN]) + (" …" if len(newest.tags) > _TAGS_SHOWN else "")
        yield Fact("tags", Quantity(tags or None), named(newest.path))


def _folders(here: Situation) -> str:
    folders = [here.workspace.runs, here.workspace.piper_runs]
    return ", ".join(named(folder) for folder in folders if folder is not None and folder.exists()) or named(
        here.workspace.runs
    )


def _statements(here: Situation) -> Iterator[Statement]:
    if not here.event_files:
        yield Statement(Verdict.OK, say("logs.none"), named(here.workspace.runs))
        return
    good = [file for file in here.event_files if file.last]
    empty = [file for file in here.event_files if not file.last]
    if good:
        yield Statement(Verdict.OK, say("logs.good", count=len(good)), named(good[0].path))
    if empty:
        text = say("logs.empty", count=len(empty), file=named(empty[0].path))
        yield Statement(Verdict.WARNING if not good else Verdict.OK, text, named(empty[0].path))


def _commands(here: Situation) -> Iterator[Command]:
    where = here.option
    yield Command(f"workbench{where}", say("watch.screen"))
    yield Command(f"workbench runs latest --follow{where}", say("watch.lines"))
    piper = here.workspace.piper_runs
    folder = piper if piper is not None and piper.is_dir() else here.workspace.runs
    yield Command(f"tensorboard --logdir {shlex.quote(named(folder))}", say("watch.tensorboard"))
