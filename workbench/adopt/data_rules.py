"""Rules for the options that say where things are: table, recordings, caches, runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from workbench.adopt.mapper import Mapper
from workbench.adopt.options import Options
from workbench.adopt.places import exists, free_name, relative
from workbench.adopt.project import contents
from workbench.adopt.recordings import Clips, count_clips
from workbench.adopt.script import LEGACY
from workbench.config import propose_workspace, shown

_CACHE = ".workbench/cache"
USUAL_CACHES = (".cache", "cache", _CACHE)
"""What folders of prepared clips are called."""
_RUN_FILES = ("run.json", "run.toml")


def map_dataset(mapper: Mapper) -> Clips | None:
    """Table and recordings; the clips in them, when they are here."""
    options = mapper.options
    table, audio = _legacy_dataset(mapper) if options.program == LEGACY else _dataset(mapper)
    name = "dataset_dir" if options.program == LEGACY else "data.csv_path"
    mapper.set("dataset.metadata", relative(table, mapper.root), name)
    audio_name = "data.audio_dir" if options.is_given("data.audio_dir") else ""
    mapper.set("dataset.audio", relative(audio, mapper.root), audio_name)
    mapper.set("dataset.quoting", True, note="Piper reads the table with quotes")
    speakers = _speakers(mapper)
    if speakers > 1:
        mapper.set("dataset.multi_speaker", True, "model.num_speakers")
        if options.program == LEGACY:
            mapper.set("dataset.speaker_order", "clips", note="as the first Piper numbered speakers")
    missing = [path for path in (table, audio) if not exists(path)]
    for path in missing:
        mapper.check(f"{shown(path)}: not here; correct [dataset] {'metadata' if path == table else 'audio'}")
    return None if table in missing else _look(mapper, table, audio, speakers)


def _look(mapper: Mapper, table: Path, audio: Path, speakers: int) -> Clips:
    clips = count_clips(table, audio, multi_speaker=speakers > 1)
    if clips.error:
        mapper.check(clips.error)
        return clips
    absent = clips.rows - clips.with_recording
    if absent > 0 and exists(audio):
        mapper.check(f"{shown(table)}: {absent:,} of {clips.rows:,} rows name no recording in {shown(audio)}")
    if clips.problems:
        mapper.check(
            f"{shown(table)}: {clips.problems:,} lines are not as they should be; `workbench health` names them"
        )
    return clips


def _speakers(mapper: Mapper) -> int:
    value = mapper.options.value("model.num_speakers") if mapper.options.is_given("model.num_speakers") else None
    configured = mapper.config.get("num_speakers")
    if value is None and mapper.options.program == LEGACY and isinstance(configured, int):
        return configured
    return value or 1


def _dataset(mapper: Mapper) -> tuple[Path, Path]:
    options, places = mapper.options, mapper.places
    given, folder = options.value("data.csv_path"), options.value("data.audio_dir")
    if given is not None:
        table = places.find(given) or places.as_written(given)
        return table, table.parent if folder is None else places.find(folder) or places.as_written(folder)
    for beside in _folders_named(mapper, ("data.audio_dir", "data.config_path", "data.cache_dir")):
        proposal = propose_workspace(beside).workspace
        if proposal is not None:
            mapper.check(f"no option names the table of recordings; {shown(proposal.metadata)} was taken")
            return proposal.metadata, proposal.audio_folder
    return places.project / "metadata.csv", places.project / "wavs"


def _folders_named(mapper: Mapper, names: Iterable[str]) -> list[Path]:
    found = []
    for name in names:
        given = mapper.options.given.get(name)
        path = mapper.places.find(given.value) if given and isinstance(given.value, str) and not given.missing else None
        if path is not None:
            found.append(path.parent)
    return [*found, mapper.places.project]


def _legacy_dataset(mapper: Mapper) -> tuple[Path, Path]:
    """The predecessor's `--dataset-dir` holds prepared clips; the table is where `preprocess` took it from."""
    places = mapper.places
    given = mapper.options.value("dataset_dir")
    prepared = places.find(given) if isinstance(given, str) else None
    source = _path_of(mapper.preprocess, "input_dir")
    folders = [places.find(source) if source else None, prepared, prepared.parent if prepared else None, places.project]
    for folder in dict.fromkeys(folder for folder in folders if folder is not None and folder.is_dir()):
        proposal = propose_workspace(folder).workspace
        if proposal is not None:
            if not source:
                mapper.check(
                    f"which table {given} was prepared from is not known; {shown(proposal.metadata)} was taken"
                )
            return proposal.metadata, proposal.audio_folder
    base = places.as_written(source) if source else prepared or places.project
    return base / "metadata.csv", base / "wavs"


def _path_of(options: Options | None, name: str) -> str:
    given = options.given.get(name) if options else None
    return given.value if given and isinstance(given.value, str) and not given.missing else ""


def map_paths(mapper: Mapper) -> None:
    """Folders of ours that get in the way of nothing that is there."""
    root = mapper.root
    mapper.set("paths.runs", "runs" if _has_our_runs(root / "runs") else free_name(root, ("runs", "workbench-runs")))
    mapper.set("paths.voices", free_name(root, ("voices", "workbench-voices")))
    theirs = piper_cache(mapper)
    cache = _CACHE if theirs != root / _CACHE else f"{_CACHE}-2"
    given = "data.cache_dir" if mapper.options.is_given("data.cache_dir") else ""
    mapper.set("paths.cache", cache, given, "Piper's cache is left alone" if theirs else "")
    if theirs is not None and given and theirs not in _usual_caches(mapper):
        mapper.set("paths.piper_cache", relative(theirs, root), given)
    if mapper.logs is not None:
        given = "trainer.default_root_dir" if mapper.options.is_given("trainer.default_root_dir") else ""
        mapper.set("paths.piper_runs", relative(mapper.logs, root), given)


def _has_our_runs(folder: Path) -> bool:
    """Whether a folder holds runs of the workbench, from before the workspace file was lost."""
    return any(exists(path / name) for path in folder.glob("*") for name in _RUN_FILES) if exists(folder) else False


def _usual_caches(mapper: Mapper) -> list[Path]:
    """Where a cache is looked for without a word: beside the project's workspace file and the table."""
    table = mapper.root / str(mapper.settings.get("dataset.metadata", ""))
    return [folder / name for folder in (mapper.root, table.parent) for name in USUAL_CACHES]


def piper_cache(mapper: Mapper) -> Path | None:
    """Piper's cache, when it is here."""
    path = _path_of(mapper.options, "data.cache_dir") or _path_of(mapper.options, "dataset_dir")
    found = mapper.places.find(path) if path else None
    if found is None and isinstance(mapper.settings.get("dataset.metadata"), str):
        beside = (mapper.root / mapper.settings["dataset.metadata"]).parent / ".cache"
        found = beside if exists(beside) else None
    return found


def told_cache(mapper: Mapper, clips: Clips | None) -> dict[str, int | str | None]:
    """Size of Piper's cache and of what ours will be: bytes, None where it is not known."""
    theirs = piper_cache(mapper)
    held = contents(theirs) if theirs is not None else None
    rate = mapper.settings.get("audio.sample_rate") or 22_050
    seconds = clips.seconds if clips else None
    return {
        "piper": shown(theirs) if theirs is not None else None,
        "piper_bytes": held.size if held else None,
        "piper_files": held.files if held else None,
        "ours": str(mapper.settings.get("paths.cache", _CACHE)),
        "ours_bytes": round(seconds * rate * 2) if seconds else None,
    }


def size_told(size: int | float | None) -> str:
    """A number of bytes for people."""
    if size is None:
        return "unknown size"
    value = float(size)
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
