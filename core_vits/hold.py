"""A checkpoint that somebody is busy with is not taken away.

An export takes half a minute, and a training that keeps its newest checkpoints only may want to remove the file in the
meantime. Whoever works with a file holds a shared lock on it, which the kernel drops however its holder ends; whoever
removes files asks for it first. Standard library only: the process that holds is the one with the user in front.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep a file from being removed; one that is not there, or can't be locked, is not held."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # whoever reads it says why better
        yield
        return
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def remove_unless_held(path: Path) -> bool:
    """Remove a file that nobody holds; whether it was removed.

    Raises:
        OSError: it can't be removed.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # a file system without locks
        path.unlink()
        return True
    finally:
        os.close(handle)
