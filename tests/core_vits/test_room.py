"""What does not fit into memory is trained in parts, and whether it does is known before the first step.

Weights after a step in parts are compared in test_ranks.py, in one process and in two.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from ddp_probe import JUDGING, PLACES, run_out_of_memory, utterances
from training_parts import CONFIG, MadeUpData, Notes, settings

from core_vits import memory
from core_vits.batching import padded_cost
from core_vits.config import LossWeights
from core_vits.dataset import CachedBatch, Collate, LoadedBatch
from core_vits.memory import held_bytes, is_out_of_memory, kept_for_backward, state_bytes
from core_vits.train import rehearsal
from core_vits.train.callbacks import Progress
from core_vits.train.distributed import make_fabric
from core_vits.train.errors import TrainingError
from core_vits.train.loop import Trainer
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.ranks import Ranks
from core_vits.train.rehearsal import Rehearsal, rehearse
from core_vits.train.room import RoomyStep
from core_vits.train.step import AdversarialStep

CPU = torch.device("cpu")


class Parts:
    """A voice, its step, and what was told."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        fabric = make_fabric(settings())
        self.models = VoiceModels(CONFIG).train()
        self.optimization = Optimization(self.models.model_g.parameters(), self.models.judges(), settings())
        self.ranks = Ranks(fabric)
        self.step = AdversarialStep(fabric, self.models, self.optimization, LossWeights(), self.ranks)
        self.told: list[str] = []
        self.room = RoomyStep(self.step, self.ranks, CPU, self.told.append)

    def rehearse(self, *batches: LoadedBatch) -> Rehearsal | None:
        return rehearse(self.room, self.models, self.optimization, self.ranks, CPU, batches)

    def state(self) -> dict[str, Any]:
        """All that a trial must leave as it was."""
        return copy.deepcopy(
            {
                "weights": self.models.state_dict(),
                "moments": self.optimization.optimizer_states(),
                "random": torch.get_rng_state(),
                "gradients": [parameter.grad for parameter in self.models.parameters()],
            }
        )


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture
def batch() -> CachedBatch:
    return Collate(audio_config=CONFIG.audio)(utterances(1))


def assert_equal(one: Any, other: Any) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def sizes(parts: Parts, batch: CachedBatch) -> list[int]:
    return [len(part.names) for part in parts.room.parts(batch)]


class TestTryingOut:
    @pytest.mark.parametrize("place", ["", *PLACES, JUDGING])
    def test_leaves_weights_moments_and_gradients_as_they_were(
        self, parts: Parts, batch: CachedBatch, place: str
    ) -> None:
        if place:
            run_out_of_memory(parts.models, place, above=2)
        before = parts.state()
        assert parts.room.try_out(batch) == (2 if place else 1)
        after = parts.state()
        for name in ("weights", "moments", "gradients"):
            assert_equal(after[name], before[name])

    def test_a_clip_that_does_not_fit_alone_is_named(self, parts: Parts, batch: CachedBatch) -> None:
        run_out_of_memory(parts.models, "forward", above=0)
        with pytest.raises(TrainingError, match=r"^0\.wav: this clip alone, 60 frames and 20 phonemes, does not fit"):
            parts.room.try_out(batch)

    def test_what_is_no_lack_of_memory_is_not_hidden(
        self, parts: Parts, batch: CachedBatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("index out of range")

        monkeypatch.setattr(parts.step, "add_gradients", fail)
        with pytest.raises(RuntimeError, match="index out of range"):
            parts.room.try_out(batch)


class TestRehearsal:
    def test_on_a_cpu_it_estimates_and_leaves_no_trace(self, parts: Parts, batch: CachedBatch) -> None:
        parts.room.reserve()
        before = parts.state()
        found = parts.rehearse(batch)
        assert_equal(parts.state(), before)
        assert found is not None
        assert (found.parts, found.measured, found.device) == (1, False, "cpu")
        assert 0 < found.needed_bytes < found.available_bytes
        assert re.match(
            r"the largest batch, 4 clips \(up to 60 frames and 20 phonemes\), takes about \d+ MB of \S+ GB on cpu, "
            r"\d+ MB of it for weights, gradients and moments$",
            str(found),
        )

    def test_its_estimate_is_what_the_whole_batch_keeps_at_least(self, parts: Parts, batch: CachedBatch) -> None:
        alike = Collate(audio_config=CONFIG.audio)([utterances(1)[0]] * 4)
        found = parts.rehearse(alike)
        with kept_for_backward(list(parts.models.parameters())) as kept:
            parts.step.add_gradients(alike.on(CPU))
            whole = kept()
        fixed = found.state_bytes if found else 0
        assert found is not None
        assert whole <= found.needed_bytes - fixed < 1.3 * whole

    def test_what_would_not_fit_is_divided_from_the_first_step_on(
        self, parts: Parts, batch: CachedBatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = parts.rehearse(batch)
        assert whole is not None
        fixed = whole.state_bytes
        held = 3 * fixed // 4  # weights and moments; gradients are still to come
        less = fixed + 6 * (whole.needed_bytes - fixed) // 10 - held
        monkeypatch.setattr(memory, "free_bytes", lambda: less)
        found = parts.rehearse(batch)
        assert found is not None
        assert (found.parts, sizes(parts, batch)) == (2, [2, 2])
        assert "is trained in 2 parts, for it does not fit as a whole" in str(found)

    def test_on_a_gpu_it_measures_a_step_that_is_not_taken(
        self, parts: Parts, batch: CachedBatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
        monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 5_000)
        run_out_of_memory(parts.models, "generator", above=2)
        before = parts.state()
        assert rehearsal._measured(parts.room, CPU, batch) == (5_000, 5_000, 2)
        assert_equal(parts.state()["weights"], before["weights"])

    def test_of_no_batches_nothing_is_said(self, parts: Parts) -> None:
        assert parts.rehearse() is None

    def test_what_every_step_holds_is_counted_for_both_sides(self, parts: Parts, batch: CachedBatch) -> None:
        found = parts.rehearse(batch)
        weights = sum(parameter.nbytes for parameter in parts.models.parameters())
        assert found is not None
        assert found.state_bytes == 4 * weights, "weights, gradients and two moments"
        assert state_bytes(parts.optimization.optimizers, copies=True) == 5 * weights
        assert held_bytes(parts.optimization.optimizers) == 3 * weights, "moments are there now"
        assert held_bytes(Parts().optimization.optimizers) == weights

    def test_a_part_that_does_not_fit_either_is_told(
        self, parts: Parts, batch: CachedBatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "free_bytes", lambda: 1_000)
        found = parts.rehearse(batch)
        assert found is not None
        assert (found.parts, found.fits) == (4, False)
        assert found.state_bytes < found.part_bytes < found.needed_bytes
        assert re.search(r"Also a part takes more than there is, \d+ MB: the system may end the run. Free", str(found))

    def test_a_resumed_run_needs_as_much_of_as_much(
        self, parts: Parts, batch: CachedBatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its moments are there already, so that they are missing from what is free."""
        moments = 2 * sum(parameter.nbytes for parameter in parts.models.parameters())
        monkeypatch.setattr(memory, "free_bytes", lambda: 10**9)
        new = parts.rehearse(batch)
        monkeypatch.setattr(memory, "free_bytes", lambda: 10**9 - moments)
        resumed = parts.rehearse(batch)
        assert new is not None
        assert resumed is not None
        assert (resumed.needed_bytes, resumed.available_bytes) == (new.needed_bytes, new.available_bytes)


class TestMoments:
    def test_they_are_those_that_the_first_step_would_make(self, parts: Parts, batch: CachedBatch) -> None:
        other = Parts()
        other.models.load_state_dict(parts.models.state_dict())
        parts.room.reserve()
        for each in (parts, other):
            torch.manual_seed(1)
            each.room._step.train(batch.on(CPU), with_norms=False)
        assert_equal(parts.optimization.optimizer_states(), other.optimization.optimizer_states())
        assert_equal(parts.models.state_dict(), other.models.state_dict())

    def test_they_are_there_before_the_first_step_and_zero(self, parts: Parts, batch: CachedBatch) -> None:
        parts.rehearse(batch)
        for optimizer in parts.optimization.optimizers:
            parameters = optimizer.param_groups[0]["params"]
            assert len(optimizer.state) == len(parameters)
            for parameter in parameters:
                moments = optimizer.state[parameter]
                assert moments["exp_avg"].shape == moments["exp_avg_sq"].shape == parameter.shape
                assert not any(value.any() for value in moments.values())

    def test_those_that_are_there_stay(self, parts: Parts) -> None:
        (parameter, *_) = parts.models.judges()
        kept = {"step": torch.tensor(3.0), "exp_avg": parameter.detach() + 1, "exp_avg_sq": parameter.detach() + 2}
        parts.optimization.judges.state[parameter] = kept
        parts.room.reserve()
        assert parts.optimization.judges.state[parameter] is kept

    @pytest.mark.parametrize("failures", [1, 2])
    def test_a_lack_of_memory_for_them_is_told_before_the_first_step(
        self, parts: Parts, batch: CachedBatch, failures: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once may have been a leftover of somebody else; it is tried again after freeing what nobody holds."""
        real, left = torch.empty_like, [failures]

        def refuse(*arguments: Any, **options: Any) -> torch.Tensor:
            if left[0]:
                left[0] -= 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
            return real(*arguments, **options)

        monkeypatch.setattr(torch, "empty_like", refuse)
        if failures == 1:
            assert parts.rehearse(batch) is not None
            return
        with pytest.raises(TrainingError, match="the moments of the optimizers, as large as generator and discrim"):
            parts.rehearse(batch)


class OneLarge(MadeUpData):
    """Names its first batch as the largest one."""

    def largest(self, epoch: int) -> list[Any]:
        return [self._batch(1000 * epoch)]


class Heard(Notes):
    """Also writes down what was found before the first step."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Rehearsal] = []

    def on_rehearsal(self, progress: Progress, found: Rehearsal) -> None:
        assert progress.position.step == 0
        self.found.append(found)


def test_a_run_that_was_rehearsed_has_the_losses_of_one_that_was_not(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    notes = [Heard(), Heard()]
    for data, heard in zip((MadeUpData(batches=2), OneLarge(batches=2)), notes, strict=True):
        folder = tmp_path / type(data).__name__
        Trainer(settings(epochs=1), CONFIG, data, folder, callbacks=[heard]).fit()
    assert notes[0].losses == notes[1].losses
    assert [len(heard.found) for heard in notes] == [0, 1]


def test_a_run_that_runs_out_of_memory_once_goes_on_and_says_so(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    heard = Heard()
    trainer = Trainer(settings(epochs=1), CONFIG, MadeUpData(), tmp_path, callbacks=[heard])
    run_out_of_memory(trainer.models, "judges", above=1)
    # The validation has no backward pass, so it is not refused.
    assert trainer.fit() == "completed"
    assert [step for step, *_ in heard.losses] == [1, 2, 3, 4]
    assert len(heard.problems) == 1
    assert "a batch of 2 clips (up to 24 frames and 9 phonemes) did not fit into the memory of cpu" in heard.problems[0]


class TestOptimizers:
    @pytest.mark.parametrize("side", [0, 1], ids=["generator", "discriminators"])
    def test_a_step_that_lacks_memory_is_tried_again_and_changes_nothing(self, side: int, tmp_path: Path) -> None:
        """The first step of a new run, as the first thing that it does."""
        torch.set_num_threads(1)
        refused = 0

        def refuse(*_: object) -> None:
            nonlocal refused
            refused += 1
            if refused == 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")

        found = []
        for name in ("enough", "full"):
            heard = Notes()
            trainer = Trainer(settings(epochs=1), CONFIG, MadeUpData(batches=2), tmp_path / name, callbacks=[heard])
            if name == "full":
                trainer.optimization.optimizers[side].register_step_pre_hook(refuse)
            assert trainer.fit() == "completed"
            found.append((heard.losses, trainer.models.state_dict()))
        assert refused == 3, "two steps, the first of them twice"
        assert_equal(*found)

    @pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
    def test_a_run_without_room_for_the_moments_ends_before_its_first_step(
        self, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise error

        heard = Notes()
        trainer = Trainer(settings(epochs=1), CONFIG, MadeUpData(), tmp_path, callbacks=[heard])
        monkeypatch.setattr(trainer.optimization, "allocate_moments", refuse)
        with pytest.raises(
            TrainingError, match=r"do not fit into the memory of cpu \((CUDA out of memory|MemoryError)\)"
        ):
            trainer.fit()
        assert (heard.losses, heard.events) == ([], ["TrainingError"])


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (RuntimeError("shape mismatch"), False),
        (ValueError("ALLOC_FAILED"), False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_errors(error: Exception, is_it: bool) -> None:
    assert is_out_of_memory(error) == is_it


def test_parts_are_halves_of_halves_and_cost_less_than_what_did_not_fit(parts: Parts, batch: CachedBatch) -> None:
    assert sizes(parts, batch) == [4]
    parts.room.divide_above(padded_cost(4, 60))
    assert sizes(parts, batch) == [2, 2]
    parts.room.divide_above(padded_cost(2, 30))
    assert sizes(parts, batch) == [1, 1, 2], "the second half is shorter"
    parts.room.divide_above(0)
    assert [part.names for part in parts.room.parts(batch)] == [(name,) for name in batch.names]
