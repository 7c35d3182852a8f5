"""What lies in the folder of a Piper project: scripts, runs, checkpoints, voices, caches. Only looked at."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core_vits.checkpoint_names import CheckpointName, read_counters
from workbench.adopt.places import exists, folders
from workbench.adopt.script import LARGEST_BYTES
from workbench.adopt.shell import TRAINERS

LOGS = "lightning_logs"
_VERSION = re.compile(r"version_(\d{1,6})")
_ENCODER, _DECODER = ".encoder.onnx", ".decoder.onnx"
_EPOCH_IN_NAME = re.compile(r"(?<![a-z])(?:epoch|ep|e)[=_-]?(\d{1,7})(?!\d)", re.IGNORECASE)
_SCRIPTS = (".sh", ".bash", ".yml", ".yaml")
_SCRIPTS_DEEP = 3
_MOST_SCRIPTS = 300
_MOST_FOLDERS = 1000
_MOST_FILES = 500_000
# Folders in which no script or voice of the user's lies.
_NOT_LOOKED_INTO = frozenset({LOGS, "wavs", "wav", "node_modules", "site-packages", "__pycache__", "build", "venv"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFile:
    """A checkpoint, as its name and its place tell."""

    path: Path
    name: CheckpointName
    size: int
    """Bytes."""
    modified: float
    """Unix seconds."""
    version: int | None
    """Of the run in lightning_logs; None outside of one."""

    @property
    def progress(self) -> float:
        """Epochs; a file that only says `last` counts as the furthest."""
        return self.name.epochs if self.name.epochs is not None else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceFile:
    """An exported voice."""

    path: Path
    epoch: int | None
    """What its name says."""
    has_config: bool
    """Whether `<name>.onnx.json` lies beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One run in lightning_logs."""

    number: int
    folder: Path
    checkpoints: tuple[CheckpointFile, ...]

    @property
    def settings(self) -> Path | None:
        """What was written down of its settings: config.yaml, of the predecessor hparams.yaml."""
        return next((path for name in ("config.yaml", "hparams.yaml") if (path := self.folder / name).is_file()), None)

    @property
    def furthest(self) -> CheckpointFile | None:
        """Its checkpoint with the most epochs."""
        return max(self.checkpoints, key=lambda file: (file.progress, file.modified), default=None)


def script_files(project: Path, deep: int = _SCRIPTS_DEEP) -> list[Path]:
    """Shell scripts of a project that name a trainer of Piper; `train_resume.sh` and its kind first.

    Args:
        project: its folder.
        deep: how many levels of folders to look into; 1 is the folder alone.
    """
    found = [path for path in _walk(project, deep) if path.suffix in (".sh", ".bash") and _names_trainer(path)]
    return sorted(found, key=lambda path: ("resume" not in path.name, len(path.parts), "train" not in path.name, path))


def compose_files(project: Path) -> list[Path]:
    """Compose files of a project that name a trainer of Piper."""
    return sorted(
        path
        for path in _walk(project, _SCRIPTS_DEEP)
        if path.suffix in (".yml", ".yaml") and "compose" in path.name and _names_trainer(path)
    )


def _names_trainer(path: Path) -> bool:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return False
        data = path.read_bytes()
    except (OSError, ValueError):
        return False
    return any(name.encode() in data for name in TRAINERS)


def _walk(folder: Path, deep: int) -> Iterator[Path]:
    """Scripts and YAML files of a folder and of its visible folders, the nearest first."""
    waiting, walked = [(folder, 1)], 0
    while waiting and walked < _MOST_FOLDERS:
        here, depth = waiting.pop(0)
        walked += 1
        # Among thousands of recordings or texts there are few of these.
        yield from _with_suffix(here, _SCRIPTS)[:_MOST_SCRIPTS]
        if depth < deep:
            waiting += [(inner, depth + 1) for inner in folders(here) if inner.name not in _NOT_LOOKED_INTO]


def log_folders(candidates: Iterable[Path]) -> list[Path]:
    """Those of the folders, or their `lightning_logs`, that hold runs of Lightning."""
    found: dict[Path, None] = {}
    for candidate in candidates:
        for folder in (candidate, candidate / LOGS):
            if any(_VERSION.fullmatch(inner.name) for inner in folders(folder)):
                found[folder] = None
    return list(found)


def versions(logs: Path) -> list[Version]:
    """The runs in a `lightning_logs`, oldest first."""
    found = []
    for folder in folders(logs):
        match = _VERSION.fullmatch(folder.name)
        if match:
            number = int(match[1])
            files = checkpoints([folder / "checkpoints", folder], number)
            found.append(Version(number=number, folder=folder, checkpoints=tuple(files)))
    return sorted(found, key=lambda version: version.number)


def version_of(path: Path) -> int | None:
    """Number of the run that a file lies in; None when it lies in none."""
    numbers = [int(match[1]) for part in path.parts if (match := _VERSION.fullmatch(part))]
    return numbers[-1] if numbers else None


def checkpoints(places: Iterable[Path], version: int | None = None) -> list[CheckpointFile]:
    """The checkpoints that lie in folders."""
    found = []
    for folder in places:
        for path in _with_suffix(folder, ".ckpt"):
            try:
                status = path.stat()
            except (OSError, ValueError):
                continue
            found.append(
                CheckpointFile(
                    path=path,
                    name=read_counters(path),
                    size=status.st_size,
                    modified=status.st_mtime,
                    version=version if version is not None else version_of(path),
                )
            )
    return found


def voices(places: Iterable[Path]) -> list[VoiceFile]:
    """The exported voices that lie in folders."""
    found = []
    for folder in places:
        for path in _with_suffix(folder, ".onnx"):
            name = path.name.removesuffix(_DECODER)
            if name != path.name and exists(path.with_name(f"{name}{_ENCODER}")):
                continue  # the second part of a voice that is heard while it is being spoken
            match = _EPOCH_IN_NAME.search(path.stem)
            has_config = exists(path.with_name(f"{path.name}.json"))
            found.append(VoiceFile(path=path, epoch=int(match[1]) if match else None, has_config=has_config))
    return found


def _with_suffix(folder: Path, suffix: str | tuple[str, ...]) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [
                folder / name for name in sorted(e.name for e in entries if e.name.endswith(suffix) and e.is_file())
            ]
    except (OSError, ValueError):
        return []


@dataclass(frozen=True, slots=True)
class Contents:
    """Files of a folder, with those in its folders."""

    files: int
    size: int
    """Bytes."""


def contents(folder: Path) -> Contents:
    """Count and add up; at most half a million files."""
    files = size = 0
    waiting = [folder]
    while waiting and files < _MOST_FILES:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                        continue
                    files += 1
                    with suppress(OSError):  # a link that leads nowhere
                        size += entry.stat().st_size
        except (OSError, ValueError):
            continue
    return Contents(files, size)
