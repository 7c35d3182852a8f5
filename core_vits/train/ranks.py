"""The processes that train one run together, one a device: what they must agree on, and how their gradients meet.

Two kinds of messages. Gradients go over the fast way (NCCL between GPUs), each byte once a step. Everything else is a
few numbers on the CPU, on a way of its own: reading a number from a GPU would make it finish all that is queued.

A run of one process has nobody to talk to, and everything here is free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed
from lightning.fabric import Fabric
from torch import Tensor, nn

from core_vits.dataset import LoadedBatch
from core_vits.losses import ALONE, Shares
from core_vits.memory import is_out_of_memory
from core_vits.train.errors import PeerLost

PATIENCE = timedelta(minutes=30)
"""How long one process waits for another: the first one speaks samples and saves while the others wait."""
BUCKET_BYTES = 25_000_000
"""Gradients that travel together: large enough for the wire, small enough to leave while others are still computed."""

T = TypeVar("T")


class Ranks:
    """This process among those of its run."""

    def __init__(self, fabric: Fabric) -> None:
        self.index = fabric.global_rank
        """0 is the first one, which alone writes."""
        self.count = fabric.world_size
        self._words = None
        if self.count > 1:
            with _peers():
                self._words = torch.distributed.new_group(backend="gloo", timeout=PATIENCE)

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return bool(self.index == 0)

    def raised(self, *flags: bool) -> tuple[bool, ...]:
        """Which of the flags any process raised: the same answer everywhere, so that all leave at the same step."""
        if self.count == 1:
            return flags
        return tuple(number > 0 for number in self.total(*flags))

    def total(self, *numbers: float) -> list[float]:
        """Sums over all processes."""
        if self.count == 1:
            return [float(number) for number in numbers]
        sums = torch.tensor(numbers, dtype=torch.float64)
        with _peers():
            torch.distributed.all_reduce(sums, group=self._words)
        return [float(number) for number in sums.tolist()]

    def gather(self, value: T) -> list[T]:
        """The plain value of each process, in their order."""
        if self.count == 1:
            return [value]
        found: list[Any] = [None] * self.count
        with _peers():
            torch.distributed.all_gather_object(found, value, group=self._words)
        return found

    def from_first(self, value: T) -> T:
        """The plain value of the first process, everywhere."""
        if self.count == 1:
            return value
        told: list[Any] = [value]
        with _peers():
            torch.distributed.broadcast_object_list(told, src=0, group=self._words)
        first: T = told[0]
        return first

    def first_before_others(self, action: Callable[[], T]) -> T:
        """What an action gives everywhere, when it has a lasting effect that only the first process must have.

        Others do it afterwards and find what the first one left.
        """
        if self.is_first:
            value = action()
            self.raised(False)
            return value
        self.raised(False)
        return action()

    def shares(self, batch: LoadedBatch) -> Shares:
        """What this process's part of a batch weighs in the whole batch of all processes.

        A loss is a mean over utterances, frames or phonemes. The mean of the processes' means is not the mean over the
        whole batch where their parts differ in length: each is first multiplied by its share.
        """
        if self.count == 1:
            return ALONE
        own = counts_of(batch)
        utterances, frames, phonemes = (
            self.count * mine / all_of_them for mine, all_of_them in zip(own, self.total(*own), strict=True)
        )
        return Shares(utterances=utterances, frames=frames, phonemes=phonemes)

    def check_equal(self, parameters: Iterable[nn.Parameter], *facts: object) -> None:
        """Whether all processes begin with the same weights and numbers.

        Raises:
            PeerLost: they do not, so that they would train different voices.
        """
        if self.count == 1:
            return
        sums = torch.stack([parameter.detach().double().abs().sum() for parameter in parameters]).sum().item()
        found = self.gather((sums, *facts))
        if any(other != found[0] for other in found):
            raise PeerLost(f"the {self.count} processes begin with different weights or batches: {found}")


def counts_of(batch: LoadedBatch) -> tuple[float, float, float]:
    """Utterances, frames and phonemes of a batch: what its losses are means over."""
    frames, phonemes = batch.spectrogram_lengths_B.sum(), batch.phoneme_lengths_B.sum()
    return float(batch.phoneme_lengths_B.numel()), float(frames), float(phonemes)


@contextmanager
def _peers() -> Iterator[None]:
    """
    Raises:
        PeerLost: another process has ended, or does not answer. Why, it says itself.
    """
    try:
        yield
    except RuntimeError as error:  # of NCCL and gloo; both have subclasses of it
        if is_out_of_memory(error):
            raise  # it is this process that ends, not another one
        said = " ".join(str(error).split())[:200]
        raise PeerLost(f"another process of this run has ended or does not answer ({said})") from error


class GradientMean:
    """Replaces gradients by the mean over all processes; bucket by bucket, while the backward pass is still running.

    The buckets leave in a fixed order, that in which gradients usually become ready, or processes would send different
    ones to each other.
    """

    def __init__(self, ranks: Ranks, parameters: Sequence[nn.Parameter]) -> None:
        """Listen to the gradients of these parameters.

        Args:
            ranks: this process among the others; alone, nothing is done.
            parameters: in the order of the forward pass.
        """
        self._count = ranks.count
        self._buckets = list(_buckets(parameters)) if ranks.count > 1 else []
        self._bucket_of = {
            parameter: number for number, bucket in enumerate(self._buckets) for parameter in bucket.parameters
        }
        for parameter in self._bucket_of:
            parameter.register_post_accumulate_grad_hook(self._ready)  # type: ignore[no-untyped-call]
        self._next = 0
        self.listens = True
        """Whether buckets leave during a backward pass; False while the gradients are not complete with it."""

    def _ready(self, parameter: Tensor) -> None:
        if not self.listens:
            return
        self._buckets[self._bucket_of[parameter]].waiting -= 1  # type: ignore[index]  # hooks are of these parameters
        while self._next < len(self._buckets) and self._buckets[self._next].waiting <= 0:
            self._leave()

    def _leave(self, *, nothing: bool = False) -> None:
        self._buckets[self._next].leave(nothing=nothing)
        self._next += 1

    def reserve(self) -> None:
        """Take the memory in which gradients travel; else it is taken when the first ones leave."""
        for bucket in self._buckets:
            bucket.reserve()

    def send(self, *, nothing: bool = False) -> None:
        """Send the buckets that have not left: after a backward pass those with a parameter that has no gradient.

        Args:
            nothing: zeros instead, because the pass failed here. Others wait for as many messages from each process.
        """
        while self._next < len(self._buckets):
            self._leave(nothing=nothing)

    def recall(self) -> None:
        """Wait for the buckets that have left and forget what they brought; the gradients stay as they are.

        Raises:
            PeerLost: another process has ended.
        """
        for bucket in self._buckets:
            bucket.forget()
        self._next = 0

    def finish(self) -> None:
        """Call after the backward pass: waits until every gradient is the mean.

        Raises:
            PeerLost: another process has ended.
        """
        self.send()
        for bucket in self._buckets:
            bucket.arrive(self._count)
        self._next = 0


class _Bucket:
    """Gradients that travel together.

    The memory for it is taken once and kept. Were it taken when they leave, a process whose memory is full could not
    send what the others wait for, not even zeros.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = parameters
        self.waiting = len(parameters)
        self._flat = torch.empty(0)
        self._parts: list[Tensor] = []
        """Views of it, each with the shape of a parameter."""
        self._work: torch.distributed.Work | None = None

    def reserve(self) -> None:
        """Take the memory, if that is not done yet."""
        if self._parts:
            return
        sizes = [parameter.numel() for parameter in self.parameters]
        self._flat = self.parameters[0].new_zeros(sum(sizes))
        parts = torch.split(self._flat, sizes)
        self._parts = [part.view_as(parameter) for part, parameter in zip(parts, self.parameters, strict=True)]

    def leave(self, *, nothing: bool = False) -> None:
        """Send the gradients on their way, or as many zeros. A parameter without a gradient sends zeros as well."""
        self.reserve()
        there = [] if nothing else self._there()
        if len(there) < len(self.parameters):
            self._flat.zero_()
        if there:
            parts, gradients = zip(*there, strict=True)
            torch._foreach_copy_(parts, gradients)
        with _peers():
            self._work = torch.distributed.all_reduce(self._flat, async_op=True)

    def forget(self) -> None:
        """Wait for the sum, if it is on its way, and throw it away."""
        if self._work is not None:
            with _peers():
                self._work.wait()
        self._work = None
        self.waiting = len(self.parameters)

    def arrive(self, count: int) -> None:
        """Put the means in the place of the gradients."""
        if self._work is not None:
            with _peers():
                self._work.wait()
            self._flat /= count
            there = self._there()
            if there:
                parts, gradients = zip(*there, strict=True)
                torch._foreach_copy_(gradients, parts)
        self._work = None
        self.waiting = len(self.parameters)

    def _there(self) -> list[tuple[Tensor, Tensor]]:
        """The gradients that there are, each with its place in the message."""
        pairs = zip(self._parts, self.parameters, strict=True)
        return [(part, parameter.grad) for part, parameter in pairs if parameter.grad is not None]


def _buckets(parameters: Sequence[nn.Parameter]) -> Iterator[_Bucket]:
    """Parameters of one kind in groups, the last ones first: their gradients are ready first."""
    group: list[nn.Parameter] = []
    for parameter in reversed(parameters):
        if group and (parameter.dtype, parameter.device) != (group[0].dtype, group[0].device):
            yield _Bucket(group)
            group = []
        group.append(parameter)
        if sum(item.numel() * item.element_size() for item in group) >= BUCKET_BYTES:
            yield _Bucket(group)
            group = []
    if group:
        yield _Bucket(group)


def merged_means(parts: Sequence[Mapping[str, tuple[float, float]]]) -> dict[str, float]:
    """Means out of the sums and weights of several processes; a process that had nothing to add has no part in them."""
    totals: dict[str, tuple[float, float]] = {}
    for part in parts:
        for name, (total, weight) in part.items():
            before = totals.get(name, (0.0, 0.0))
            totals[name] = (before[0] + total, before[1] + weight)
    return {name: total / weight if weight else math.nan for name, (total, weight) in totals.items()}
