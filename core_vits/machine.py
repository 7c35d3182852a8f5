"""Memory and cores that this process may use: of the machine, or less where a container or a job has a limit.

The limits are those of Linux's control groups, version 1 and 2: of the group that the process is in and of all above
it, as far as they are visible. What is not told limits nothing. Standard library only.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_UNLIMITED = 1 << 60
"""From here on version 1 means that there is no limit."""
_CPUS_OF_V1 = ("cpu.cfs_quota_us", "cpu.cfs_period_us")


@dataclass(frozen=True, slots=True)
class Limit:
    """Something that there is, and what says so."""

    amount: int
    """Bytes, or cores."""
    source: str
    """A file, or the system's call."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A control group that this process is in."""

    folder: Path
    version: int

    def number(self, name: str) -> int | None:
        """What a file of it says; None for `max`, and where it can't be read."""
        text = _read(self.folder / name).strip()
        return int(text) if text.lstrip("-").isdecimal() else None

    @property
    def memory(self) -> Limit | None:
        """The most bytes that its processes may have."""
        name = "memory.max" if self.version == 2 else "memory.limit_in_bytes"
        most = self.number(name)
        return Limit(most, str(self.folder / name)) if most is not None and 0 <= most < _UNLIMITED else None

    @property
    def used(self) -> int:
        """Bytes that its processes have and that can't be taken from them: without what is only cached of files."""
        prefix, name = ("", "memory.current") if self.version == 2 else ("total_", "memory.usage_in_bytes")
        lines = [line.split() for line in _read(self.folder / "memory.stat").splitlines()]
        cached = {f"{prefix}inactive_file", f"{prefix}active_file"}
        counts = [int(line[1]) for line in lines if len(line) == 2 and line[0] in cached and line[1].isdecimal()]
        return max(0, (self.number(name) or 0) - sum(counts))

    @property
    def cores(self) -> Limit | None:
        """Cores whose time its processes may use up; a part of one counts as a whole."""
        if self.version == 2:
            name = "cpu.max"
            quota, _, period = _read(self.folder / name).strip().partition(" ")
            numbers = (int(quota), int(period)) if quota.isdecimal() and period.isdecimal() else (0, 0)
        else:
            name = _CPUS_OF_V1[0]
            numbers = (self.number(name) or 0, self.number(_CPUS_OF_V1[1]) or 0)
        if min(numbers) <= 0:
            return None
        return Limit(math.ceil(numbers[0] / numbers[1]), str(self.folder / name))


def total_memory(root: Path = Path("/")) -> Limit | None:
    """Bytes that this process and those beside it may have; None where the system does not say.

    Args:
        root: in which `proc` and `sys` are.
    """
    there = _of_machine("MemTotal", root)
    limits = [limit for group in _groups("memory", root) if (limit := group.memory) is not None]
    return min([*([there] if there is not None else []), *limits], key=lambda limit: limit.amount, default=None)


def free_bytes(root: Path = Path("/")) -> int:
    """Bytes that can be had without swapping; no limit where the system does not say.

    Args:
        root: see `total_memory`.
    """
    there = _of_machine("MemAvailable", root)
    free = [
        max(0, limit.amount - group.used)
        for group in _groups("memory", root)
        if (limit := group.memory) is not None
    ]  # fmt: skip
    return min([there.amount if there is not None else sys.maxsize, *free])


def usable_cores(root: Path = Path("/")) -> Limit:
    """Cores that this process may use, at least one.

    Args:
        root: see `total_memory`.
    """
    there = Limit(os.cpu_count() or 1, "cpu_count")
    if hasattr(os, "sched_getaffinity"):
        there = Limit(len(os.sched_getaffinity(0)), "sched_getaffinity")
    limits = [limit for group in _groups("cpu", root) if (limit := group.cores) is not None]
    return min([there, *limits], key=lambda limit: limit.amount)


def cores() -> int:
    """Cores that this process may use."""
    return usable_cores().amount


def _of_machine(name: str, root: Path) -> Limit | None:
    for line in _read(root / "proc" / "meminfo").splitlines():
        parts = line.split()
        if len(parts) > 1 and parts[0] == f"{name}:" and parts[1].isdecimal():
            return Limit(int(parts[1]) * 1024, "/proc/meminfo")
    return None


def _groups(controller: str, root: Path) -> Iterator[_Group]:
    """The groups of this process that may limit something, the innermost first, then those that hold it."""
    for line in _read(root / "proc" / "self" / "cgroup").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        version = 2 if number == "0" and not names else 1
        if version == 2 or controller in names.split(","):
            for mount, within in _mounts(controller, version, root):
                yield from (_Group(folder, version) for folder in _upwards(root, mount, within, path))


def _mounts(controller: str, version: int, root: Path) -> Iterator[tuple[str, str]]:
    """Where a hierarchy is mounted, and which group of it is to be seen there.

    A line is `31 23 0:28 ROOT MOUNT OPTIONS … - TYPE SOURCE SUPER_OPTIONS`.
    """
    for line in _read(root / "proc" / "self" / "mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or not kind:
            continue
        of_it = kind[0] == "cgroup2" if version == 2 else kind[0] == "cgroup" and controller in kind[-1].split(",")
        if of_it:
            yield fields[4], fields[3]


def _upwards(root: Path, mount: str, within: str, path: str) -> Iterator[Path]:
    """Folders of a group and of those above it.

    Args:
        root: see `total_memory`.
        mount: where the hierarchy is mounted.
        within: the group that is to be seen there.
        path: of the group that the process is in; in a container it may lie outside of what is to be seen.
    """
    top = root / mount.lstrip("/")
    group, seen = PurePosixPath(path), PurePosixPath(within)
    inner = group.relative_to(seen) if ".." not in group.parts and group.is_relative_to(seen) else PurePosixPath()
    here = top / inner
    yield from (folder for folder in (here, *here.parents) if folder == top or folder.is_relative_to(top))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""
