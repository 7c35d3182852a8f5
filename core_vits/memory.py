"""How much memory a step needs, and how much there is."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from core_vits.machine import free_bytes

_ALLOCATION_FAILED = ("DefaultCPUAllocator", "ALLOC_FAILED", "ALLOCATION_FAILED", "CUDA error: out of memory")
"""In messages of errors that have no class of their own: of torch on a CPU, of cuBLAS, cuFFT, cuDNN and the driver."""

T = TypeVar("T")


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


def with_room(action: Callable[[], T], device: torch.device) -> T:
    """What an action gives. If there was no memory for it, all that nobody holds is freed and it is tried once more.

    Args:
        action: changes nothing before it has all the memory that it needs.
        device: that it computes on.
    """
    try:
        return action()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    # Only here, behind the handler, is all gone that the error held.
    give_back(device)
    return action()


def available_bytes(device: torch.device) -> int:
    """What this process could have on the device; on a GPU with what it has already."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + int(torch.cuda.memory_reserved(device))
    return free_bytes()


def state_bytes(optimizers: Iterable[Optimizer], *, copies: bool) -> int:
    """Bytes that a training holds from its first step on, whatever the batch.

    These are the weights, and for each of them a gradient and both of Adam's moments.

    Args:
        optimizers: of generator and discriminators.
        copies: gradients travel to other processes, in copies.
    """
    return (5 if copies else 4) * sum(int(parameter.nbytes) for parameter, _ in _parameters(optimizers))


def held_bytes(optimizers: Iterable[Optimizer]) -> int:
    """Bytes of these that are there before the first step: weights, and the moments of a run that goes on."""
    return sum((3 if there else 1) * int(parameter.nbytes) for parameter, there in _parameters(optimizers))


def _parameters(optimizers: Iterable[Optimizer]) -> Iterator[tuple[Tensor, bool]]:
    """Each parameter, and whether it has moments."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                yield parameter, parameter in optimizer.state


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
