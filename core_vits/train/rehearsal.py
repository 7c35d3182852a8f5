"""Before the first step: do the largest batches of a run fit into memory?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from core_vits.dataset import LoadedBatch
from core_vits.memory import available_bytes, free_bytes, give_back, kept_for_backward
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
    available_bytes: int
    parts: int
    """Parts that it is trained in; 1: as a whole."""
    measured: bool
    """By computing its gradients; else estimated from one of its clips."""

    def __str__(self) -> str:
        needed, available = (f"{size / 1e9:.1f} GB" for size in (self.needed_bytes, self.available_bytes))
        parts = "" if self.parts == 1 else f", and is trained in {self.parts} parts, for it does not fit as a whole"
        about = "" if self.measured else "about "
        return f"the largest batch, {self.batch}, takes {about}{needed} of {available} on {self.device}{parts}"


def rehearse(
    room: RoomyStep,
    models: VoiceModels,
    optimization: Optimization,
    ranks: Ranks,
    device: torch.device,
    batches: Sequence[LoadedBatch],
) -> Rehearsal | None:
    """Find out, and have divided what does not fit. Weights, moments and random numbers stay as they are.

    On a GPU the gradients of the batches are computed and thrown away. On a CPU that would take as long as a step, and
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
        TrainingError: one clip alone does not fit, on any process; it is named.
    """
    later = _made_by_the_first_step(models, optimization, ranks)
    found: list[Rehearsal] = []
    wrong = ""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            for batch in batches:
                if device.type == "cuda":
                    needed, parts = _measured(room, device, batch, later)
                else:
                    needed, parts = _estimated(room, models, batch, later)
                found.append(
                    Rehearsal(
                        device=str(device),
                        batch=described(batch),
                        needed_bytes=needed,
                        available_bytes=available_bytes(device),
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


def _measured(room: RoomyStep, device: torch.device, batch: LoadedBatch, later: int) -> tuple[int, int]:
    give_back(device)
    taken = torch.empty(later, dtype=torch.uint8, device=device)
    torch.cuda.reset_peak_memory_stats(device)
    parts = room.try_out(batch)
    del taken
    return int(torch.cuda.max_memory_reserved(device)), parts


def _estimated(room: RoomyStep, models: VoiceModels, batch: LoadedBatch, later: int) -> tuple[int, int]:
    """All clips of the batch are padded to the longest one, so each takes what that takes."""
    parameters = list(models.parameters())
    with kept_for_backward(parameters) as kept:
        room.try_out(batch.rows(0, 1))
        activations = kept() * len(batch.names)
    fixed = later + sum(parameter.nbytes for parameter in parameters)  # as many gradients
    left = free_bytes() - fixed
    if activations > left:
        room.divide_above(cost_of(batch) * max(left, 0) / activations)
    return fixed + activations, len(room.parts(batch))


def _made_by_the_first_step(models: VoiceModels, optimization: Optimization, ranks: Ranks) -> int:
    """Bytes of the moments that are not there yet, and of the copies in which gradients travel."""
    parameters = [
        parameter
        for optimizer in optimization.optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter not in optimizer.state
    ]
    travelling = sum(parameter.nbytes for parameter in models.parameters()) if ranks.count > 1 else 0
    return 2 * sum(int(parameter.nbytes) for parameter in parameters) + travelling
