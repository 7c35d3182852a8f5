"""Steps as CUDA graphs: what a step launches is recorded once for each shape of a batch, and then started as a whole.

A GPU that is fast enough waits for the thousands of kernels of a step to be launched one by one. Nothing of a step
depends on what the host reads, and batches come in few shapes (`core_vits.batching.padded_size`), so the way from a
batch to its gradients can be recorded. A shape is trained as usual when it is seen first, which also readies what can't
be readied while recording, and recorded when it is seen again.

A recorded step reads its batch from, and leaves its gradients in, memory of fixed places. All recordings share the
memory between these: only one runs at a time. Optimizers and the exchange of gradients are not recorded.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from core_vits.dataset import Batch
from core_vits.losses import ALONE, Losses, Shares
from core_vits.memory import is_out_of_memory

logger = logging.getLogger(__name__)

MOST_RECORDINGS = 256
"""Shapes that are recorded; others are trained as usual. A dataset of 8,400 clips has 170."""

Compute = Callable[[Batch, Shares], Losses]
"""Adds the gradients of a batch to those that are there."""
Shape = tuple[tuple[str, torch.Size], ...]


class Recorder(Protocol):
    """Records what is launched, to be launched again."""

    def record(self, action: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """Record an action, which is not carried out by that; returns what carries it out, and where its result is."""


class CudaRecorder:
    """CUDA graphs that share their memory."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def record(self, action: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """See `Recorder`."""
        graph = torch.cuda.CUDAGraph()
        current = torch.cuda.current_stream()
        torch.cuda.synchronize()
        self._stream.wait_stream(current)
        collects = gc.isenabled()
        gc.disable()  # what it would free may belong to another stream, of which nothing can be asked meanwhile
        try:
            with torch.cuda.stream(self._stream):
                # Other threads, that which pins batches for one, go on as they like.
                graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
                try:
                    result = action()
                except BaseException:
                    with suppress(RuntimeError):  # it says that something failed, and this says what
                        graph.capture_end()
                    raise
                graph.capture_end()
        except BaseException:
            _forget_recording()
            raise
        finally:
            if collects:
                gc.enable()
            current.wait_stream(self._stream)
        return graph.replay, result


def _forget_recording() -> None:
    """A recording that fails leaves its generator of random numbers believing that it goes on; take an equal one."""
    generator = torch.cuda.default_generators[torch.cuda.current_device()]
    generator.graphsafe_set_state(generator.clone_state())


def step_graphs(
    parameters: Iterable[nn.Parameter],
    device: torch.device,
    precision: str,
    tell: Callable[[str], None] = logger.warning,
) -> StepGraphs | None:
    """For steps on this device; None where they can't be recorded.

    That is a CPU, and 16-mixed: the number that losses are multiplied with there changes, and is read by the host.
    """
    if device.type != "cuda" or precision == "16-mixed":
        return None
    return StepGraphs(parameters, CudaRecorder(), tell)


@dataclass(frozen=True, kw_only=True)
class _Recording:
    """A recorded shape."""

    batch: Batch
    """Where it reads."""
    start: Callable[[], None]
    names: tuple[str, ...]
    losses_N: Tensor
    """Where it leaves the losses."""


class StepGraphs:
    """Computes the gradients of batches, recorded where a shape is known."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], recorder: Recorder, tell: Callable[[str], None] = logger.warning
    ) -> None:
        """Nothing is recorded yet.

        Args:
            parameters: of which gradients are computed.
            recorder: records.
            tell: told in one line when recording is given up.
        """
        self._parameters = list(parameters)
        self._recorder: Recorder | None = recorder
        self._tell = tell
        self._recordings: dict[Shape, _Recording | None] = {}
        """None: seen, not recorded."""
        self._have_gradients: set[nn.Parameter] = set()
        """Parameters that the losses depend on: the optimizer must not see a gradient of the others."""
        self._gradients: dict[nn.Parameter, Tensor] = {}
        self._places: dict[str, Tensor] = {}
        self._shares: Tensor | None = None
        self._shares_there: Shares | None = None

    @property
    def recorded(self) -> int:
        """Shapes that are recorded."""
        return sum(recording is not None for recording in self._recordings.values())

    def gradients(self, batch: Batch, shares: Shares, compute: Compute) -> Losses:
        """The losses of a batch times its shares; its gradients are in the place of whatever was there.

        Args:
            batch: on the device.
            shares: of it in the whole batch of all processes.
            compute: what is recorded. It must wait for nothing, and do the same for each batch of a shape.
        """
        shape = tuple((name, value.shape) for name, value in _tensors(batch).items())
        if self._recorder is None:
            return self._afresh(batch, shares, compute)
        if shape not in self._recordings:
            self._recordings[shape] = None
            try:
                return self._afresh(batch, shares, compute)
            except Exception as error:
                if not is_out_of_memory(error) or not self.recorded:
                    raise
            # Here nothing holds what the error held.
            self._give_up("recorded steps and others do not fit into the memory together")
            return self._afresh(batch, shares, compute)
        recording = self._recordings[shape]
        if recording is None and self.recorded < MOST_RECORDINGS:
            recording = self._recordings[shape] = self._record(self._recorder, batch, compute)
        if recording is None:
            return self._afresh(batch, shares, compute)
        return self._start(recording, batch, shares)

    def _afresh(self, batch: Batch, shares: Shares, compute: Compute) -> Losses:
        for parameter in self._parameters:
            parameter.grad = None
        losses = compute(batch, shares)
        self._have_gradients.update(parameter for parameter in self._parameters if parameter.grad is not None)
        return losses

    def _record(self, recorder: Recorder, batch: Batch, compute: Compute) -> _Recording | None:
        """Record the shape of this batch; None when that is impossible, which is told, and not tried again."""
        names: list[str] = []
        try:
            place, shares = self._place(batch), self._ready()

            def action() -> Tensor:
                torch._foreach_zero_(list(self._gradients.values()))
                losses = compute(place, shares)
                names[:] = losses
                return torch.stack([value.detach().float() for value in losses.values()])

            start, losses_N = recorder.record(action)
        except Exception as error:  # noqa: BLE001  # of CUDA, cuDNN or an operator that can't be recorded: all raise their own
            self._give_up(f"steps can't be recorded here ({' '.join(str(error).split())[:200]})")
            return None
        return _Recording(batch=place, start=start, names=tuple(names), losses_N=losses_N)

    def _ready(self) -> Shares:
        """Take the memory that all recordings use beside their batch; returns the shares that they read."""
        for parameter in self._have_gradients - self._gradients.keys():
            self._gradients[parameter] = torch.zeros_like(parameter)
        self._use_gradients()
        if self._shares is None:
            self._shares = torch.ones(3, device=self._parameters[0].device)
            self._shares_there = ALONE
        utterances, frames, phonemes = self._shares.unbind()
        return Shares(utterances=utterances, frames=frames, phonemes=phonemes)

    def _start(self, recording: _Recording, batch: Batch, shares: Shares) -> Losses:
        there = _tensors(recording.batch)
        for name, value in _tensors(batch).items():
            there[name].copy_(value, non_blocking=True)
        if self._shares is not None and shares != self._shares_there:
            numbers = torch.tensor([float(shares.utterances), float(shares.frames), float(shares.phonemes)])
            self._shares.copy_(numbers.pin_memory() if self._shares.is_cuda else numbers, non_blocking=True)
            self._shares_there = shares
        self._use_gradients()
        recording.start()
        # A copy: the next recording writes where this one did.
        return dict(zip(recording.names, recording.losses_N.clone().unbind(), strict=True))

    def _use_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = self._gradients.get(parameter)

    def _place(self, batch: Batch) -> Batch:
        """A batch of the same shape, in memory that all recordings share."""
        tensors: dict[str, Any] = {}
        for name, value in _tensors(batch).items():
            held = self._places.get(name)
            if held is None or held.numel() < value.numel():
                held = self._places[name] = torch.empty(value.numel(), dtype=value.dtype, device=value.device)
            tensors[name] = held[: value.numel()].view(value.shape)
            tensors[name].copy_(value, non_blocking=True)
        return replace(batch, **tensors)

    def _give_up(self, why: str) -> None:
        """Record nothing any more, and let go what was recorded."""
        self._recorder = None
        self._recordings.clear()
        for parameter in self._parameters:
            parameter.grad = None
        self._gradients.clear()
        self._places.clear()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
        self._tell(f"{why}; training goes on without, more slowly")


def _tensors(batch: Batch) -> Mapping[str, Tensor]:
    return {item.name: value for item in fields(batch) if isinstance(value := getattr(batch, item.name), Tensor)}
