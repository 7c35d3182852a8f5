"""Following all event files of a run: find them, read what is new, answer questions about the whole.

`RunFollower.poll` is meant for a worker thread and keeps to a time budget; the questions may be asked from any other
thread at any time. The end of the newest file is read first, so a chart has something to show after the first chunk of
a gigabyte; the beginning is filled in by the polls that follow.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from workbench.tail.eventfile import EventFile, State
from workbench.tail.series import AudioEntry, BadRecord, Points
from workbench.tail.stitch import History, Verdict, judge, latest, stitch

_SETTLED_NS = 2_000_000_000
"""A folder changed more recently is listed again: its time stamp may not tell two changes apart."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What one poll found; true if there is anything to draw anew."""

    tags: frozenset[str] = frozenset()
    """Scalar tags with new or changed points."""
    new_tags: frozenset[str] = frozenset()
    audio_added: int = 0
    problems_added: int = 0
    restarted: bool = False
    """A file was replaced or removed, so points may be gone."""
    bytes_read: int = 0
    complete: bool = True
    """False when the budget ended before the files did: poll again at once."""

    def __bool__(self) -> bool:
        return bool(self.tags or self.audio_added or self.problems_added or self.restarted)


@dataclass(frozen=True, slots=True)
class FileStatus:
    """How far one file was read."""

    path: Path
    size: int
    """Bytes."""
    lag_bytes: int
    """Bytes not read yet; a half-written record counts."""
    bad_records: int


_NOTHING = Changes()


@dataclass(slots=True)
class _Folder:
    """One watched folder and when it was last listed."""

    path: Path
    modified_ns: int = -1
    files: dict[str, EventFile] = field(default_factory=dict)

    def list_new_files(self) -> bool:
        """List the folder if it changed; True if a file was found."""
        try:
            modified_ns = self.path.stat().st_mtime_ns
            if modified_ns == self.modified_ns and time.time_ns() - modified_ns > _SETTLED_NS:
                return False
            with os.scandir(self.path) as entries:
                names = [entry.name for entry in entries if "tfevents" in entry.name and entry.is_file()]
        except OSError:
            return False  # not made yet, or gone: its files tell
        self.modified_ns = modified_ns
        added = [self.add(name) for name in names if name not in self.files]
        return any(added)

    def add(self, name: str) -> bool:
        """Begin to follow a file; False if it is gone already."""
        try:
            self.files[name] = EventFile(self.path / name)
        except OSError:
            return False
        return True


class RunFollower:
    """Tails every event file of a run.

    Args:
        metrics_dir: the folder with `events.out.tfevents.*`; it may not exist yet.
        earlier: folders of the runs this one was resumed from (see `workbench.tail.chain`), any order.
    """

    def __init__(self, metrics_dir: Path, earlier: Sequence[Path] = ()) -> None:
        self._folders = [_Folder(folder) for folder in dict.fromkeys((*earlier, metrics_dir))]
        self._lock = threading.Lock()
        self._files: list[EventFile] = []
        self._histories: dict[str, tuple[tuple[int, ...], History]] = {}
        self._known_tags: frozenset[str] = frozenset()
        self._errors: tuple[str, ...] = ()
        self._audio_count = 0
        self._problem_count = 0
        self.complete = False
        """Whether the last poll reached the ends of all files; False before the first."""

    def poll(self, budget_seconds: float | None = None) -> Changes:
        """Read what is new. An idle poll costs a few `stat` calls.

        Args:
            budget_seconds: stop after the first chunk (at most 1 MiB) that ends later than this; None reads all.
        """
        deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
        known_tags = self._known_tags
        audio_before, problems_before = self._audio_count, self._problem_count
        restarted = self._look_for_files()
        errors = tuple(file.error for file in self._files)
        if not restarted and errors == self._errors and not any(file.has_work for file in self._files):
            self.complete = True
            return _NOTHING
        self._errors = errors
        tags, bytes_read, complete = self._read(deadline)
        self.complete = complete
        self._known_tags = frozenset(self.tags())
        self._audio_count = sum(len(file.audio()) for file in self._files)
        self._problem_count = sum(file.problem_count for file in self._files)
        return Changes(
            tags=frozenset(tags | known_tags if restarted else tags),
            new_tags=self._known_tags - known_tags,
            audio_added=max(0, self._audio_count - audio_before),
            problems_added=max(0, self._problem_count - problems_before),
            restarted=restarted,
            bytes_read=bytes_read,
            complete=complete,
        )

    def _read(self, deadline: float | None) -> tuple[set[str], int, bool]:
        """Read chunks until the files or the time end: (changed tags, bytes, whether the files ended)."""
        tags: set[str] = set()
        bytes_read, chunks = 0, 0
        if self._files:
            self._files[-1].read_from_the_end_if_long()
        for file in reversed(self._files):
            while file.has_work:
                if deadline is not None and chunks and time.monotonic() >= deadline:
                    return tags, bytes_read, False
                chunks += 1
                bytes_read += file.read_chunk()
                with self._lock:
                    tags |= {name for tag in file.commit() if (name := self._name(file, tag)) is not None}
        return tags, bytes_read, True

    def _look_for_files(self) -> bool:
        """List the folders if they changed and look at each file; True if points were lost."""
        changed = lost = False
        for folder in self._folders:
            changed |= folder.list_new_files()
            for name, file in list(folder.files.items()):
                state = file.refresh()
                if state is State.GROWN:
                    changed = True
                elif state is not State.SAME:
                    changed = lost = True
                    del folder.files[name]
                    if state is State.REPLACED:
                        folder.add(name)
        if changed:
            files = [file for folder in self._folders for file in folder.files.values()]
            files.sort(key=lambda file: (file.started, file.path.name))
            with self._lock:
                self._files = files
        return lost

    def tags(self) -> list[str]:
        """All scalar tags seen, sorted."""
        with self._lock:
            names = {self._name(file, tag) for file in self._files for tag in file.tags()}
        return sorted(name for name in names if name is not None)

    def series(self, tag: str) -> Points:
        """Give the live points of a tag in the newest segment, by step; none for an unknown tag."""
        return latest(self._history(tag))

    def segments(self, tag: str) -> list[Points]:
        """Give the live points of every run from step 0 in this folder, oldest first; the last one is `series(tag)`."""
        return list(self._history(tag).segments)

    def superseded(self, tag: str) -> list[Points]:
        """Give the tails that were discarded when the run was resumed, one entry each."""
        return list(self._history(tag).superseded)

    def _history(self, tag: str) -> History:
        with self._lock:
            parts = [self._points(file, tag) for file in self._files]
            version = tuple(n for file, part in zip(self._files, parts, strict=True) for n in (file.serial, len(part)))
            cached = self._histories.get(tag)
            if cached is None or cached[0] != version:
                cached = self._histories[tag] = (version, self._stitch(parts))
            return cached[1]

    # What another program's files need: their own names and axes brought to ours.

    def _name(self, file: EventFile, tag: str) -> str | None:
        """Our name of a tag of a file; None for one that is no curve."""
        return tag

    def _points(self, file: EventFile, name: str) -> Points:
        """A file's points of the tag that has this name with us. Called under the lock."""
        return file.points(name)

    def _stitch(self, parts: list[Points]) -> History:
        """One history of a tag's points, oldest file first. Called under the lock."""
        return stitch(parts)

    def _judge_clips(self, groups: list[list[AudioEntry]]) -> list[Verdict]:
        """Which clips of a tag are live; groups of files, oldest first, none empty."""
        return judge([_as_points(group) for group in groups])

    def checkpoint_batch(self, epoch: int, step: int) -> int:
        """Where the mark of a checkpoint belongs on the axis of the curves.

        Args:
            epoch: that was under way or just over, from 0; negative if it is not known.
            step: batches trained by then, as far as its name tells.
        """
        return step

    def clip_batches(self, clips: Sequence[AudioEntry]) -> list[int]:
        """The batches trained when each clip was made, on the axis of the curves."""
        return [clip.step for clip in clips]

    def epochs_at(self, batches: Sequence[int]) -> list[int | None]:
        """The epoch, from 0, that each number of trained batches lies in or completes; None where nothing tells."""
        epochs = self.series("epoch")
        if not len(epochs):
            return [None] * len(batches)
        at = np.asarray(batches, np.float64)
        index = np.maximum(np.searchsorted(epochs.steps, at, side="right") - 1, 0)
        # Points say how much of the run is done: 0.5 is the middle of the first epoch and 1.0 its end.
        steps = np.where(epochs.steps[index] > 0, epochs.steps[index], np.nan)
        done = np.ceil(np.round(epochs.values[index] * at / steps, 4)) - 1
        return [int(max(0, epoch)) if np.isfinite(epoch) else None for epoch in done]

    def audio(self) -> list[AudioEntry]:
        """Clips of the newest segment by wall time, without those written again after a resume."""
        return self._clips()[0]

    def superseded_audio(self) -> list[AudioEntry]:
        """Clips of discarded tails and of earlier segments, by wall time."""
        return self._clips()[1]

    def _clips(self) -> tuple[list[AudioEntry], list[AudioEntry]]:
        with self._lock:
            files = [file.audio() for file in self._files]
        by_tag: dict[str, list[list[AudioEntry]]] = {}
        for number, clips in enumerate(files):
            for clip in clips:
                by_tag.setdefault(clip.tag, [[] for _ in files])[number].append(clip)
        live: list[AudioEntry] = []
        dead: list[AudioEntry] = []
        for groups in by_tag.values():
            parts = [group for group in groups if group]
            verdicts = self._judge_clips(parts)
            for part, verdict in zip(parts, verdicts, strict=True):
                newest = verdict.segment == verdicts[-1].segment
                for clip, alive in zip(part, verdict.live.tolist(), strict=True):
                    (live if alive and newest else dead).append(clip)
        return sorted(live, key=_wall_time), sorted(dead, key=_wall_time)

    def problems(self) -> list[BadRecord]:
        """Damage met in the files; `str()` of each is its badge."""
        with self._lock:
            return [problem for file in self._files for problem in file.problems()]

    def files(self) -> list[FileStatus]:
        """Say how far each file was read, oldest first."""
        with self._lock:
            return [FileStatus(file.path, file.size, file.lag_bytes, file.problem_count) for file in self._files]

    @property
    def last_event_wall_time(self) -> float | None:
        """Unix seconds of the latest event of all files; None before the first."""
        with self._lock:
            times = [file.last_wall_time for file in self._files]
        return max((moment for moment in times if moment is not None), default=None)


def _wall_time(clip: AudioEntry) -> float:
    return clip.wall_time


def _as_points(clips: list[AudioEntry]) -> Points:
    wall_times = np.array([clip.wall_time for clip in clips])
    return Points(np.array([clip.step for clip in clips], np.int64), wall_times, wall_times)
