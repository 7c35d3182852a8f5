"""The machine in numbers: GPUs, driver, memory, disk, container. Asked, never guessed."""

from __future__ import annotations

import os
import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from workbench.host.machine import ask

_QUERY = ("index", "name", "memory.total", "memory.used", "driver_version")
_CUDA = re.compile(r"CUDA Version:\s*(\d+\.\d+)")
_CONTAINERS = (Path("/.dockerenv"), Path("/run/.containerenv"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One card."""

    name: str
    bytes: int
    used: int
    driver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What this machine has."""

    host: str
    cores: int
    memory: int | None
    """Bytes."""
    gpus: tuple[Gpu, ...]
    gpu_problem: str
    """What nvidia-smi said instead; `missing` when there is none."""
    driver_cuda: str
    """Newest CUDA that the driver runs; empty when not told."""
    container: str
    """The file that says that this is one; empty when none does."""
    shared_memory: int | None
    """Bytes of /dev/shm, through which processes pass batches."""


def read_machine() -> Machine:
    """Ask the machine; a few tens of milliseconds, ten seconds at most."""
    gpus, problem, cuda = _gpus()
    return Machine(
        host=socket.gethostname(), cores=len(os.sched_getaffinity(0)), memory=_memory(), gpus=gpus,
        gpu_problem=problem, driver_cuda=cuda,
        container=next((str(path) for path in _CONTAINERS if path.exists()), ""),
        shared_memory=_size(Path("/dev/shm")),
    )  # fmt: skip


def free_bytes(folder: Path) -> tuple[int, Path] | None:
    """Free space where a folder is or will be, and the folder that was asked; None when it can't be."""
    place = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    try:
        return shutil.disk_usage(place).free, place
    except OSError:
        return None


def _gpus() -> tuple[tuple[Gpu, ...], str, str]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return (), "missing", ""
    code, out = ask([tool, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"])
    found = []
    for line in out.splitlines() if code == 0 else ():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(_QUERY) and cells[2].isdigit() and cells[3].isdigit():
            found.append(Gpu(name=cells[1], bytes=int(cells[2]) << 20, used=int(cells[3]) << 20, driver=cells[4]))
    if not found:
        return (), " ".join(out.split())[:200] or f"exit code {code}", ""
    _, table = ask([tool])
    cuda = _CUDA.search(table)
    return tuple(found), "", cuda[1] if cuda else ""


def _memory() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    match = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _size(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).total
    except OSError:
        return None
