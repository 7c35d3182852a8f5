"""What is measured with: a workspace's quality and recordings, or those of the demo voice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from workbench.config import Workspace, load_workspace, propose_workspace
from workbench.errors import DatasetError

DEMO = Path(__file__).resolve().parent.parent / "demo"


def subject(workspace: str | None) -> Workspace:
    """The workspace, or one of the demo voice.

    Raises:
        ConfigError: it can't be read.
        DatasetError: there is no demo voice.
    """
    return load_workspace(Path(workspace)) if workspace is not None else _demo()


def with_recordings(workspace: Workspace) -> Workspace:
    """The workspace if its dataset is there, else its settings with the recordings of the demo voice.

    Raises:
        DatasetError: there is no demo voice.
    """
    if workspace.metadata.is_file() and workspace.audio_folder.is_dir():
        return workspace
    demo = _demo()
    return replace(demo, audio=workspace.audio)


def _demo() -> Workspace:
    """
    Raises:
        DatasetError: it is not installed.
    """
    proposed, reason = propose_workspace(DEMO)
    if proposed is None:
        raise DatasetError(f"the demo voice can't be used: {reason}")
    # As if it lay in the current folder: nothing is written beside the demo's recordings.
    here = {name: str(Path.cwd() / name) for name in ("runs", "cache", "voices")}
    voice, paths = replace(proposed.voice, quality="tiny"), replace(proposed.paths, **here)
    return replace(proposed, voice=voice, paths=paths)


@contextmanager
def scratch(place: Path) -> Iterator[Path]:
    """A folder that is removed afterwards, on the disk of `place`, which need not be there yet.

    Where nothing may be written, it is in the system's folder for temporary files.
    """
    there = next(folder for folder in (place, *place.parents) if folder.is_dir())
    with TemporaryDirectory(prefix=".bench-", dir=there if os.access(there, os.W_OK) else None) as folder:
        yield Path(folder)


def seconds_each(action: Callable[[], object], seconds: float, *, least: int = 3) -> float:
    """The median time of an action that is repeated for about so many seconds, in seconds; the first does not count."""
    action()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return median(times)
