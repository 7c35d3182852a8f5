"""Before the first step: do the largest batches of a run fit into memory?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from core_vits.dataset import LoadedBatch
from core_vits.memory import available_bytes, give_back, held_bytes, kept_for_backward, state_bytes
from core_vits.train.errors import TrainingError
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.ranks import Ranks
from core_vits.train.room import RoomyStep, cost_of, described


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What the largest batch of a run takes, on the process where that is most."""

    device: str
    batch: str
    """Its size in words."""
    needed_bytes: int
    """By the batch as a whole, or by its largest part where that was measured."""
    state_bytes: int
    """Of these, what is needed whatever the batch: weights, gradients and Adam's moments of both sides."""
    part_bytes: int
    """Needed by the largest part."""
    available_bytes: int
    parts: int
    """Parts that it is trained in; 1: as a whole."""
    measured: bool
    """By computing its gradients; else estimated from one of its clips."""

    @property
    def fits(self) -> bool:
        """Whether there is enough for a part; where it was measured it fitted."""
        return self.measured or self.part_bytes <= self.available_bytes

    def __str__(self) -> str:
        needed, state, available = map(_size, (self.needed_bytes, self.state_bytes, self.available_bytes))
        parts = "" if self.parts == 1 else f", and is trained in {self.parts} parts, for it does not fit as a whole"
        about = "" if self.measured else "about "
        lacks = (
            ""
            if self.fits
            else f". Also a part takes more than there is, {_size(self.part_bytes)}: the system may end the run. "
            "Free memory, choose a smaller quality, or leave the longest clips out"
        )
        return (
            f"the largest batch, {self.batch}, takes {about}{needed} of {available} on {self.device}, {state} of it "
            f"for weights, gradients and moments{parts}{lacks}"
        )


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def rehearse(
    room: RoomyStep,
    models: VoiceModels,
    optimization: Optimization,
    ranks: Ranks,
    device: torch.device,
    batches: Sequence[LoadedBatch],
) -> Rehearsal | None:
    """Find out, and have divided what does not fit. Weights, moments and random numbers stay as they are.

    What every step holds is taken first, and kept: a new run's moments, all zero, and what gradients travel in. On a
    GPU the gradients of the batches are computed and thrown away. On a CPU that would take as long as a step, and
    the kernel kills who takes too much: there, the memory of one clip is counted.

    Args:
        room: trains.
        models: what is trained.
        optimization: its optimizers; a new run's have no moments yet.
        ranks: the processes that train together.
        device: of the step.
        batches: the largest ones of this process.

    Returns:
        What the largest of them takes; None when no process has any.

    Raises:
        TrainingError: one clip alone does not fit, on any process; it is named. Or not even the moments do.
    """
    available = available_bytes(device)
    if device.type != "cuda":
        available += held_bytes(optimization.optimizers)
    state = state_bytes(optimization.optimizers, copies=ranks.count > 1)
    found: list[Rehearsal] = []
    wrong = ""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            room.reserve()
            for batch in batches:
                if device.type == "cuda":
                    needed, part, parts = _measured(room, device, batch)
                else:
                    needed, part, parts = _estimated(room, models, batch, state, available)
                found.append(
                    Rehearsal(
                        device=str(device),
                        batch=described(batch),
                        needed_bytes=needed,
                        state_bytes=state,
                        part_bytes=part,
                        available_bytes=available,
                        parts=parts,
                        measured=device.type == "cuda",
                    )
                )
        except TrainingError as error:
            wrong = str(error)
    give_back(device)
    told = ranks.gather((found, wrong))
    for _, reason in told:
        if reason:
            raise TrainingError(reason)
    everywhere = [one for found, _ in told for one in found]
    return max(everywhere, key=lambda one: (one.parts, one.needed_bytes), default=None)


def _measured(room: RoomyStep, device: torch.device, batch: LoadedBatch) -> tuple[int, int, int]:
    """Bytes that the process has had, twice, and the parts of the batch."""
    give_back(device)
    torch.cuda.reset_peak_memory_stats(device)
    parts = room.try_out(batch)
    needed = int(torch.cuda.max_memory_reserved(device))
    return needed, needed, parts


def _estimated(
    room: RoomyStep, models: VoiceModels, batch: LoadedBatch, state: int, available: int
) -> tuple[int, int, int]:
    """Bytes for the batch, bytes for its largest part, and its parts.

    All clips of the batch are padded to the longest one, so each takes what that takes.
    """
    with kept_for_backward(list(models.parameters())) as kept:
        room.try_out(batch.rows(0, 1))
        clip = kept()
    activations, left = clip * len(batch.names), available - state
    if activations > left:
        room.divide_above(cost_of(batch) * max(left, 0) / activations)
    parts = room.parts(batch)
    return state + activations, state + clip * max(len(part.names) for part in parts), len(parts)
