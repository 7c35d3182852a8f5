"""One `version_N` of Piper's: its checkpoints, its settings, and the last words of its event files.

Reading never fails: what is half copied, unreadable or odd is a line among the problems. What did not change is not
read again, for a viewer asks twice a second.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from core_vits.checkpoint_names import FileHead, read_head
from workbench.jobs.piper_checkpoints import arranged, is_checkpoint_name, view_of
from workbench.jobs.runs import CheckpointView
from workbench.tail.chain import CHECKPOINTS, checkpoint_resumed, resumed_from
from workbench.tail.lightning import CONFIG, HYPERPARAMETERS, read_settings, value_of, whole_of

_NAME = re.compile(r"version_(\d+)")
_EVENTS = re.compile(r".*tfevents\.(?P<started>\d{9,11})\..*")
_OURS = ("run.json", "run.toml")

_Made = TypeVar("_Made")
_Entries = Mapping[str, os.stat_result]


@dataclass(frozen=True, slots=True)
class Version:
    """One `version_N` at one moment."""

    folder: Path
    started: float = 0.0
    """Unix seconds."""
    parent: Path | None = None
    """Folder of the version that it was resumed from."""
    resumed: str = ""
    """The checkpoint that it was resumed from, as its settings name it."""
    checkpoints: tuple[CheckpointView, ...] = ()
    """Oldest first."""
    wall_time: float = 0.0
    """Unix seconds of its last event; 0 if there is none."""
    values: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Trained batches and value of the last points, by our names."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Facts for a line or two: voice, batch size, epochs, …"""
    problems: tuple[str, ...] = ()
    ended: tuple[int, int] | None = None
    """Epoch and trained batches at its last validation, if that is among the last points."""

    @property
    def barren(self) -> bool:
        """It trained nothing that anybody could look at."""
        return not self.values and not self.checkpoints

    @property
    def epoch(self) -> int:
        """The newest epoch that anything tells of, from 0; -1 if nothing does."""
        return max(_epoch(self.values), max((view.epoch for view in self.checkpoints), default=-1))

    @property
    def step(self) -> int:
        """Trained batches; 0 if nothing tells."""
        written = max((step for step, _ in self.values.values()), default=0)
        return max(written, max((view.step for view in self.checkpoints), default=0))

    def described(self) -> str:
        """When it began, from what, and what it wrote: one line for people."""
        parts = [self.folder.name]
        if self.started:
            parts.append(time.strftime("%Y-%m-%d %H:%M", time.localtime(self.started)))
        if self.resumed:
            origin = self.parent.name if self.parent is not None else "another run"
            parts.append(f"goes on from {origin}, {Path(self.resumed).name}")
        if self.barren:
            return "   ".join([*parts, "wrote nothing"])
        count = len(self.checkpoints)
        files = f"{count or 'no'} checkpoint{'' if count == 1 else 's'}"
        return "   ".join([*parts, f"to epoch {max(0, self.epoch)}, batch {self.step}", files])


def _epoch(values: Mapping[str, tuple[int, float]]) -> int:
    """The epoch of the last points; -1 if none is told."""
    _, epoch = values.get("epoch", (0, -1.0))
    return int(epoch) if 0 <= epoch < 2**31 else -1


def number_of(name: str) -> int:
    """The N of a `version_N`; -1 for another name."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else -1


def is_version(folder: Path) -> bool:
    """Whether a folder is one of a Lightning run: by its name, or by what lies in it; a run of ours is none."""
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError:
        return number_of(folder.name) >= 0
    if not names.isdisjoint(_OURS):
        return False
    return number_of(folder.name) >= 0 or HYPERPARAMETERS in names or any("tfevents" in name for name in names)


class VersionReader:
    """Reads versions again and again; used by one thread at a time."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Path], tuple[object, object]] = {}

    def read(self, folder: Path) -> Version:
        """A version as it is now, whatever condition it is in."""
        problems: list[str] = []
        entries = _entries(folder, folder.name, problems)
        events = sorted(name for name in entries if "tfevents" in name)
        views = self._checkpoints(folder, entries, problems)
        settings, resumed, parent = self._settings(folder, entries, problems)
        wall_time, values = self._ending(folder, events, entries, problems)
        validated = [step for name, (step, _) in values.items() if name.startswith("val/")]
        epoch = _epoch(values)
        ended = (epoch, max(validated)) if validated and epoch >= 0 else None
        return Version(
            folder=folder,
            started=_started(events, entries),
            parent=parent,
            resumed=resumed,
            checkpoints=tuple(arranged(views, ended)),
            wall_time=wall_time,
            values=values,
            settings=settings,
            problems=tuple(problems),
            ended=ended,
        )

    def _checkpoints(self, folder: Path, entries: _Entries, problems: list[str]) -> list[CheckpointView]:
        found = {folder / name: about for name, about in entries.items() if is_checkpoint_name(name)}
        if CHECKPOINTS in entries:
            shown = f"{folder.name}/{CHECKPOINTS}"
            for name, about in _entries(folder / CHECKPOINTS, shown, problems).items():
                if is_checkpoint_name(name):
                    found[folder / CHECKPOINTS / name] = about
                else:
                    problems.append(f"{shown}/{name}: is no checkpoint (half-copied?)")
        views = []
        for path, about in found.items():
            head = self._head(path, about)
            views.append(view_of(path, about, head))
            if head.problem:
                problems.append(f"{path.relative_to(folder.parent)}: {head.problem}")
        return views

    def _head(self, path: Path, about: os.stat_result) -> FileHead:
        return self._keep("head", path, _signature(about), lambda: read_head(path))

    def _settings(
        self, folder: Path, entries: _Entries, problems: list[str]
    ) -> tuple[dict[str, Any], str, Path | None]:
        """What its settings say, the checkpoint that it was resumed from, and the version of that."""
        names = [name for name in (CONFIG, HYPERPARAMETERS) if name in entries]
        if not names:
            problems.append(f"{folder.name}: neither {CONFIG} nor {HYPERPARAMETERS} says how it was trained")

        def read() -> tuple[dict[str, Any], str, Path | None, list[str]]:
            texts, failed = {}, []
            for name in names:
                try:
                    texts[name] = read_settings(folder / name)
                except OSError as error:
                    failed.append(f"{folder.name}/{name}: can't be read ({error.strerror})")
            resumed = checkpoint_resumed(folder) or ""
            return _facts(texts), resumed, resumed_from(folder) if resumed else None, failed

        signature = tuple((name, _signature(entries[name])) for name in names)
        facts, resumed, parent, failed = self._keep("settings", folder, signature, read)
        problems.extend(failed)
        return facts, resumed, parent

    def _ending(
        self, folder: Path, events: list[str], entries: _Entries, problems: list[str]
    ) -> tuple[float, dict[str, tuple[int, float]]]:
        """Time of the last event and the last values, by our names; of the newest file that has any."""
        if not events:
            return 0.0, {}
        # Brings numpy, a fifth of a second that a workspace without runs of Piper does not pay.
        from workbench.tail.ending import Ending, read_ending
        from workbench.tail.piper import our_name

        latest = 0.0
        values: dict[str, tuple[int, float]] = {}
        for name in reversed(events):
            path = folder / name

            def read(path: Path = path) -> Ending | None:
                return read_ending(path)

            ending = self._keep("ending", path, _signature(entries[name]), read)
            if ending is None:
                problems.append(f"{folder.name}/{name}: {_why_no_event(path)}")
                continue
            # A clock that is ahead must not make a run look alive for days: no event is younger than its file.
            latest = max(latest, min(ending.wall_time, entries[name].st_mtime))
            if not values:
                named = ((our_name(tag, ending.values), point) for tag, point in ending.values.items())
                values = {ours: (step + 1, value) for ours, (step, value) in named if ours is not None}
        return latest, values

    def _keep(self, kind: str, path: Path, signature: object, make: Callable[[], _Made]) -> _Made:
        """What was made of a file, made again only when the file is another."""
        kept = self._kept.get((kind, path))
        if kept is None or kept[0] != signature:
            kept = self._kept[kind, path] = (signature, make())
        return cast("_Made", kept[1])


def _entries(folder: Path, shown: str, problems: list[str]) -> dict[str, os.stat_result]:
    """What lies in a folder; what can't be looked at is a problem."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    about = entry.stat()
                    if stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode):
                        found[entry.name] = about
                    else:  # opening a pipe would wait for somebody to write
                        problems.append(f"{shown}/{entry.name}: is neither a file nor a folder")
                except OSError as error:
                    problems.append(f"{shown}/{entry.name}: can't be read ({error.strerror})")
    except OSError as error:
        problems.append(f"{shown}: can't be read ({error.strerror})")
    return found


def _signature(about: os.stat_result) -> tuple[int, int, int]:
    return about.st_ino, about.st_size, about.st_mtime_ns


def _started(events: list[str], entries: _Entries) -> float:
    """When a version began: as its event file's name says, or else the time of its oldest file."""
    times = [float(match["started"]) for name in events if (match := _EVENTS.fullmatch(name))]
    return min(times) if times else min((about.st_mtime for about in entries.values()), default=0.0)


def _why_no_event(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return "no event can be read in it" if file.read(1) else "is empty"
    except OSError as error:
        return f"can't be read ({error.strerror})"


def _facts(texts: Mapping[str, str]) -> dict[str, Any]:
    """Facts for a line or two of a run, from the command line's record or the first Piper's options."""
    config, old = texts.get(CONFIG, ""), texts.get(HYPERPARAMETERS, "")
    facts: dict[str, Any] = {
        "voice": value_of(config, "voice_name", "data"),
        "espeak_voice": value_of(config, "espeak_voice", "data"),
        "quality": value_of(old, "quality"),
        "batch_size": whole_of(config, "batch_size", "data") or whole_of(old, "batch_size"),
        "epochs": whole_of(config, "max_epochs", "trainer") or whole_of(old, "max_epochs"),
        "num_speakers": whole_of(config, "num_speakers", "model") or whole_of(old, "num_speakers"),
        "sample_rate": whole_of(config, "sample_rate", "model") or whole_of(old, "sample_rate"),
    }
    return {name: value for name, value in facts.items() if value is not None}
