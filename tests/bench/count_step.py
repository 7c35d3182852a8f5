"""Counts and times one training step; used by both sides of bench_step_peer.py, so it imports nothing but torch."""

import statistics
import time

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "index", "index_put_", "_unique2")
"""Operators that make the host wait for a device; `index` and `index_put_` do when the index is a mask."""
FREE = ("view", "_unsafe_view", "t", "transpose", "permute", "expand", "squeeze", "unsqueeze", "slice", "select",
        "split", "alias", "detach", "as_strided", "unbind", "_reshape_alias", "split_with_sizes", "unfold", "diagonal",
        "lift_fresh", "empty", "empty_like", "empty_strided", "new_empty", "view_as_real", "is_same_size")  # fmt: skip
"""Operators that launch nothing: they only look at memory in another way."""


class Launches(TorchDispatchMode):
    """Counts operators that would launch a kernel on a GPU, those that would wait for it, and arithmetic."""

    def __init__(self):
        super().__init__()
        self.launches = 0
        self.waits = 0
        self.flops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name not in FREE:
            self.launches += 1
        if name in WAITS and (name not in ("index", "index_put_") or self._masked(args[1])):
            self.waits += 1
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket in flop_registry:
            self.flops += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out

    @staticmethod
    def _masked(indices):
        return any(index is not None and index.dtype.is_floating_point is False and index.dtype.itemsize == 1
                   for index in indices)  # fmt: skip


def measure(step, clips, steps):
    """Seconds and counts of `step`, a function without arguments."""
    step()  # memory, kernels, optimizer state
    counted = Launches()
    with counted:
        step()
    wall, cpu = [], []
    for _ in range(steps):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - begin_cpu)
    return {
        "CPU s/step": statistics.median(cpu),
        "wall s/step": statistics.median(wall),
        "GFLOP/clip": counted.flops / clips / 1e9,
        "launches": counted.launches,
        "waits": counted.waits,
    }


def arguments(parser):
    """The options of both programs."""
    for name in ("clips", "frames", "ids", "steps"):
        parser.add_argument(f"--{name}", type=int, required=True)
    return parser
