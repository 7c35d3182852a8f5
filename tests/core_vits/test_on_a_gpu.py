"""What only a GPU shows: the same gradients as on a CPU, no wait inside a step, parts where memory is short."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ddp_probe import utterances
from training_parts import CONFIG, MadeUpData, settings

from core_vits.config import PRESETS, LossWeights, ModelConfig
from core_vits.dataset import Batch, CachedBatch, Collate
from core_vits.train.callbacks import Callback, Progress
from core_vits.train.distributed import make_fabric
from core_vits.train.errors import TrainingError
from core_vits.train.graphs import CudaRecorder, StepGraphs
from core_vits.train.loop import Trainer
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.ranks import Ranks
from core_vits.train.rehearsal import Rehearsal, rehearse
from core_vits.train.room import RoomyStep
from core_vits.train.step import AdversarialStep

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
    pytest.mark.timeout(300),
]
GPU = torch.device("cuda")
DRAWN = replace(CONFIG, use_sdp=True)
SINGLE = {"accelerator": "cuda", "tf32": False}


@pytest.fixture(autouse=True)
def leaves_the_backends_alone() -> Iterator[None]:
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = matmul.fp32_precision, conv.fp32_precision
    yield
    matmul.fp32_precision, conv.fp32_precision = before


@pytest.fixture
def batch() -> CachedBatch:
    return Collate(audio_config=CONFIG.audio, few_sizes=True)(utterances(1))


class Side:
    """A voice and its step on one device."""

    def __init__(self, config: ModelConfig = DRAWN, **changes: object) -> None:
        self.settings = settings(**changes)
        self.fabric = make_fabric(self.settings)
        torch.manual_seed(3)
        self.models = VoiceModels(config).to(self.fabric.device).train()
        self.optimization = Optimization(self.models.model_g.parameters(), self.models.judges(), self.settings)
        self.ranks = Ranks(self.fabric)
        self.step = AdversarialStep(self.fabric, self.models, self.optimization, LossWeights(), self.ranks)
        self.told: list[str] = []
        self.room = RoomyStep(self.step, self.ranks, self.fabric.device, self.told.append)

    def gradients(self, batch: CachedBatch) -> dict[str, torch.Tensor]:
        self.models.eval()  # no dropout, which draws on the device
        self.step.begin()
        with drawn_alike():
            self.losses = self.step.add_gradients(batch.on(self.fabric.device), send=False)
        parameters = self.models.named_parameters()
        return {name: parameter.grad.cpu() for name, parameter in parameters if parameter.grad is not None}


class drawn_alike:  # noqa: N801
    """Random numbers are drawn on the CPU, whatever device they are for."""

    def __enter__(self) -> None:
        self._kept = torch.randn, torch.rand, torch.randn_like
        randn, rand, _ = self._kept
        generator = torch.Generator().manual_seed(5)
        torch.randn = lambda *size, device=None, **_: randn(*size, generator=generator).to(device)
        torch.rand = lambda *size, device=None, **_: rand(*size, generator=generator).to(device)
        torch.randn_like = lambda like, **_: randn(like.shape, generator=generator).to(like.device)

    def __exit__(self, *_: object) -> None:
        torch.randn, torch.rand, torch.randn_like = self._kept


def far(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Largest difference of a gradient, relative to its norm and to a small share of all gradients' norm."""
    assert one.keys() == other.keys()
    floor = 1e-3 * math.sqrt(sum(float(value.norm()) ** 2 for value in one.values()) / len(one))
    return max(float((one[name] - other[name]).norm() / (one[name].norm() + floor)) for name in one)


def test_gradients_are_those_of_a_cpu(batch: CachedBatch) -> None:
    expected, found = Side(accelerator="cpu").gradients(batch), Side(**SINGLE).gradients(batch)
    assert far(expected, found) < 1e-3


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_losses_in_half_precision_are_near_those_of_float32(batch: CachedBatch, precision: str) -> None:
    full, half = Side(**SINGLE), Side(**SINGLE, precision=precision)
    full.gradients(batch)
    half.gradients(batch)
    for name, value in full.losses.items():
        assert half.losses[name].item() == pytest.approx(value.item(), rel=0.1, abs=0.05), name


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_training_lowers_the_mel_loss(batch: CachedBatch, precision: str) -> None:
    side = Side(accelerator="cuda", precision=precision, learning_rate=1e-3)
    curve = [float(side.room.train(batch, with_norms=True)["mel"]) for _ in range(30)]
    assert all(map(math.isfinite, curve))
    assert sum(curve[-5:]) < 0.95 * sum(curve[:5])


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_host_never_waits_inside_a_step(batch: CachedBatch, precision: str) -> None:
    side = Side(accelerator="cuda", precision=precision)
    pinned = batch.pin_memory()
    for _ in range(2):  # compiles the alignment, makes the moments
        side.room.train(pinned, with_norms=True)
    torch.cuda.set_sync_debug_mode("error")
    try:
        side.room.train(pinned, with_norms=True)
    finally:
        torch.cuda.set_sync_debug_mode("default")


class TestRecordedSteps:
    """Recorded and other steps draw the same random numbers from the same state of the generator."""

    @staticmethod
    def recording(**changes: object) -> Side:
        side = Side(**changes)
        side.step._graphs = StepGraphs(side.models.parameters(), CudaRecorder(), side.told.append)
        return side

    @staticmethod
    def gradients(side: Side, batch: CachedBatch, seed: int) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
        torch.manual_seed(seed)
        side.step.begin()
        losses = side.step.add_gradients(batch.on(GPU), whole=True)
        parameters = side.models.named_parameters()
        found = {name: parameter.grad.cpu() for name, parameter in parameters if parameter.grad is not None}
        return found, {name: value.item() for name, value in losses.items()}

    @pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
    def test_gradients_and_losses_are_the_same(self, batch: CachedBatch, precision: str) -> None:
        side = self.recording(**SINGLE, precision=precision)
        graphs = side.step._graphs
        assert graphs is not None
        shorter = batch.rows(1, 4)
        expected = [self.gradients(side, one, seed) for seed, one in ((1, batch), (2, shorter))]
        assert graphs.recorded == 0
        for _ in range(2):
            for seed, one in ((1, batch), (2, shorter)):
                gradients, losses = self.gradients(side, one, seed)
                assert far(gradients, expected[seed - 1][0]) < (1e-3 if precision == "32-true" else 5e-2)
                assert losses == pytest.approx(expected[seed - 1][1], rel=1e-3, abs=1e-3)
        assert graphs.recorded == 2
        assert side.told == []
        other, _ = self.gradients(side, batch, 3)
        assert far(other, expected[0][0]) > 1e-2, "the same noise in each step"

    @pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
    def test_training_lowers_the_mel_loss_and_the_host_never_waits(self, batch: CachedBatch, precision: str) -> None:
        side = self.recording(accelerator="cuda", precision=precision, learning_rate=1e-3)
        pinned = batch.pin_memory()
        curve = []
        for number in range(30):
            torch.cuda.set_sync_debug_mode("error" if number > 2 else "default")
            try:
                curve.append(side.room.train(pinned, with_norms=True)["mel"])
            finally:
                torch.cuda.set_sync_debug_mode("default")
        values = torch.stack(curve).tolist()
        assert all(map(math.isfinite, values))
        assert sum(values[-5:]) < 0.95 * sum(values[:5])

    def test_what_can_not_be_recorded_is_told_and_trained_anyway(
        self, batch: CachedBatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        side = self.recording(**SINGLE)
        side.room.train(batch, with_norms=False)
        judge = side.step._judge
        monkeypatch.setattr(side.step, "_judge", lambda *audio: (torch.cuda.synchronize(), judge(*audio))[1])
        for _ in range(2):
            losses = side.room.train(batch, with_norms=False)
            assert math.isfinite(losses["loss_g"].item())
        assert len(side.told) == 1
        assert side.told[0].startswith("steps can't be recorded here (")


class TestLittleMemory:
    """The quality is a real one, so that activations and not the fixed part fill the memory."""

    @pytest.fixture
    def large(self) -> CachedBatch:
        audio = PRESETS["x-low"].audio
        clip = utterances(1)[0]
        noise = (1000 * torch.randn(300 * audio.hop_length)).to(torch.int16).numpy()
        return Collate(audio_config=audio)([replace(clip, audio_S=noise, frames=300)] * 16)

    @pytest.fixture
    def side(self) -> Iterator[Side]:
        yield Side(PRESETS["x-low"], **SINGLE)
        torch.cuda.set_per_process_memory_fraction(1.0)

    def rehearse(self, side: Side, batch: CachedBatch) -> int:
        found = rehearse(side.room, side.models, side.optimization, side.ranks, GPU, [batch])
        assert found is not None
        assert found.measured
        return found.needed_bytes if found.parts == 1 else -found.parts

    def test_a_batch_that_does_not_fit_is_found_and_trained_in_parts(self, side: Side, large: CachedBatch) -> None:
        needed = self.rehearse(side, large)
        assert needed > 0
        before = copy.deepcopy(side.models.state_dict())
        total = torch.cuda.get_device_properties(GPU).total_memory
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(0.75 * needed / total)
        assert self.rehearse(side, large) <= -2
        assert all(torch.equal(value, before[name]) for name, value in side.models.state_dict().items())
        losses = side.room.train(large, with_norms=False)
        assert math.isfinite(float(losses["loss_g"]))
        assert torch.cuda.max_memory_reserved(GPU) <= 0.75 * needed + (64 << 20)

    def test_a_clip_that_never_fits_is_named(self, side: Side, large: CachedBatch) -> None:
        torch.cuda.empty_cache()
        held = torch.cuda.memory_reserved(GPU) + (40 << 20)
        torch.cuda.set_per_process_memory_fraction(held / torch.cuda.get_device_properties(GPU).total_memory)
        with pytest.raises(TrainingError, match=r"this clip alone, 300 frames"):
            side.room.train(large, with_norms=False)


class Rehearsed(Callback):
    """Keeps what was said of the largest batch."""

    found: Rehearsal | None = None

    def on_rehearsal(self, progress: Progress, rehearsal: Rehearsal) -> None:
        self.found = rehearsal


class LargestFirst(MadeUpData):
    """Knows its largest batch."""

    def largest(self, epoch: int) -> list[Batch]:
        return [self._batch(1000 * epoch)]


@pytest.mark.parametrize("precision", ["32-true", "16-mixed"])
def test_a_run_is_rehearsed_stopped_and_goes_on(tmp_path: Path, precision: str) -> None:
    told = Rehearsed()
    for steps in (3, 6):
        wanted = settings(accelerator="cuda", precision=precision, max_steps=steps)
        trainer = Trainer(wanted, CONFIG, LargestFirst(), tmp_path, callbacks=[told])
        assert trainer.fit() == "completed"
        assert trainer.position.step == steps
        assert trainer.models.all_finite()
    assert told.found is not None
    assert told.found.measured
