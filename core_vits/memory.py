"""How much memory a step needs, and how much there is."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

_ALLOCATION_FAILED = ("DefaultCPUAllocator", "ALLOC_FAILED")
"""In messages of errors that have no class of their own: of torch on a CPU, of cuDNN and cuBLAS."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was no memory left for a tensor."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(part in str(error) for part in _ALLOCATION_FAILED)


def give_back(device: torch.device) -> None:
    """Free what nobody holds any more, after something failed: an error's traceback may be part of a cycle."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def available_bytes(device: torch.device) -> int:
    """What this process could have on the device, what it has already included."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + int(torch.cuda.memory_reserved(device))
    return free_bytes()


def free_bytes() -> int:
    """Bytes of the machine that can be had without swapping; no limit where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return sys.maxsize


@contextmanager
def kept_for_backward(parameters: Collection[Tensor]) -> Iterator[Callable[[], int]]:
    """Counts the bytes that are kept for the backward pass of what is computed meanwhile.

    Args:
        parameters: of the models; they are there anyway.
    """
    known = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield lambda: sum(kept.values())
