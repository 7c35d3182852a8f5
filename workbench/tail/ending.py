"""The last words of an event file: the newest value of each tag, without reading what lies before."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.tail.reader import RecordReader
from workbench.tail.series import EventStore, Points

REACH = 128 * 1024
"""Bytes read at first: two thousand scalars. A validation ends with some, behind its clips."""
FARTHEST = 4 * 1024 * 1024
"""Bytes read when there was no scalar in them: a run that was killed among its clips."""
_FEWEST_POINTS = 5
"""For a speed; two points may lie on both sides of a pause."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What stands at the end of an event file."""

    wall_time: float
    """Unix seconds of the last event."""
    values: Mapping[str, tuple[int, float]]
    """Step and value of the newest point of each scalar tag that is among the last events."""
    batches_per_second: float | None = None
    """Between the first and the last of these events, with all that was done in between; None of too few."""
    epochs_per_second: float | None = None
    """Of the median epoch among them; None where there is no whole one, or nothing says which it is."""


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
    longest = max(points.values(), key=len, default=None)
    epochs = points.get("epoch")
    return Ending(
        store.last_wall_time,
        {tag: (int(part.steps[-1]), float(part.values[-1])) for tag, part in points.items()},
        None if longest is None else _batches_per_second(longest),
        None if epochs is None else _epochs_per_second(epochs),
    )


def _batches_per_second(points: Points) -> float | None:
    if len(points) < _FEWEST_POINTS:
        return None
    seconds, batches = float(points.wall_times[-1] - points.wall_times[0]), int(points.steps[-1] - points.steps[0])
    return batches / seconds if seconds > 0 and batches > 0 else None


def _epochs_per_second(epochs: Points) -> float | None:
    """Of the median epoch, from where one begins to where the next does, so that a pause counts for nothing."""
    begun = np.flatnonzero(np.diff(epochs.values) > 0) + 1
    if len(begun) < 2:
        return None
    lengths = np.diff(epochs.wall_times[begun]) / np.diff(epochs.values[begun])
    seconds = float(np.median(lengths))
    return 1 / seconds if math.isfinite(seconds) and seconds > 0 else None


def _read_from(descriptor: int, path: Path, size: int, start: int) -> EventStore:
    store = EventStore(path)
    reader = RecordReader(store, start, find_start=start > 0)
    # A chunk has a megabyte; the search for the first record goes in smaller steps, and damage restarts it.
    for _ in range(1000):
        if not reader.read(descriptor, size):
            break
    store.commit()
    return store
