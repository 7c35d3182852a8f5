"""One event file over time: it grows, is replaced, vanishes; a long one is read from its end first."""

from __future__ import annotations

import math
import os
import struct
from enum import Enum
from itertools import count
from pathlib import Path

from workbench.tail.reader import HEADER_BYTES, RecordReader
from workbench.tail.series import AudioEntry, BadRecord, EventStore, Points, join

TAIL_FIRST = 4 * 1024 * 1024
"""Bytes. Of a longer newest file this much is read first: the last 80 000 scalars, or four validations with clips."""

_IDENTITY_BYTES = 64
"""The first record holds the time the file was made, so equal first bytes mean the same file."""

_serials = count()


class State(Enum):
    """What became of a file since the last look."""

    SAME = "same"
    GROWN = "grown"
    REPLACED = "replaced"
    GONE = "gone"


class EventFile:
    """Tails one event file.

    Raises:
        OSError: if the file is gone before the first look.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.serial = next(_serials)
        """Differs between two files that had the same name."""
        self.size = 0
        """Bytes, at the last look."""
        status = path.stat()
        self._inode = status.st_ino
        self._signature: tuple[int, int] | None = None
        self._identity = b""
        self.started = status.st_mtime
        """Unix seconds: wall time of the first event, the modification time until there is one."""
        self.error = ""
        """Why the file can't be read at the moment."""
        self._store = EventStore(path)
        self._follower = RecordReader(self._store)
        self._follower_has_work = False
        self._front: RecordReader | None = None
        """Reads what lies before the place where the follower began."""
        self._front_ended = False
        self._untouched = True
        self.refresh()

    # ------------------------------------------------------------------------------------------------- what is there

    def refresh(self) -> State:
        """Look at the file again; one `stat` when nothing happened."""
        try:
            status = self.path.stat()
        except OSError:
            return State.GONE
        signature = (status.st_size, status.st_mtime_ns)
        if signature == self._signature and status.st_ino == self._inode:
            return State.SAME
        if status.st_ino != self._inode or status.st_size < self.size or not self._is_same_file():
            return State.REPLACED
        self._signature = None if self.error else signature
        self.size = status.st_size
        self._follower_has_work = not self.error
        return State.GROWN

    def _is_same_file(self) -> bool:
        """Compare the first bytes with those seen before; a file may be rewritten in place."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            self.error = f"can't be read: {error.strerror}"
            return True
        try:
            identity = os.pread(descriptor, _IDENTITY_BYTES, 0)
        except OSError as error:
            self.error = f"can't be read: {error.strerror}"
            return True
        finally:
            os.close(descriptor)
        self.error = ""
        same = identity[: len(self._identity)] == self._identity
        if same and len(identity) > len(self._identity):
            self._identity = identity
            # Field 1 of an event, its wall time, comes first whenever it isn't zero.
            if len(identity) >= HEADER_BYTES + 9 and identity[HEADER_BYTES] == 0x09:
                (wall_time,) = struct.unpack_from("<d", identity, HEADER_BYTES + 1)
                self.started = wall_time if math.isfinite(wall_time) else self.started
        return same

    # ------------------------------------------------------------------------------------------------------- reading

    @property
    def has_work(self) -> bool:
        """True if `read_chunk` would get further."""
        return not self.error and (self._follower_has_work or self._front is not None)

    @property
    def lag_bytes(self) -> int:
        """Bytes not read yet; a half-written record counts."""
        behind = self.size - self._follower.offset
        if self._front is not None and self._front.stop is not None:
            behind += self._front.stop - self._front.offset
        elif self._follower.searching and self._follower.entry is None:
            behind = self.size
        return max(0, behind)

    def read_from_the_end_if_long(self) -> None:
        """Begin near the end; only before anything was read."""
        if self._untouched and self.size > 2 * TAIL_FIRST:
            self._follower = RecordReader(self._store, self.size - TAIL_FIRST, find_start=True)

    def read_chunk(self) -> int:
        """Read about a megabyte: at the end of the file as long as something is new there, else in front of it.

        Returns:
            Bytes got through.
        """
        self._untouched = False
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            self.error, self._signature = f"can't be read: {error.strerror}", None
            return 0
        reader = self._follower if self._follower_has_work or self._front is None else self._front
        before = reader.offset
        try:
            if os.fstat(descriptor).st_ino != self._inode:
                # Replaced between the look and now; the next look will tell.
                self._signature, self._follower_has_work, self._front = None, False, None
                return 0
            more = reader.read(descriptor, self.size)
        except OSError as error:
            self.error, self._signature = f"can't be read: {error.strerror}", None
            return 0
        finally:
            os.close(descriptor)
        if reader is self._follower:
            self._follower_has_work = more
        elif not more:
            self._front_ended = True
        return max(0, reader.offset - before)

    def commit(self) -> set[str]:
        """Publish what was read and name the tags that changed. Call it under the lock the readers of points use."""
        changed = self._store.commit()
        follower = self._follower
        if self._front is None:
            if follower.entry is None and not self._follower_has_work:
                # No record starts in the last megabytes (one huge record): read from the beginning after all.
                self._follower, self._follower_has_work = RecordReader(self._store), True
            elif follower.entry:
                self._front = RecordReader(EventStore(self.path), stop=follower.entry)
                follower.entry = 0
            return changed
        front = self._front
        changed |= front.store.commit()
        if self._front_ended and front.offset == front.stop:
            self._store.put_in_front(front.store)
            self._front = None
        elif self._front_ended:
            # A record reaches over the place where the follower began: what looked like the start of a record there
            # was data. Points read from there on are dropped, the front goes on.
            changed |= set(self._store.columns)
            front.stop = None
            self._follower, self._store, self._front, self._follower_has_work = front, front.store, None, True
        return changed

    # ----------------------------------------------------------------------------------------------------- questions

    def _stores(self) -> list[EventStore]:
        return [self._store] if self._front is None else [self._front.store, self._store]

    def tags(self) -> list[str]:
        """Tags with at least one point."""
        return [tag for store in self._stores() for tag, columns in list(store.columns.items()) if len(columns.points)]

    def points(self, tag: str) -> Points:
        """Points of a tag in the order they were written."""
        return join([store.columns[tag].points for store in self._stores() if tag in store.columns])

    def audio(self) -> list[AudioEntry]:
        """Clips in the order they were written."""
        return [clip for store in self._stores() for clip in store.audio]

    def problems(self) -> list[BadRecord]:
        """Damage met so far."""
        found = [problem for store in self._stores() for problem in store.problems]
        if self._follower.tail_problem:
            found.append(BadRecord(self.path, self._follower.offset, self._follower.tail_problem))
        if self.error:
            found.append(BadRecord(self.path, 0, self.error))
        return found

    @property
    def problem_count(self) -> int:
        """Number of problems, also of those too many to keep."""
        waiting = bool(self._follower.tail_problem) + bool(self.error)
        return sum(store.problem_count for store in self._stores()) + waiting

    @property
    def last_wall_time(self) -> float | None:
        """Unix seconds of the last event, None before the first."""
        times = [store.last_wall_time for store in self._stores() if store.last_wall_time is not None]
        return max(times, default=None)
