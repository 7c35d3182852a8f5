"""Piper's caches that lie wherever somebody told Piper to put them: what scripts, runs and the workspace file name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from workbench.adopt.calls import Source, every_call
from workbench.adopt.places import Places
from workbench.adopt.project import LOGS, Version, compose_files, log_folders, script_files, versions
from workbench.adopt.records import from_yaml
from workbench.config import Workspace
from workbench.errors import ConfigError
from workbench.tail.lightning import read_settings, value_of

_OPTION, _KEY = "data.cache_dir", "cache_dir"
_BESIDE = ("data.csv_path", "data.audio_dir", "data.config_path")
_MOST_RUNS = 200


def named_caches(folder: Path, workspace: Workspace) -> list[Path]:
    """Folders that are named as Piper's cache and are here, wherever: each once.

    Args:
        folder: of the project, whose scripts and compose files are read.
        workspace: names a cache itself, and the runs of Piper whose settings name theirs.
    """
    places = [workspace.piper_cache, *_of_scripts(folder), *_of_runs(folder, workspace)]
    return list(dict.fromkeys(place.absolute() for place in places if place is not None and _is_folder(place)))


def _of_scripts(folder: Path) -> Iterator[Path | None]:
    for path in script_files(folder):
        with suppress(ConfigError):
            for source in every_call(path):
                yield _of_source(source, folder)
    for path in compose_files(folder):
        with suppress(ConfigError):
            yield _of_source(from_yaml(path, {}), folder)


def _of_source(source: Source, folder: Path) -> Path | None:
    given = source.options.given.get(_OPTION)
    if given is None or given.missing or not isinstance(given.value, str):
        return None
    starts = (*source.places.starts, source.places.project)
    places = Places(project=folder, starts=starts, mounts=source.places.mounts)
    for name in _BESIDE:  # of a project that was moved, these say where to
        beside = source.options.given.get(name)
        if beside is not None and not beside.missing and isinstance(beside.value, str):
            places.find(beside.value)
    return places.find(given.value)


def _of_runs(folder: Path, workspace: Workspace) -> Iterator[Path | None]:
    """What runs wrote down of their settings; the newest ones."""
    candidates = [folder, *([workspace.piper_runs] if workspace.piper_runs is not None else [])]
    for logs in log_folders(candidates):
        project = logs.parent if logs.name == LOGS else logs
        places = Places(project=project, starts=(project, project.parent))
        named = {text for version in versions(logs)[-_MOST_RUNS:] if (text := _of_run(version))}
        yield from (places.find(text) for text in sorted(named))


def _of_run(version: Version) -> str | None:
    try:
        return value_of(read_settings(version.settings), _KEY, "data") if version.settings is not None else None
    except OSError:
        return None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
