"""Whether a file is still the one that was read.

It counts as the same while size, both times and inode are. Copying tools can set mtime, but nobody can set ctime: a
file that was replaced with the old size and date still has another one. Times are coarse, though: a file that is
written twice within one tick of the file system's clock keeps its time. So, as Git does with its index, what was read
of a file is only remembered when the file had been left alone for a while.

What is not noticed: a change below the file system (decaying disks, a disk image that is written to), or on a server
whose clock and ours differ by more than that while and which is written to within one tick of its clock.
"""

from __future__ import annotations

import os
from typing import TypeAlias

SETTLED_NS = 2_500_000_000
"""How long a file must have been left alone; FAT counts in steps of two seconds."""

Stamp: TypeAlias = tuple[int, int, int, int]
"""Size in bytes, mtime and ctime in ns, inode."""


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def is_settled(stamp: Stamp, now: int) -> bool:
    """Whether a file had been left alone long enough for its stamp to tell it from a later one.

    Args:
        stamp: of the file.
        now: when its reading began, ns since 1970.
    """
    _, written, changed, _ = stamp
    # An mtime in the future (a recorder's wrong clock) says nothing.
    last = max(changed, written) if written <= now + SETTLED_NS else changed
    return now - last >= SETTLED_NS
