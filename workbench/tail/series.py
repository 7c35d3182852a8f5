"""What a run's event files hold, in columns: scalar series, the index of clips, damage that was met.

A point costs 24 bytes. The polling thread appends to small pending arrays and `commit` publishes them, so a reader in
another thread sees whole batches and gets views of memory that is never written again.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_Number = TypeVar("_Number", np.int64, np.float64)

Appenders = tuple[Callable[[int], None], Callable[[float], None], Callable[[float], None]]
"""Bound `append` of (steps, wall times, values): looked up once a tag, called once a point."""

PROBLEM_LIMIT = 200
"""Badges kept per file; further ones are counted only."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """A series: three read-only arrays of one length. NaN and infinities are kept."""

    steps: Integers
    wall_times: Floats
    """Unix seconds."""
    values: Floats

    def __len__(self) -> int:
        return len(self.steps)

    def select(self, keep: npt.NDArray[np.bool_] | Integers) -> Points:
        """Give the points at a mask or at indices."""
        return _frozen(self.steps[keep], self.wall_times[keep], self.values[keep])


@dataclass(frozen=True, slots=True)
class AudioEntry:
    """Where one clip lies; `workbench.tail.reader.read_audio` fetches its bytes."""

    tag: str
    """In Piper's runs this is the sentence that was spoken."""
    step: int
    """As written: Lightning counts optimizer steps here, batches for scalars (see `workbench.tail.axes`)."""
    wall_time: float
    """Unix seconds."""
    sample_rate: float
    """Hz."""
    channels: int
    frames: int
    """Samples per channel."""
    content_type: str
    path: Path
    offset: int
    """Bytes from the start of the file."""
    length: int
    """Bytes."""

    @property
    def seconds(self) -> float:
        """Duration; 0.0 when the writer gave no sample rate."""
        return self.frames / self.sample_rate if self.sample_rate > 0 else 0.0


@dataclass(frozen=True, slots=True)
class BadRecord:
    """Damage in an event file; `str(record)` is the badge."""

    path: Path
    offset: int
    """Bytes from the start of the file."""
    reason: str
    resumed_at: int | None = None
    """Offset of the next good record; None while none was found."""

    def __str__(self) -> str:
        after = "" if self.resumed_at is None else f", reading went on at {self.resumed_at}"
        return f"{self.path.name}: bad record @ {self.offset}: {self.reason}{after}"


def _frozen(steps: Integers, wall_times: Floats, values: Floats) -> Points:
    for column in (steps, wall_times, values):
        column.flags.writeable = False
    return Points(steps, wall_times, values)


NO_POINTS = _frozen(np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.float64))


def join(parts: list[Points]) -> Points:
    """Put series one behind the other; one part alone is given back without a copy."""
    parts = [part for part in parts if len(part)]
    if len(parts) < 2:
        return parts[0] if parts else NO_POINTS
    return _frozen(
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.wall_times for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


class TagColumns:
    """The growing columns of one tag in one stretch of a file."""

    __slots__ = ("_pending", "_size", "_steps", "_values", "_wall_times", "appenders", "points")

    def __init__(self) -> None:
        self._steps: Integers = np.empty(0, np.int64)
        self._wall_times: Floats = np.empty(0, np.float64)
        self._values: Floats = np.empty(0, np.float64)
        self._size = 0
        self._pending: tuple[array[int], array[float], array[float]] = (array("q"), array("d"), array("d"))
        steps, wall_times, values = self._pending
        self.appenders: Appenders = (steps.append, wall_times.append, values.append)
        self.points = NO_POINTS
        """All committed points, in the order of the file."""

    def commit(self) -> bool:
        """Publish what was appended; False when nothing was."""
        count = len(self._pending[0])
        if not count:
            return False
        end = self._size + count
        if end > len(self._steps):
            # Doubling, so that a million appends copy about two million points. Old views keep the old memory.
            room = max(64, end, 2 * len(self._steps))
            self._steps = _grown(self._steps, self._size, room)
            self._wall_times = _grown(self._wall_times, self._size, room)
            self._values = _grown(self._values, self._size, room)
        steps, wall_times, values = self._pending
        self._steps[self._size : end] = np.frombuffer(steps, np.int64)
        self._wall_times[self._size : end] = np.frombuffer(wall_times, np.float64)
        self._values[self._size : end] = np.frombuffer(values, np.float64)
        for pending in self._pending:
            del pending[:]
        self._size = end
        self._publish()
        return True

    def put_in_front(self, earlier: Points) -> None:
        """Insert committed points before ours: the start of a file whose end was read first."""
        together = join([earlier, self.points])
        self._steps, self._wall_times, self._values = together.steps, together.wall_times, together.values
        self._size = len(together)
        self.points = together

    def _publish(self) -> None:
        end = self._size
        self.points = _frozen(self._steps[:end], self._wall_times[:end], self._values[:end])


def _grown(column: npt.NDArray[_Number], size: int, room: int) -> npt.NDArray[_Number]:
    larger = np.empty(room, column.dtype)
    larger[:size] = column[:size]
    return larger


class EventStore:
    """Everything read from one stretch of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: dict[str, TagColumns] = {}
        self.layouts: dict[bytes, Appenders] = {}
        """Bytes between step and value of a torch scalar event -> where its numbers go."""
        self.plugins: dict[str, str] = {}
        """Plugin name by tag, as the writer gave it in the first event of the tag."""
        self.audio: list[AudioEntry] = []
        self.problems: list[BadRecord] = []
        self.problem_count = 0
        self.last_wall_time: float | None = None

    def column(self, tag: str) -> TagColumns:
        """Give the columns of a tag, new ones if need be."""
        columns = self.columns.get(tag)
        if columns is None:
            columns = self.columns[tag] = TagColumns()
        return columns

    def saw(self, wall_time: float) -> None:
        """Note the time of an event; a damaged clock (NaN) is ignored."""
        if wall_time == wall_time and wall_time > (self.last_wall_time or 0.0):
            self.last_wall_time = wall_time

    def add_problem(self, offset: int, reason: str, resumed_at: int | None = None) -> None:
        """Note damage."""
        self.problem_count += 1
        if len(self.problems) < PROBLEM_LIMIT:
            self.problems.append(BadRecord(self.path, offset, reason, resumed_at))

    def forget_from(self, offset: int) -> None:
        """Drop clips and problems found at or behind an offset: they came out of a record that proved to be damaged."""
        self.audio = [clip for clip in self.audio if clip.offset < offset]
        kept = [problem for problem in self.problems if problem.offset < offset]
        self.problem_count -= len(self.problems) - len(kept)
        self.problems = kept

    def commit(self) -> set[str]:
        """Publish all pending points and name the tags that grew."""
        return {tag for tag, columns in self.columns.items() if columns.commit()}

    def put_in_front(self, earlier: EventStore) -> None:
        """Take over what an earlier stretch of the same file holds."""
        for tag, columns in earlier.columns.items():
            self.column(tag).put_in_front(columns.points)
        self.audio = earlier.audio + self.audio
        self.problems = (earlier.problems + self.problems)[:PROBLEM_LIMIT]
        self.problem_count += earlier.problem_count
        self.plugins = earlier.plugins | self.plugins
        self.saw(earlier.last_wall_time or 0.0)
