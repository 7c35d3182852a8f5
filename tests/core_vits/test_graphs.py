"""Recorded steps, with a recorder that only remembers what to do: which shapes are recorded, and what from and to.

What a real CUDA graph does is tested in test_on_a_gpu.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from ddp_probe import utterances
from torch import Tensor
from training_parts import CONFIG, settings

from core_vits.config import LossWeights
from core_vits.dataset import CachedBatch, Collate
from core_vits.losses import ALONE, Shares
from core_vits.train import graphs
from core_vits.train.distributed import make_fabric
from core_vits.train.graphs import StepGraphs
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.ranks import Ranks
from core_vits.train.room import RoomyStep
from core_vits.train.step import AdversarialStep

CPU = torch.device("cpu")


class Memory:
    """Does again what it was shown, from and to the same places."""

    def __init__(self) -> None:
        self.started = 0
        self.error: Exception | None = None

    def record(self, action: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        if self.error is not None:
            raise self.error
        with torch.random.fork_rng(devices=[]):
            result = action()

        def start() -> None:
            self.started += 1
            result.copy_(action())

        return start, result


class Voice:
    """A voice, with recorded steps or without."""

    def __init__(self, memory: Memory | None = None) -> None:
        torch.manual_seed(3)
        self.models = VoiceModels(CONFIG).train()
        optimization = Optimization(self.models.model_g.parameters(), self.models.judges(), settings())
        self.told: list[str] = []
        self.graphs = StepGraphs(self.models.parameters(), memory, self.told.append) if memory else None
        fabric = make_fabric(settings())
        ranks = Ranks(fabric)
        self.step = AdversarialStep(fabric, self.models, optimization, LossWeights(), ranks, self.graphs)
        self.room = RoomyStep(self.step, ranks, CPU, self.told.append)

    def gradients(
        self, batch: CachedBatch, seed: int, shares: Shares = ALONE
    ) -> tuple[dict[str, Tensor | None], dict[str, float]]:
        torch.manual_seed(seed)
        self.step.begin()
        losses = self.step.add_gradients(batch.on(CPU), shares=shares, whole=True)
        found = {name: value.grad for name, value in self.models.named_parameters()}
        return {name: None if value is None else value.clone() for name, value in found.items()}, {
            name: value.item() for name, value in losses.items()
        }


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def batch() -> CachedBatch:
    return Collate(audio_config=CONFIG.audio, few_sizes=True)(utterances(1))


def assert_same(one: object, other: object) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_shape_is_recorded_when_it_is_seen_again(batch: CachedBatch, memory: Memory) -> None:
    usual, recorded = Voice(), Voice(memory)
    assert recorded.graphs is not None
    shorter = batch.rows(1, 4)
    for seed, (one, count, started) in enumerate(
        [(batch, 0, 0), (shorter, 0, 0), (batch, 1, 1), (shorter, 2, 2), (batch, 2, 3), (batch, 2, 4)]
    ):
        assert_same(recorded.gradients(one, seed), usual.gradients(one, seed))
        assert (recorded.graphs.recorded, memory.started) == (count, started)


def test_shares_may_differ_from_step_to_step(batch: CachedBatch, memory: Memory) -> None:
    usual, recorded = Voice(), Voice(memory)
    for seed, shares in enumerate(
        [ALONE, ALONE, Shares(utterances=0.5, frames=0.25, phonemes=0.75), Shares(frames=2.0), ALONE]
    ):
        gradients, losses = recorded.gradients(batch, seed, shares)
        expected, expected_losses = usual.gradients(batch, seed, shares)
        torch.testing.assert_close(gradients, expected, rtol=1e-5, atol=1e-7)
        assert losses == pytest.approx(expected_losses)
    assert memory.started == 4


def test_a_whole_training_is_that_without_recording(batch: CachedBatch, memory: Memory) -> None:
    usual, recorded = Voice(), Voice(memory)
    for seed in range(4):
        for voice in (usual, recorded):
            torch.manual_seed(seed)
            voice.room.train(batch, with_norms=True)
    assert memory.started == 3
    assert_same(recorded.models.state_dict(), usual.models.state_dict())


def test_parts_and_rehearsals_are_not_recorded(batch: CachedBatch, memory: Memory) -> None:
    usual, recorded = Voice(), Voice(memory)
    for voice in (usual, recorded):
        for _ in range(3):
            voice.room.try_out(batch)
        voice.room.divide_above(1)
        torch.manual_seed(1)
        voice.room.train(batch, with_norms=False)
    assert recorded.graphs is not None
    assert (recorded.graphs.recorded, memory.started) == (0, 0)
    assert_same(recorded.models.state_dict(), usual.models.state_dict())


def test_what_can_not_be_recorded_is_told_once_and_trained_anyway(batch: CachedBatch, memory: Memory) -> None:
    usual, recorded = Voice(), Voice(memory)
    memory.error = RuntimeError("operation not permitted\nwhen stream is capturing")
    for seed in range(4):
        assert_same(recorded.gradients(batch, seed), usual.gradients(batch, seed))
    assert recorded.told == [
        "steps can't be recorded here (operation not permitted when stream is capturing); training goes on without, "
        "more slowly"
    ]


def test_recordings_are_let_go_when_a_new_shape_finds_no_memory(
    batch: CachedBatch, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, recorded = Voice(), Voice(memory)
    for seed in range(2):
        recorded.gradients(batch, seed)
    assert recorded.graphs is not None
    assert recorded.graphs.recorded == 1
    compute = recorded.step._add_gradients
    calls = []

    def short_of_memory(*arguments: object, **options: object) -> dict[str, Tensor]:
        calls.append(1)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(recorded.step, "_add_gradients", short_of_memory)
    shorter = batch.rows(1, 4)
    torch.manual_seed(5)
    for seed in range(3):
        found = recorded.gradients(shorter, seed)
    assert_same(found, usual.gradients(shorter, 2))
    assert recorded.graphs.recorded == 0
    assert recorded.told == [
        "recorded steps and others do not fit into the memory together; training goes on without, more slowly"
    ]


def test_only_so_many_shapes_are_recorded(batch: CachedBatch, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MOST_RECORDINGS", 1)
    usual, recorded = Voice(), Voice(memory)
    for seed in range(3):
        for one in (batch, batch.rows(1, 4)):
            assert_same(recorded.gradients(one, seed), usual.gradients(one, seed))
    assert recorded.graphs is not None
    assert (recorded.graphs.recorded, memory.started) == (1, 2)
