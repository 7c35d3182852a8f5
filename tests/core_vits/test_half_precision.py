"""Under bfloat16 the parts that can't bear it compute in float32: from the same inputs they give the same bits."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from training_parts import CONFIG, MadeUpData

from core_vits.align import align
from core_vits.config import LossWeights
from core_vits.losses import duration_loss, kl_loss, mel_loss
from core_vits.spectrogram import mel_spectrogram
from core_vits.synthesizer import Synthesizer, TrainingOutput, alignment_score
from core_vits.train.distributed import _set_product_precision, make_fabric
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.settings import TrainSettings
from core_vits.train.step import AdversarialStep


def half() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)


@pytest.fixture
def output() -> TrainingOutput:
    """What a small model computes in float32."""
    torch.manual_seed(1)
    model = Synthesizer(replace(CONFIG, use_sdp=True)).eval()
    (batch, *_) = MadeUpData(batches=1).train(0, 0)
    with torch.no_grad():
        found: TrainingOutput = model(
            batch.phoneme_ids_BT, batch.phoneme_lengths_B, batch.spectrogram_BCF, batch.spectrogram_lengths_B
        )
    return found


def test_the_alignment_is_that_of_float32() -> None:
    generator = torch.Generator().manual_seed(2)
    sample, mean, log_std = (
        torch.randn(*shape, generator=generator) for shape in ((4, 192, 300), (4, 192, 80), (4, 192, 80))
    )
    lengths = torch.tensor([300, 250, 211, 300]), torch.tensor([80, 61, 80, 33])
    full = align(alignment_score(sample, mean, 0.1 * log_std), *lengths)
    with half():
        score = alignment_score(sample, mean, 0.1 * log_std)
        found = align(score, *lengths)
    assert score.dtype == torch.float32
    assert torch.equal(found.phoneme_of_frame_BF, full.phoneme_of_frame_BF)
    assert torch.equal(found.durations_BT, full.durations_BT)


def test_duration_predictor_with_its_spline_computes_in_float32(output: TrainingOutput) -> None:
    torch.manual_seed(1)
    model = Synthesizer(replace(CONFIG, use_sdp=True)).eval()
    noise = torch.randn(2, 2, output.durations_BT.shape[1])
    arguments = (output.text_hidden_BHT, output.text_mask_B1T, output.durations_BT, None, noise)
    full = model._duration_loss(*arguments)
    with half():
        assert torch.equal(model._duration_loss(*arguments), full)


def test_kl_duration_and_mel_losses_are_those_of_float32(output: TrainingOutput) -> None:
    target = mel_spectrogram(torch.rand(2, 2048) - 0.5, CONFIG.audio)

    def losses() -> list[float]:
        made = mel_spectrogram(output.audio_B1S.squeeze(1), CONFIG.audio)
        return [kl_loss(output).item(), duration_loss(output).item(), mel_loss(target, made).item()]

    full = losses()
    with half():
        assert losses() == full


@pytest.mark.parametrize("kind", ["ieee", "tf32"])
def test_tf32_is_switched_for_matrix_products_and_convolutions(kind: str) -> None:
    backends = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [backend.fp32_precision for backend in backends]
    try:
        _set_product_precision(kind)
        assert [backend.fp32_precision for backend in backends] == [kind, kind]
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.fp32_precision = value


def test_a_step_in_bfloat16_keeps_weights_and_losses_in_float32_and_near_those_of_float32() -> None:
    found: dict[str, dict[str, float]] = {}
    (batch, *_) = MadeUpData(batches=1).train(0, 0)
    for precision in ("32-true", "bf16-mixed"):
        settings = TrainSettings(accelerator="cpu", precision=precision)
        torch.manual_seed(1)
        models = VoiceModels(replace(CONFIG, use_sdp=True)).eval()
        optimization = Optimization(models.model_g.parameters(), models.judges(), settings)
        step = AdversarialStep(make_fabric(settings), models, optimization, LossWeights())
        torch.manual_seed(2)
        losses = step.train(batch, with_norms=True)
        assert all(loss.dtype == torch.float32 for loss in losses.values())
        assert all(weight.dtype == torch.float32 for weight in models.parameters())
        assert all(torch.isfinite(weight.grad).all() for weight in models.parameters() if weight.grad is not None)
        found[precision] = {name: loss.item() for name, loss in losses.items()}
    for name, full in found["32-true"].items():
        assert math.isclose(found["bf16-mixed"][name], full, rel_tol=0.05), name
    assert found["bf16-mixed"] != found["32-true"], "nothing was computed in half precision"
