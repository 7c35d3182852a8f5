"""The last words of an event file: the newest value of each tag, without reading what lies before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.tail.reader import RecordReader
from workbench.tail.series import EventStore

REACH = 128 * 1024
"""Bytes read at first: two thousand scalars. A validation ends with some, behind its clips."""
FARTHEST = 4 * 1024 * 1024
"""Bytes read when there was no scalar in them: a run that was killed among its clips."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What stands at the end of an event file."""

    wall_time: float
    """Unix seconds of the last event."""
    values: Mapping[str, tuple[int, float]]
    """Step and value of the newest point of each scalar tag that is among the last events."""


def read_ending(path: Path) -> Ending | None:
    """Read the end of an event file, in a few milliseconds whatever its length.

    Returns:
        None if there is no event in it or it can't be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        size = os.fstat(descriptor).st_size
        store = _read_from(descriptor, path, size, max(0, size - REACH))
        if not store.columns and size > REACH:
            store = _read_from(descriptor, path, size, max(0, size - FARTHEST))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    if store.last_wall_time is None:
        return None
    points = {tag: columns.points for tag, columns in store.columns.items() if len(columns.points)}
    return Ending(
        store.last_wall_time, {tag: (int(part.steps[-1]), float(part.values[-1])) for tag, part in points.items()}
    )


def _read_from(descriptor: int, path: Path, size: int, start: int) -> EventStore:
    store = EventStore(path)
    reader = RecordReader(store, start, find_start=start > 0)
    # A chunk has a megabyte; the search for the first record goes in smaller steps, and damage restarts it.
    for _ in range(1000):
        if not reader.read(descriptor, size):
            break
    store.commit()
    return store
