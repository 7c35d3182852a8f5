"""How fast a training went, by the times in its event files; and which files there are."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_EVENTS = re.compile(r"events\.out\.tfevents\.(?:\d+)\.(?P<host>.+?)\.\d+(?:\.\d+)*$")
_MOST_FILES = 500
_DEEPEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """One TensorBoard file, by its end."""

    path: Path
    bytes: int
    host: str
    """Machine that wrote it, by its name; may be empty."""
    last: float
    """Unix seconds of the last event; 0 when no event can be read."""
    tags: tuple[str, ...] = ()
    """Of the last events."""
    batches_per_second: float | None = None
    """Over the last events, validation and saving included."""
    epochs_per_second: float | None = None


def find_event_files(folders: Iterable[Path]) -> list[Path]:
    """Event files in the folders and three levels below; pipes and devices are none."""
    found: dict[Path, None] = {}
    waiting = [(folder, 0) for folder in folders]
    while waiting and len(found) < _MOST_FILES:
        folder, depth = waiting.pop(0)
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if entry.is_dir(follow_symlinks=False) and depth < _DEEPEST:
                        waiting.append((Path(entry.path), depth + 1))
                    elif "tfevents" in entry.name and stat.S_ISREG(entry.stat().st_mode):
                        found[Path(entry.path)] = None
        except (OSError, ValueError):
            continue
    return list(found)


def read_event_file(path: Path) -> EventFile | None:
    """Read the end of an event file; None when it is gone."""
    from workbench.tail.ending import read_ending  # numpy, a fifth of a second that a project without runs saves

    try:
        size = path.stat().st_size
    except OSError:
        return None
    match = _EVENTS.search(path.name)
    host = match["host"] if match else ""
    ending = read_ending(path) if size else None
    if ending is None:
        return EventFile(path=path, bytes=size, host=host, last=0.0)
    return EventFile(
        path=path, bytes=size, host=host, last=ending.wall_time, tags=tuple(sorted(ending.values)),
        batches_per_second=ending.batches_per_second, epochs_per_second=ending.epochs_per_second,
    )  # fmt: skip
