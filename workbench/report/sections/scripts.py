"""6. Scripts: what starts a training, do its paths exist, and which of its options do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workbench.adopt import Adoption
from workbench.adopt.places import Places
from workbench.adopt.project import compose_files, script_files
from workbench.adopt.script import read_script, read_script_text
from workbench.errors import ConfigError
from workbench.report.places import named
from workbench.report.records import Fact, Quantity, Section, Statement, Table, Verdict, say
from workbench.report.situation import Situation

_PATHS = ("data.csv_path", "data.audio_dir", "data.config_path", "ckpt_path", "dataset_dir", "data.cache_dir")
_SHOWN = 8


def scripts(here: Situation) -> Section:
    """Scripts by name, the command that was read, its paths."""
    found = [*script_files(here.folder), *compose_files(here.folder)]
    adoption = here.adoption
    statements: list[Statement] = []
    tables: tuple[Table, ...] = ()
    if adoption is not None:
        paths = _paths(adoption)
        tables = (paths,) if paths.rows else ()
        statements += [*_missing(adoption), *_without_effect(adoption)]
    statements += [item for path in found[:_SHOWN] for item in _loose(path)]
    if not found:
        text = say("scripts.none") if here.adopted else say("scripts.none_here")
        statements.append(Statement(Verdict.OK, text, named(here.folder)))
    return Section(name="scripts", facts=tuple(_facts(adoption, found)), tables=tables, statements=tuple(statements))


def _facts(adoption: Adoption | None, found: list[Path]) -> Iterator[Fact]:
    yield Fact("scripts", Quantity(", ".join(map(named, found[:_SHOWN])) or say("value.none")), "*.sh, *.yml")
    if adoption is not None and adoption.source.invocation is not None:
        name = adoption.source.name
        yield Fact("command", Quantity(name), name)
        yield Fact("options", Quantity(len(adoption.source.options.given)), name)


def _given(adoption: Adoption) -> Iterator[tuple[str, str, str, Path | None]]:
    """Option, path as written, place, and what is here of it."""
    for name in _PATHS:
        given = adoption.source.options.given.get(name)
        if given is None or not isinstance(given.value, str) or given.missing:
            continue
        places = adoption.source.places
        # A copy, for looking changes what the adoption tells of moved paths.
        found = Places(
            project=places.project, starts=places.starts, mounts=places.mounts, moved=dict(adoption.moved)
        ).find(given.value)
        yield given.flag, given.value, given.place, found


def _paths(adoption: Adoption) -> Table:
    rows = []
    for flag, text, place, found in _given(adoption):
        moved = found is not None and Path(text).is_absolute() and not Path(text).exists()
        state = say("path.absent") if found is None else say("path.moved" if moved else "path.here", path=named(found))
        rows.append((Quantity(flag), Quantity(text), Quantity(state), Quantity(place)))
    return Table(heads=("option", "path", "state", "place"), rows=tuple(rows))


def _missing(adoption: Adoption) -> Iterator[Statement]:
    wrong = 0
    for flag, text, place, found in _given(adoption):
        if found is None:
            wrong += 1
            yield Statement(Verdict.WARNING, say("scripts.path", flag=flag, path=text), place)
    if not wrong and adoption.source.invocation is not None:
        yield Statement(Verdict.OK, say("scripts.paths_good"), adoption.source.name)


def _without_effect(adoption: Adoption) -> Iterator[Statement]:
    flags = [item for item in adoption.ignored if item.flag]
    if flags:
        names = ", ".join(item.flag for item in flags[:_SHOWN])
        yield Statement(Verdict.OK, say("scripts.no_effect", count=len(flags), flags=names), flags[0].place)


def _loose(path: Path) -> Iterator[Statement]:
    """Lines that a shell would not take as part of the command."""
    if path.suffix not in (".sh", ".bash"):
        return
    try:
        reading = read_script(read_script_text(path), file=path, folder=path.parent, variables={})
    except ConfigError as error:
        yield Statement(Verdict.WARNING, say("quoted", text=str(error)), named(path))
        return
    lines = reading.loose_lines
    if lines:
        text = say("scripts.loose", script=path.name, line=lines[0], count=len(lines))
        yield Statement(Verdict.WARNING, text, f"{named(path)}:{lines[0]}")
    if reading.unclosed:
        text = say("scripts.unclosed", script=path.name, line=reading.unclosed)
        yield Statement(Verdict.WARNING, text, f"{named(path)}:{reading.unclosed}")
