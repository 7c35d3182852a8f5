"""Choose the call of Piper that a project is read from, out of those in a script or a command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.adopt.options import Options, parse_invocation
from workbench.adopt.places import Places, absolute, exists
from workbench.adopt.project import LOGS, script_files
from workbench.adopt.script import LEGACY, PREPROCESS, Invocation, Reading, read_script, read_script_text
from workbench.config import shown
from workbench.errors import ConfigError

SCRIPT, COMMAND, COMPOSE, RECORD, CONFIG = "script", "command line", "compose file", "config.yaml", "config.json"
"""Kinds of sources."""
_PATHS = ("data.csv_path", "data.audio_dir", "data.config_path", "ckpt_path", "dataset_dir", "data.cache_dir")
_OF_A_PROJECT = (LOGS, "wavs", "config.json")
_ABOVE = 3
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a project is read from."""

    kind: str
    """`SCRIPT`, `COMMAND`, `COMPOSE`, `RECORD` or `CONFIG`."""
    name: str
    """For people: a file, and a line in it."""
    options: Options
    places: Places
    invocation: Invocation | None = None
    record: Path | None = None
    """The config.yaml, when it is one."""
    preprocess: Options | None = None
    """The call that prepared the data of the predecessor."""
    notes: tuple[str, ...] = ()
    """How it was chosen, and what was read leniently."""

    @property
    def score(self) -> int:
        """How many of the files that it names are here."""
        given = [item for name in _PATHS if (item := self.options.given.get(name)) is not None]
        known = [item.value for item in given if isinstance(item.value, str) and not item.missing]
        found = sum(self.places.find(value) is not None for value in known)
        self.places.moved.clear()
        return found - sum(bool(item.missing) for item in given)


def from_command(text: str, name: str, variables: Mapping[str, str], folder: Path) -> Source:
    """Read a command line.

    Args:
        text: the command line.
        name: what to call it.
        variables: values for its variables.
        folder: where it is started.

    Raises:
        ConfigError: it is none of Piper's, or names settings that are not here.
    """
    reading = read_script(text, file=None, folder=folder, variables=variables)
    return best_call(reading, name, COMMAND, Places(project=absolute(folder)))


def from_script(path: Path, variables: Mapping[str, str]) -> Source:
    """Read a script.

    Raises:
        ConfigError: it can't be read, trains nothing, or names settings that are not here.
    """
    reading = read_script(read_script_text(path), file=path, folder=path.parent, variables=variables)
    project = _project_of(path, reading)
    source = best_call(reading, shown(path), SCRIPT, Places(project=project, starts=(path.parent,)))
    return with_preprocessing(source, variables)


def best_call(reading: Reading, name: str, kind: str, places: Places) -> Source:
    """The call that names most of what exists; the first of several.

    Raises:
        ConfigError: there is none, or it names settings that are not here.
    """
    sources, errors = _calls(reading, name, kind, places)
    if not sources:
        hint = f"; line {reading.unclosed}: a quote or bracket is not closed" if reading.unclosed else ""
        none = f"{name}: no command `python -m piper.train fit …` or `python -m piper_train …` in it{hint}"
        raise errors[0] if errors else ConfigError(none)
    best = max(sources, key=lambda source: source.score)
    prepared = [call for call in reading.invocations if call.program == PREPROCESS]
    notes = _notes(reading, name, best.name, len(reading.trainings))
    return replace(best, preprocess=_preprocess(prepared, name, best), notes=notes)


def every_call(path: Path) -> list[Source]:
    """Each call of a script that trains and can be read, not only the best.

    Raises:
        ConfigError: the script can't be read.
    """
    reading = read_script(read_script_text(path), file=path, folder=path.parent, variables={})
    places = Places(project=_project_of(path, reading), starts=(path.parent,))
    return _calls(reading, shown(path), SCRIPT, places)[0]


def _calls(reading: Reading, name: str, kind: str, places: Places) -> tuple[list[Source], list[ConfigError]]:
    """Each call that can be read, and why others can't."""
    sources: list[Source] = []
    errors: list[ConfigError] = []
    for call in reading.trainings:
        starts = (call.folder, *places.starts) if call.folder is not None else places.starts
        own = Places(project=places.project, starts=starts, mounts=call.mounts)
        try:
            options = parse_invocation(call, name, own.find)
        except ConfigError as error:
            errors.append(error)
            continue
        sources.append(Source(kind=kind, name=f"{name}:{call.line}", options=options, places=own, invocation=call))
    return sources, errors


def _notes(reading: Reading, name: str, title: str, calls: int) -> tuple[str, ...]:
    notes = []
    if calls > 1:
        notes.append(f"{name} trains {calls} times; the command at {title} was taken")
    if reading.unclosed:
        notes.append(f"{name}:{reading.unclosed}: a quote or bracket is not closed")
    if reading.loose_lines:
        lines = ", ".join(str(line) for line in reading.loose_lines[:_SHOWN])
        more = " …" if len(reading.loose_lines) > _SHOWN else ""
        notes.append(
            f"{name}: lines {lines}{more} were read as one command, though a shell would end it there: a backslash is "
            "missing, or something stands behind it"
        )
    return tuple(notes)


def _project_of(script: Path, reading: Reading) -> Path:
    """The folder that a script belongs to: its own, where its command starts, or where the runs are."""
    here = script.parent
    if any(exists(here / name) for name in _OF_A_PROJECT) or any(here.glob("metadata*.csv")):
        return here
    starts = [call.folder for call in reading.trainings if call.folder is not None and call.folder != here]
    above = [folder for folder in [*here.parents][:_ABOVE] if exists(folder / LOGS)]
    return next((folder for folder in (*starts, *above) if script.is_relative_to(folder)), here)


def _preprocess(calls: Iterable[Invocation], name: str, source: Source) -> Options | None:
    if source.options.program != LEGACY:
        return None
    return next((parse_invocation(call, name, source.places.find) for call in calls), None)


def with_preprocessing(source: Source, variables: Mapping[str, str]) -> Source:
    """The predecessor's data was prepared by another command, maybe in another script of the project."""
    if source.options.program != LEGACY or source.preprocess is not None:
        return source
    for path in script_files(source.places.project):
        try:
            reading = read_script(read_script_text(path), file=path, folder=path.parent, variables=variables)
            calls = [call for call in reading.invocations if call.program == PREPROCESS]
            found = _preprocess(calls, shown(path), source)
        except ConfigError:
            continue
        if found is not None:
            return replace(source, preprocess=found)
    return source
