"""The shared pass through the discriminators learns what Piper's separate passes learn."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from bench.count_step import Launches
from torch import Tensor, nn
from vits_batch import Model, make_batch

from core_vits.config import PRESETS, LossWeights, ModelConfig
from core_vits.dataset import Batch
from core_vits.train.distributed import make_fabric
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.settings import TrainSettings
from core_vits.train.step import AdversarialStep

TINY = PRESETS["tiny"]
VARIANTS: dict[str, ModelConfig] = {
    "tiny": TINY,
    "stochastic durations": replace(TINY, use_sdp=True),
    "several speakers": replace(TINY, num_speakers=3, gin_channels=8),
    "multi-resolution": replace(TINY, use_mrd=True),
}


@pytest.fixture(params=list(VARIANTS))
def pair(request: pytest.FixtureRequest) -> tuple[Model, VoiceModels, Batch]:
    """One model twice, in the two forms, without dropout; and a batch for it."""
    config = VARIANTS[request.param]
    torch.manual_seed(5)
    model = Model(config)
    for module in modules(model):
        module.eval()
    models = VoiceModels(config).eval()
    models.model_g.load_state_dict(model.synthesizer.state_dict())
    models.model_d.load_state_dict(model.waveform.state_dict())
    if model.resolution is not None and models.resolution is not None:
        models.resolution.load_state_dict(model.resolution.state_dict())
    made = make_batch(config, frames=[60, 40, 25], texts=[20, 11, 7])
    batch = Batch(
        made.ids_BT, made.text_lengths_B, made.spectrogram_BNF, made.frame_lengths_B, made.audio_B1S,
        made.frame_lengths_B * config.audio.hop_length, made.speaker_ids_B, ("a", "b", "c"),
    )  # fmt: skip
    return model, models, batch


def modules(model: Model) -> list[nn.Module]:
    return [module for module in (model.synthesizer, model.waveform, model.resolution) if module is not None]


def one_step(models: VoiceModels, batch: Batch) -> dict[str, Tensor]:
    """Train; the parameters keep their gradients."""
    settings = TrainSettings(accelerator="cpu")
    optimization = Optimization(models.model_g.parameters(), models.judges(), settings)
    step = AdversarialStep(make_fabric(settings), models, optimization, LossWeights())
    torch.manual_seed(9)
    return step.train(batch, with_norms=True)


def in_passes_of_their_own(model: Model, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradients of generator and discriminators, as Piper computes them."""
    torch.manual_seed(9)
    made = make_batch(model.config, frames=[60, 40, 25], texts=[20, 11, 7])
    assert torch.equal(made.audio_B1S, batch.audio_B1S)
    torch.manual_seed(9)
    generator, discriminator = model.losses(made)
    generator.total.backward()
    by_generator = gradients(model.synthesizer)
    for module in modules(model):
        module.zero_grad(set_to_none=True)
    discriminator.total.backward()
    judges = gradients(model.waveform, "model_d.")
    if model.resolution is not None:
        judges |= gradients(model.resolution, "model_mrd.")
    return by_generator, judges


def gradients(module: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    return {prefix + name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def test_gradients_are_those_of_separate_passes(pair: tuple[Model, VoiceModels, Batch]) -> None:
    model, models, batch = pair
    wanted_g, wanted_d = in_passes_of_their_own(model, batch)
    losses = one_step(models, batch)
    found_g = gradients(models.model_g)
    found_d = {name: value for name, value in gradients(models).items() if not name.startswith("model_g.")}
    for side, wanted, found in (("g", wanted_g, found_g), ("d", wanted_d, found_d)):
        assert found.keys() == wanted.keys()
        whole = torch.cat([value.double().flatten() for value in wanted.values()]).norm()
        for name, value in wanted.items():
            # Relative to the parameter, or for those whose gradient is rounding (the keys' bias) to the whole.
            assert (found[name] - value).norm() < 1e-5 * value.norm() + 1e-7 * whole, name
        assert losses[f"grad_norm/{side}"] == pytest.approx(float(whole), rel=1e-5)


def test_each_signal_passes_each_discriminator_once(pair: tuple[Model, VoiceModels, Batch]) -> None:
    _, models, batch = pair
    heard = []
    judges = [models.model_d, *([models.resolution] if models.resolution is not None else [])]
    for judge in judges:
        judge.register_forward_hook(lambda *_: heard.append(1))
    one_step(models, batch)
    assert len(heard) == 2 * len(judges)


def test_no_weight_of_a_discriminator_learns_from_the_generators_loss(pair: tuple[Model, VoiceModels, Batch]) -> None:
    _, models, batch = pair
    alone = copy.deepcopy(models)
    one_step(models, batch)
    # The same step with a generator's loss of nothing but its own terms: the judges must not notice.
    weights = LossWeights(mel=0.0, kl=0.0)
    settings = TrainSettings(accelerator="cpu")
    optimization = Optimization(alone.model_g.parameters(), alone.judges(), settings)
    step = AdversarialStep(make_fabric(settings), alone, optimization, weights)
    torch.manual_seed(9)
    step.train(batch, with_norms=False)
    for one, other in zip(models.judges(), alone.judges(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)


def test_a_step_launches_few_operators_and_waits_for_none() -> None:
    # How many there are depends on the number of layers, not on their width.
    config = replace(
        PRESETS["medium"], hidden_channels=8, inter_channels=8, filter_channels=16, upsample_initial_channel=64,
        discriminator_width_divisor=32,
    )  # fmt: skip
    models = VoiceModels(config).train()
    settings = TrainSettings(accelerator="cpu")
    optimization = Optimization(models.model_g.parameters(), models.judges(), settings)
    step = AdversarialStep(make_fabric(settings), models, optimization, LossWeights())
    made = make_batch(config, frames=[40, 36], texts=[12, 9])
    batch = Batch(
        made.ids_BT, made.text_lengths_B, made.spectrogram_BNF, made.frame_lengths_B, made.audio_B1S,
        made.frame_lengths_B * config.audio.hop_length, None, ("a", "b"),
    )  # fmt: skip
    step.train(batch, with_norms=False)
    with Launches() as counted:
        step.train(batch, with_norms=False)
    assert counted.launches <= 4300
    assert counted.waits == 0
