"""Find out what to read a project from: what the user named, or the best of what lies in a folder."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from workbench.adopt.calls import Source, from_command, from_script
from workbench.adopt.places import absolute, exists
from workbench.adopt.project import LOGS, compose_files, log_folders, script_files, versions
from workbench.adopt.records import from_config, from_yaml
from workbench.adopt.script import LARGEST_BYTES
from workbench.adopt.shell import TRAINERS
from workbench.config import shown
from workbench.errors import ConfigError

_WANTED = "a folder, a script, a config.yaml or a command line of Piper is wanted"
_SHOWN = 5
Read = Callable[[Path, Mapping[str, str]], Source]


def read_source(arguments: Sequence[str], variables: Mapping[str, str], folder: Path) -> Source:
    """Read what the user named.

    Args:
        arguments: a path, `-` for standard input, or a command line (in one text or in words).
        variables: values for variables of scripts.
        folder: where a command line is started.

    Raises:
        ConfigError: it can't be read, or nothing of Piper is in it.
    """
    if len(arguments) > 1:
        return from_command(shlex.join(arguments), "command line", variables, folder)
    name = arguments[0]
    if name == "-":
        text = sys.stdin.buffer.read(LARGEST_BYTES).decode("utf-8", "replace")
        return from_command(text, "stdin", variables, folder)
    if not name.strip():
        raise ConfigError(f"the name is empty; {_WANTED}")
    path = Path(name)
    if not exists(path):
        if any(trainer in name for trainer in TRAINERS) and re.search(r"\s", name.strip()):
            return from_command(name, "command line", variables, folder)
        raise ConfigError(f"{name}: there is no such file or folder; {_WANTED}")
    path = absolute(path)
    if path.is_dir():
        return _from_folder(path, variables)
    if path.suffix in (".yaml", ".yml"):
        return from_yaml(path, variables)
    return from_config(path.parent) if path.name == "config.json" else from_script(path, variables)


def _from_folder(folder: Path, variables: Mapping[str, str]) -> Source:
    """The best of what lies in a folder: a script, a compose file, what the newest run wrote down, a config.json."""
    errors: list[ConfigError] = []
    ways: list[tuple[Sequence[Path], Read]] = [(script_files(folder), from_script), (compose_files(folder), from_yaml)]
    for files, read in ways:
        found = list(_all(read, files, variables, errors))
        if found:
            return _best(found, folder)
    for logs in log_folders([folder]):
        records = [version.settings for version in reversed(versions(logs)) if version.settings is not None]
        newest = next(iter(_all(from_yaml, records, variables, errors)), None)
        if newest is not None:
            return newest
    if exists(folder / "config.json"):
        return from_config(folder)
    if errors:
        raise errors[0]
    raise ConfigError(
        f"{shown(folder)}: nothing of Piper here: no script with `piper.train fit` or `piper_train`, no {LOGS}, no "
        "config.json; for recordings and a table alone there is `workbench init`"
    )


def _all(
    read: Read, files: Iterable[Path], variables: Mapping[str, str], errors: list[ConfigError]
) -> Iterator[Source]:
    """Every file that can be read, in order; why the others can't goes to `errors`."""
    for path in files:
        try:
            yield read(path, variables)
        except ConfigError as error:
            errors.append(error)


def _best(sources: Sequence[Source], folder: Path) -> Source:
    """The source that names most of what exists; of several, the first."""
    best = max(sources, key=lambda source: source.score)
    others = [source.name for source in sources if source is not best]
    more = " …" if len(others) > _SHOWN else ""
    notes = (f"also found, and not taken: {', '.join(others[:_SHOWN])}{more}",) if others else ()
    starts = (*best.places.starts, best.places.project)
    return replace(best, places=replace(best.places, project=folder, starts=starts), notes=(*best.notes, *notes))


def parse_variables(texts: Sequence[str]) -> dict[str, str]:
    """`--var NAME=VALUE`, each.

    Raises:
        ConfigError: one is not of that form.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*|\d+", name):
            raise ConfigError(f"--var {text}: NAME=VALUE is wanted, for instance DATA_DIR=/data/voice")
        found[name] = value
    return found
