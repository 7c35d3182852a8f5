"""The machine in numbers: GPUs, driver, memory, disk, container. Asked, never guessed."""

from __future__ import annotations

import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from core_vits.machine import total_memory, usable_cores
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
    """Bytes; of a container or a job, what it may have."""
    gpus: tuple[Gpu, ...]
    gpu_problem: str
    """What nvidia-smi said instead; `missing` when there is none."""
    driver_cuda: str
    """Newest CUDA that the driver runs; empty when not told."""
    container: str
    """The file that says that this is one; empty when none does."""
    shared_memory: int | None
    """Bytes of /dev/shm, through which processes pass batches."""
    cores_by: str = "sched_getaffinity"
    memory_by: str = "/proc/meminfo"
    """Where these were read: a file of a control group where that has a limit."""


def read_machine() -> Machine:
    """Ask the machine; a few tens of milliseconds, ten seconds at most."""
    gpus, problem, cuda = _gpus()
    cores, memory = usable_cores(), total_memory()
    return Machine(
        host=socket.gethostname(), cores=cores.amount, memory=memory.amount if memory is not None else None, gpus=gpus,
        gpu_problem=problem, driver_cuda=cuda, cores_by=cores.source,
        memory_by=memory.source if memory is not None else "/proc/meminfo",
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


def _size(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).total
    except OSError:
        return None
