"""A process of several that train together, for tests: `python ddp_probe.py OUT` with a launcher's environment.

Every random draw (noise of posterior and durations, where segments are cut, dropout) is replaced by numbers that depend
on the utterance and the place alone, so that a batch draws the same whether it is trained whole or in parts. What is
sent is counted by its way. Without a launcher's environment the whole batch is trained in one process.
"""

from __future__ import annotations

import math
import os
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed
from torch import Tensor, nn
from training_parts import CONFIG, HOP, MadeUpData, Notes, StopAt, settings

from core_vits.audio import to_int16
from core_vits.config import LossWeights, ModelConfig
from core_vits.dataset import Batch, Clip, Collate
from core_vits.losses import ALONE
from core_vits.train.distributed import leave, make_fabric
from core_vits.train.errors import PeerLost, TrainingError
from core_vits.train.loop import Trainer
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.ranks import Ranks
from core_vits.train.room import RoomyStep
from core_vits.train.step import AdversarialStep
from core_vits.train.validation import RoomyEvaluation, Validated, apart, validate

STEPS = 2
LONGEST_FRAMES, LONGEST_TEXT = 60, 20


@dataclass(frozen=True)
class Case:
    """A voice and how its batch of four is divided among two processes."""

    config: ModelConfig
    parts: tuple[tuple[int, ...], ...]
    bucket_bytes: int = 25_000_000
    with_shares: bool = True
    """False: the plain mean of the parts' losses, to show that it is not the loss of the whole."""


CASES = {
    "halves of different length": Case(CONFIG, ((0, 1), (2, 3))),
    "parts of different number": Case(CONFIG, ((2, 0, 3), (1,)), bucket_bytes=4_000),
    "several speakers and the third discriminator": Case(
        replace(CONFIG, num_speakers=3, gin_channels=8, use_mrd=True), ((3, 1), (0, 2))
    ),
    "the plain duration predictor": Case(replace(CONFIG, use_sdp=False), ((0, 3), (1, 2)), bucket_bytes=40_000),
}
PLAIN_MEAN = Case(CONFIG, ((0, 1), (2, 3)), with_shares=False)


def utterances(speakers: int) -> list[Clip]:
    """Four, whose lengths differ so much that the mean of two halves is not the mean of the whole."""
    draw = torch.Generator().manual_seed(3)
    clips = []
    for index, (frames, ids) in enumerate(((60, 20), (15, 4), (33, 9), (9, 5))):
        audio = to_int16((torch.randn(frames * HOP, generator=draw) * 0.1).numpy())
        text = torch.randint(3, 100, (ids,), generator=draw).numpy()
        clips.append(Clip(text, audio, frames, index % speakers if speakers > 1 else None, str(index), f"{index}.wav"))
    return clips


class Draws:
    """Random numbers of each utterance, whatever batch it is in."""

    def __init__(self, config: ModelConfig) -> None:
        draw = torch.Generator().manual_seed(11)
        self._latent = torch.randn(STEPS, 4, config.inter_channels, LONGEST_FRAMES, generator=draw)
        self._duration = torch.randn(STEPS, 4, 2, LONGEST_TEXT, generator=draw)
        self._cut = torch.rand(STEPS, 4, generator=draw)
        self._rows: list[int] = []
        self._step = self._dropouts = 0

    def begin(self, step: int, batch: Batch) -> None:
        self._step, self._dropouts = step, 0
        self._rows = [int(key) for key in batch.keys]

    def normal(self, like: Tensor) -> Tensor:
        source = self._duration if like.shape[1] == 2 else self._latent
        return source[self._step, self._rows, :, : like.shape[2]].clone()

    def uniform(self, *size: int, **_: Any) -> Tensor:
        assert size == (len(self._rows),)
        return self._cut[self._step, self._rows].clone()

    def dropout(self, module: nn.Dropout, x: Tensor) -> Tensor:
        self._dropouts += 1
        if not module.training or module.p == 0:
            return x
        place = torch.full((), 7_919 * self._dropouts + 104_729 * self._step)
        for number, length in enumerate(x.shape[1:]):
            steps = torch.arange(length) * (613, 7_001, 40_009)[number]
            place = place.unsqueeze(-1) + steps
        kept = (place * 2_654_435_761 % 2**32) / 2**32 >= module.p
        return x * kept / (1 - module.p)

    @contextmanager
    def injected(self):  # type: ignore[no-untyped-def]
        with (
            mock.patch("torch.randn_like", self.normal),
            mock.patch("torch.rand", self.uniform),
            mock.patch.object(nn.Dropout, "forward", lambda module, x: self.dropout(module, x)),
        ):
            yield


class Wire:
    """Counts what is sent: gradients on the way of all, words on a way of their own."""

    def __init__(self) -> None:
        self.gradients = self.words = self.messages = 0
        self._real = torch.distributed.all_reduce

    def all_reduce(self, tensor: Tensor, *arguments: Any, group: Any = None, **options: Any) -> Any:
        size = tensor.numel() * tensor.element_size()
        if group is None:
            self.gradients += size
        else:
            self.words += size
            self.messages += 1
        return self._real(tensor, *arguments, group=group, **options)


def warm_up(optimizer: torch.optim.AdamW) -> None:
    """Give it moments as in the middle of a training.

    Adam's first steps have the same size for every gradient, so for one that is nothing but rounding as well, and no
    two ways of computing have the same rounding.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter] = {
                "step": torch.tensor(1_000.0),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.full_like(parameter, 0.01),
            }


PLACES = ("forward", "generator", "judges")
"""Where memory runs out: before anything was sent, and when almost all of either side's buckets have left."""
JUDGING = "judging"
"""Where the discriminators listen: for the other processes the same as `forward`."""


def run_out_of_memory(models: VoiceModels, place: str, *, above: int) -> None:
    """Let a pass over more than so many clips fail as it fails on a full GPU."""
    clips = 0

    def refuse(*_: object) -> None:
        if clips > above:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def count(_: object, inputs: tuple[Tensor, ...]) -> None:
        nonlocal clips
        clips = inputs[0].shape[0]
        if place == "forward":
            refuse()

    models.model_g.register_forward_pre_hook(count)
    if place == JUDGING:
        models.model_d.register_forward_pre_hook(refuse)
    # The first layers' gradients come last.
    last = {"generator": models.model_g.parameters(), "judges": models.judges()}
    if place in last:
        next(iter(last[place])).register_hook(refuse)


def train(
    case: Case, ranks: Ranks, fabric: Any, *, place: str = "", above: int = 1, everywhere: bool = False
) -> dict[str, Any]:
    """Train some steps on this process's part of the batch; weights, gradients, losses and what was sent.

    Where a `place` is named, the first process runs out of memory there with more clips than `above`; `everywhere`, all
    do.
    """
    torch.manual_seed(5)
    models = VoiceModels(case.config)
    for parameter in models.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, 0.0, 0.05)  # what begins at zero would hide mistakes
    optimization = Optimization(models.model_g.parameters(), models.judges(), settings())
    for optimizer in optimization.optimizers:
        warm_up(optimizer)
    with mock.patch("core_vits.train.ranks.BUCKET_BYTES", case.bucket_bytes):
        step = AdversarialStep(fabric, models, optimization, LossWeights(), ranks)
    clips = utterances(case.config.num_speakers)
    rows: Sequence[int] = case.parts[ranks.index] if ranks.count > 1 else range(4)
    batch = Collate(audio_config=CONFIG.audio)([clips[row] for row in rows])
    draws, wire = Draws(case.config), Wire()
    told: list[str] = []
    room = RoomyStep(step, ranks, fabric.device, told.append)
    if place and (ranks.is_first or everywhere):
        run_out_of_memory(models, place, above=above)
    number = 0
    real = step.add_gradients

    def drawing(part: Batch, **options: Any) -> Any:
        draws.begin(number, part)
        return real(part, **options)

    step.add_gradients = drawing  # type: ignore[method-assign]
    gradients: dict[str, Tensor] = {}
    losses = []
    with draws.injected(), mock.patch("torch.distributed.all_reduce", wire.all_reduce):
        for number in range(STEPS):
            shares = ranks.shares(batch) if case.with_shares else ALONE
            terms = room.train(batch, with_norms=True, shares=shares)
            losses.append({name: float(value.detach()) for name, value in terms.items()})
            if number == 0:
                computed = ((name, value.grad) for name, value in models.named_parameters())
                gradients = {name: gradient.clone() for name, gradient in computed if gradient is not None}
    means = [ranks.gather(one) for one in losses]
    return {
        "weights": models.state_dict(),
        "gradients": gradients,
        "losses": [{name: sum(part[name] for part in parts) / len(parts) for name in parts[0]} for parts in means],
        "told": told,
        "bytes": {
            "gradients": wire.gradients,
            "words": wire.words,
            "messages": wire.messages,
            "parameters": sum(value.numel() * value.element_size() for value in models.parameters()),
        },
    }


class PartsOfData(MadeUpData):
    """Another batch for each process, and every so many of the validation batches."""

    def __init__(self, ranks: Ranks, **options: Any) -> None:
        super().__init__(**options)
        self._ranks = ranks

    def train(self, epoch: int, start_batch: int) -> Iterator[Batch]:
        for number in range(start_batch, self.batches_per_epoch):
            self.served.append((epoch, number))
            yield self._batch(1000 * epoch + number + 100_000 * self._ranks.index)

    def validation(self) -> Iterator[Batch]:
        for number in range(self._ranks.index, self.validation_batches, self._ranks.count):
            yield self._batch(900_000 + number)


def validation_of(ranks: Ranks, fabric: Any, *, above: int | None = None) -> Validated:
    """Of an untrained voice on three batches, which do not divide evenly.

    The last process has no memory for more clips than `above`.
    """
    torch.manual_seed(5)
    models = VoiceModels(CONFIG)
    optimization = Optimization(models.model_g.parameters(), models.judges(), settings())
    step = AdversarialStep(fabric, models, optimization, LossWeights(), ranks)
    if above is not None and ranks.index == ranks.count - 1:
        run_out_of_memory(models, JUDGING, above=above)
    data = PartsOfData(ranks, validation=3)
    with apart(models, 7, fabric.device):
        evaluation = RoomyEvaluation(step, fabric.device)
        return validate(ranks, evaluation, data, seed=7, must_stop=lambda: False, progress=_nothing)


def _nothing(done: int, total: int) -> None:
    """Nobody listens."""


def run_of(folder: Path, ranks: Ranks, fabric: Any, *, stop_at: int = 0, timer: float = 0.0) -> dict[str, Any]:
    """Train two epochs of four batches, or until the last process alone is asked to stop."""
    folder.mkdir(exist_ok=True)
    notes, stopper = Notes(), StopAt(stop_at)
    last = stop_at and ranks.index == ranks.count - 1
    random.seed(ranks.index)
    with mock.patch("core_vits.train.loop.STOP_LOOK_SECONDS", 0.0):  # it is asked after every step
        trainer = Trainer(
            settings(devices=ranks.count, checkpoint_every_minutes=timer),
            CONFIG,
            PartsOfData(ranks),
            folder,
            callbacks=[notes, *([stopper] if last else [])],
            stop=stopper.asked if last else lambda: False,
            fabric=fabric,
        )
        outcome = trainer.fit()
    return {
        "outcome": outcome,
        "step": trainer.position.step,
        "weights": {name: value.clone() for name, value in trainer.models.state_dict().items()},
        "random": torch.get_rng_state(),
        "losses": notes.losses,
        "saved": [saved.path.name for saved in notes.saved],
        "resumed_from": notes.resumed_from.name if notes.resumed_from else "",
        "problems": notes.problems,
        "files": sorted(path.name for path in folder.iterdir()),
    }


def main() -> None:
    torch.set_num_threads(1)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    folder = Path(sys.argv[1])
    fabric = make_fabric(settings(devices=world))
    ranks = Ranks(fabric)
    assert (ranks.count, ranks.index) == (world, int(os.environ.get("RANK", "0")))
    cases = {**CASES, "the plain mean": PLAIN_MEAN}
    found: dict[str, Any] = {"cases": {name: train(case, ranks, fabric) for name, case in cases.items()}}
    uneven = CASES["parts of different number"]
    found["short"] = {place: train(uneven, ranks, fabric, place=place) for place in PLACES}
    try:
        train(uneven, ranks, fabric, place="generator", above=0)
    except TrainingError as error:
        found["hopeless"] = str(error)
    found["together"] = {
        "raised": ranks.raised(ranks.index == world - 1, False),
        "total": ranks.total(1.0 + ranks.index, math.pi),
        "gathered": ranks.gather({"rank": ranks.index}),
        "first": ranks.from_first(f"rank {ranks.index}"),
    }
    found["validation"] = asdict(validation_of(ranks, fabric))
    found["validation of clips"] = asdict(validation_of(ranks, fabric, above=1))
    found["validation of nothing"] = asdict(validation_of(ranks, fabric, above=0))
    if world > 1:
        halves = CASES["halves of different length"]
        found["both short"] = {place: train(halves, ranks, fabric, place=place, everywhere=True) for place in PLACES}
        found["whole"] = run_of(folder / "whole", ranks, fabric)
        found["stopped"] = run_of(folder / "parts", ranks, fabric, stop_at=3)
        found["resumed"] = run_of(folder / "parts", ranks, fabric, timer=1e-9)
        with suppress(PeerLost):
            ranks.check_equal([nn.Parameter(torch.full((2,), float(ranks.index)))])
            found["unequal"] = "not noticed"
    torch.save(found, folder / f"{world}-{ranks.index}.pt")
    leave()


if __name__ == "__main__":
    main()
