"""Take over a Piper project: from what it says to a workspace. Nothing of the project is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.adopt.calls import CONFIG, RECORD, Source
from workbench.adopt.comparison import compare_with_config, compare_with_run
from workbench.adopt.data_rules import map_dataset, map_paths, told_cache
from workbench.adopt.mapper import Ignored, Mapped, Mapper, entry
from workbench.adopt.options import Options
from workbench.adopt.places import Places, absolute
from workbench.adopt.project import log_folders, script_files, version_of, versions
from workbench.adopt.recordings import Clips
from workbench.adopt.script import LEGACY
from workbench.adopt.source import read_source
from workbench.adopt.start_rules import Start, map_start
from workbench.adopt.training_rules import map_training
from workbench.adopt.values import Given
from workbench.adopt.voice_rules import map_voice, read_config
from workbench.config import WORKSPACE_FILE, Workspace, guess_language, shown, workspace_from_dict
from workbench.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """A workspace for a Piper project, and all there is to tell about it."""

    workspace: Workspace
    source: Source
    mapped: tuple[Mapped, ...]
    ignored: tuple[Ignored, ...]
    unknown: tuple[tuple[Given, str], ...]
    """Options that Piper does not have, and what may have been meant."""
    checks: tuple[str, ...]
    """What the user should look at, a line each."""
    clips: Clips | None
    start: Start
    logs: Path | None
    """Folder of Piper's runs."""
    versions: int
    cache: Mapping[str, Any]
    moved: Mapping[str, Path]
    """Paths that are not here, and what was found in their place."""


def adopt(
    arguments: Sequence[str],
    *,
    to: Path | None = None,
    variables: Mapping[str, str] | None = None,
    start: Path | None = None,
) -> Adoption:
    """Make a workspace of a Piper project, and write nothing.

    Args:
        arguments: a path, `-` for standard input, or a command line.
        to: folder of the workspace file; that of the project when None.
        variables: values for variables that a script does not set.
        start: where a command line is started; the current folder when None.

    Raises:
        ConfigError: nothing of Piper is there, or something in it can't be understood; one line.
    """
    source = read_source(arguments, variables or {}, start or Path.cwd())
    root = absolute(to if to is not None else source.places.project)
    if not root.is_dir():
        raise ConfigError(f"{to or root}: there is no such folder; --to names the folder of the voice")
    mapper = _mapper(source, root)
    clips = _map(mapper, source)
    start_from = map_start(mapper, clips)
    compare_with_config(mapper)
    if source.kind != RECORD and start_from.checkpoint is not None:
        compare_with_run(mapper, start_from.checkpoint)
    mapper.name_what_has_no_effect()
    return Adoption(
        workspace=_workspace(mapper, root),
        source=source,
        mapped=tuple(mapper.mapped),
        ignored=tuple(mapper.ignored),
        unknown=tuple(source.options.unknown),
        checks=tuple(mapper.checks),
        clips=clips,
        start=start_from,
        logs=mapper.logs,
        versions=len(mapper.versions),
        cache=told_cache(mapper, clips),
        moved=dict(source.places.moved),
    )


def _mapper(source: Source, root: Path) -> Mapper:
    """Find what lies around the project: its config.json and its runs."""
    options, places = source.options, source.places
    config_path = _config_path(options, places)
    config = read_config(config_path)
    name = shown(config_path) if config_path is not None else ""
    if options.program == LEGACY or source.kind == CONFIG:
        _take_config(options, config, name)
    candidates = [places.project, root]
    for option in ("trainer.default_root_dir", "dataset_dir"):
        given = options.given.get(option)
        path = places.find(given.value) if given and isinstance(given.value, str) and not given.missing else None
        candidates += [path] if path is not None else []
    logs = next(iter(log_folders([*_logs_of_record(source), *candidates])), None)
    return Mapper(
        options=options, places=places, root=root, invocation=source.invocation, preprocess=source.preprocess,
        config=config, config_name=name, logs=logs, versions=tuple(versions(logs)) if logs is not None else (),
        record=source.record,
    )  # fmt: skip


def _logs_of_record(source: Source) -> list[Path]:
    return [source.record.parent.parent] if source.record is not None and version_of(source.record) is not None else []


def _config_path(options: Options, places: Places) -> Path | None:
    """Piper's config.json: where the options say, in the prepared dataset, beside the table, or in the project."""

    def found(name: str) -> Path | None:
        given = options.given.get(name)
        return places.find(given.value) if given and isinstance(given.value, str) and not given.missing else None

    named, prepared, table = found("data.config_path"), found("dataset_dir"), found("data.csv_path")
    beside = [
        folder / "config.json" for folder in (prepared, table.parent if table else None, places.project) if folder
    ]
    return next((path for path in (named, *beside) if path is not None and path.is_file()), None)


def _take_config(options: Options, config: Mapping[str, Any], name: str) -> None:
    """Where no option says it, config.json does."""
    values = {
        "model.sample_rate": entry(config, "audio", "sample_rate"),
        "model.num_speakers": config.get("num_speakers"),
        "data.num_symbols": config.get("num_symbols"),
    }
    for option, value in values.items():
        if isinstance(value, int) and not isinstance(value, bool) and option not in options.given:
            options.given[option] = Given("config.json", option, value, name)


def _map(mapper: Mapper, source: Source) -> Clips | None:
    mapper.copy_values()
    clips = map_dataset(mapper)
    guessed = guess_language(clips.first_texts) if clips is not None and clips.first_texts else ""
    map_voice(mapper, guessed)
    map_training(mapper)
    map_paths(mapper)
    for line in source.notes if source.kind == CONFIG else ():
        mapper.check(line)
    return clips


def _workspace(mapper: Mapper, root: Path) -> Workspace:
    tables: dict[str, dict[str, Any]] = {}
    for name, value in mapper.settings.items():
        table, _, key = name.partition(".")
        tables.setdefault(table, {})[key] = value
    return workspace_from_dict(tables, root / WORKSPACE_FILE)


def looks_like_piper(folder: Path) -> str:
    """What says that a folder is a Piper project, for the question whether to adopt it; empty when nothing does.

    Looks at the folder itself only: it is asked wherever the workbench is started without a workspace.
    """
    if not folder.is_dir():
        return ""
    scripts = script_files(folder, deep=1)
    found = scripts[:1] or log_folders([folder])[:1]
    return shown(found[0]) if found else ""
