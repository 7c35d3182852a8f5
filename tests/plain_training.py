"""A training step written out plainly: what every shortcut of the real one must be equal to.

Both losses have discriminator passes of their own, each weight is normalised in each pass, windows are cut utterance by
utterance, every derivative is the recorded one and AdamW steps one parameter after the other.

Legend: B utterances, C channels, D hidden channels, F frames, K spline bins, S samples, T phonemes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional
from vits_batch import make_batch

from core_vits.config import LossWeights, ModelConfig
from core_vits.dataset import Batch
from core_vits.layers.duration import DepthwiseConv
from core_vits.losses import Pair, discriminator_losses, generator_losses, target_segments
from core_vits.spectrogram import mel_spectrogram
from core_vits.train.distributed import make_fabric
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.settings import ADAM_EPSILON, BETAS, BETAS_D, WEIGHT_DECAY, TrainSettings
from core_vits.train.step import AdversarialStep


def gate(pre_BDF: Tensor) -> Tensor:
    filtered, opening = pre_BDF.chunk(2, dim=1)
    return torch.tanh(filtered) * torch.sigmoid(opening)


def depthwise(self: DepthwiseConv, x_BTD: Tensor) -> Tensor:
    out = functional.conv1d(
        x_BTD.transpose(1, 2), self.weight, self.bias, padding=self.reach, dilation=self.reach, groups=self.groups
    )
    return out.transpose(1, 2)


def weight_norm(weight_v: Tensor, weight_g: Tensor, _: int) -> Tensor:
    lengths = weight_v.flatten(1).norm(dim=1).reshape(-1, *[1] * (weight_v.dim() - 1))
    return weight_g * weight_v / lengths


def slice_segments(x_BCX: Tensor, starts_B: Tensor, length: int) -> Tensor:
    windows = []
    for x_CX, start in zip(x_BCX, starts_B.tolist(), strict=True):
        window = x_CX[:, start : start + length]
        windows.append(functional.pad(window, (0, length - window.shape[1])))
    return torch.stack(windows)


def feature_loss(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    total = torch.zeros(())
    for real_layers, fake_layers in zip(real, fake, strict=True):
        for one, other in zip(real_layers, fake_layers, strict=True):
            total = total + (one.detach() - other).abs().mean()
    return 2.0 * total


def generator_loss(fake: Sequence[Tensor]) -> Tensor:
    return torch.stack([(1.0 - logit).square().mean() for logit in fake]).sum()


def discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    return generator_loss(real) + torch.stack([logit.square().mean() for logit in fake]).sum()


def spline(x: Tensor, sizes_2K: Tensor, slopes_K: Tensor, *, bound: float, reverse: bool) -> tuple[Tensor, Tensor]:
    """Forward only: Durkan et al. 2019, eq. 4 and 5 as they stand there."""
    assert not reverse
    bins = sizes_2K.shape[-1]
    shares_2K = 1e-3 + (1.0 - 1e-3 * bins) * sizes_2K.softmax(-1)
    inner = 2.0 * bound * shares_2K.cumsum(-1)[..., :-1] - bound
    ends = torch.full_like(inner[..., :1], bound)
    knots_x, knots_y = torch.cat((-ends, inner, ends), dim=-1).unbind(-2)
    border = torch.full_like(slopes_K[..., :1], math.log(math.expm1(1.0 - 1e-3)))
    slopes = 1e-3 + functional.softplus(torch.cat((border, slopes_K, border), dim=-1))
    clamped = x.clamp(-bound, bound)
    index = (clamped.unsqueeze(-1) >= knots_x[..., 1:-1]).sum(-1, keepdim=True)

    def at(values: Tensor, offset: int) -> Tensor:
        return values.gather(-1, index + offset).squeeze(-1)

    width, height = at(knots_x, 1) - at(knots_x, 0), at(knots_y, 1) - at(knots_y, 0)
    mean, left, right = height / width, at(slopes, 0), at(slopes, 1)
    position = (clamped - at(knots_x, 0)) / width
    product = position * (1.0 - position)
    denominator = mean + (right + left - 2.0 * mean) * product
    y = at(knots_y, 0) + height * (mean * position.square() + left * product) / denominator
    derivative = mean.square() * (
        right * position.square() + 2.0 * mean * product + left * (1.0 - position).square()
    ) / denominator.square()  # fmt: skip
    inside = (x >= -bound) & (x <= bound)
    return torch.where(inside, y, x), torch.where(inside, derivative.log(), torch.zeros_like(y))


CURVES = ("mel", "kl", "duration", "feature", "generator", "discriminator")
Curves = dict[str, list[float]]

FORMS = (
    ("core_vits.layers.wavenet.gate", gate),
    ("core_vits.layers.duration.DepthwiseConv.forward", depthwise),
    ("core_vits.layers.duration.rational_quadratic_spline", spline),
    ("core_vits.synthesizer.slice_segments", slice_segments),
    ("core_vits.losses.slice_segments", slice_segments),
    ("core_vits.losses.feature_loss", feature_loss),
    ("core_vits.losses.generator_loss", generator_loss),
    ("core_vits.losses.discriminator_loss", discriminator_loss),
    ("torch._weight_norm", weight_norm),
)


@contextmanager
def plain_forms() -> Iterator[None]:
    """Every layer and loss that has a shortcut computes without it meanwhile."""
    with ExitStack() as stack:
        for target, form in FORMS:
            stack.enter_context(patch(target, form))
        yield


class PlainStep:
    """Trains as Piper does, one operation after the other."""

    def __init__(self, models: VoiceModels, settings: TrainSettings) -> None:
        self._models = models
        common = {"eps": ADAM_EPSILON, "weight_decay": WEIGHT_DECAY, "foreach": False, "fused": False}
        self.generator = torch.optim.AdamW(
            models.model_g.parameters(), lr=settings.learning_rate, betas=BETAS, **common
        )
        self.judges = torch.optim.AdamW(models.judges(), lr=settings.learning_rate_d, betas=BETAS_D, **common)

    def train(self, batch: Batch) -> dict[str, Tensor]:
        """Train on one batch; the losses under the names of the curves."""
        with plain_forms():
            return self._train(batch)

    def _train(self, batch: Batch) -> dict[str, Tensor]:
        config = self._models.config
        output = self._models.model_g(
            batch.phoneme_ids_BT, batch.phoneme_lengths_B, batch.spectrogram_BCF, batch.spectrogram_lengths_B,
            batch.speaker_ids_B,
        )  # fmt: skip
        targets = target_segments(output, batch.audio_B1S, batch.spectrogram_BCF, config)
        fake_mel = mel_spectrogram(output.audio_B1S.squeeze(1), config.audio)
        real, fake = targets.audio_B1S, output.audio_B1S
        waveform, resolution = self._judge(real, fake)
        of_generator = generator_losses(
            output, targets.mel_BML, fake_mel, waveform=waveform, weights=LossWeights(), resolution=resolution
        )
        waveform, resolution = self._judge(real, fake.detach())
        of_judges = discriminator_losses(waveform=waveform, resolution=resolution)
        self.generator.zero_grad()
        of_generator.total.backward()
        self.generator.step()
        self.judges.zero_grad()
        of_judges.total.backward()
        self.judges.step()
        losses = {name: getattr(of_generator, name).detach() for name in CURVES[:-1]}
        return {**losses, CURVES[-1]: of_judges.discriminator.detach()}

    def _judge(self, real_B1S: Tensor, fake_B1S: Tensor) -> tuple[Pair, Pair | None]:
        judge, resolution = self._models.model_d, self._models.resolution
        waveform = (judge(real_B1S), judge(fake_B1S))
        return waveform, (resolution(real_B1S), resolution(fake_B1S)) if resolution is not None else None


def batches(config: ModelConfig, steps: int) -> Iterator[Batch]:
    """Buzzing clips of differing lengths; a few distinct ones again and again, so that there is something to learn."""
    kept = []
    for number in range(min(steps, 12)):
        frames = [60 + 7 * number % 30, 48, 40 + number]
        made = make_batch(config, frames=frames, texts=[frame // 3 for frame in frames], seed=number)
        kept.append(
            Batch(
                keys=("a", "b", "c"),
                phoneme_ids_BT=made.ids_BT,
                phoneme_lengths_B=made.text_lengths_B,
                spectrogram_BCF=made.spectrogram_BNF,
                spectrogram_lengths_B=made.frame_lengths_B,
                audio_B1S=made.audio_B1S,
                audio_lengths_B=made.frame_lengths_B * config.audio.hop_length,
                speaker_ids_B=made.speaker_ids_B,
            )
        )
    for step in range(steps):
        yield kept[step % len(kept)]


Train = Callable[[Batch], dict[str, Tensor]]
"""Trains on one batch; the losses under the names of the curves."""


def new_models(config: ModelConfig, nudge: int = 0) -> VoiceModels:
    """Always the same first weights; with a `nudge` each moves to the next number above or below, at random."""
    torch.manual_seed(3)
    models = VoiceModels(config).train()
    draw = torch.Generator().manual_seed(nudge)
    for parameter in models.parameters() if nudge else ():
        up = torch.rand(parameter.shape, generator=draw) < 0.5
        parameter.data = torch.nextafter(parameter.data, torch.where(up, math.inf, -math.inf))
    return models


def real_step(models: VoiceModels, weights: LossWeights | None = None) -> tuple[AdversarialStep, Optimization]:
    """The step that is trained with, and its optimizers."""
    settings = TrainSettings(accelerator="cpu")
    optimization = Optimization(models.model_g.parameters(), models.judges(), settings)
    return AdversarialStep(make_fabric(settings), models, optimization, weights or LossWeights()), optimization


def plain_step(models: VoiceModels) -> PlainStep:
    """The one without shortcuts, with the same learning rates."""
    return PlainStep(models, TrainSettings(accelerator="cpu"))


def curves_of(train: Train, config: ModelConfig, steps: int) -> Curves:
    """The loss curves of a training from its first step, always with the same batches and random numbers."""
    curves: Curves = {name: [] for name in CURVES}
    for number, batch in enumerate(batches(config, steps)):
        torch.manual_seed(number)
        losses = train(batch)
        for name, curve in curves.items():
            curve.append(losses[name].item())
    return curves


def loss_curves(config: ModelConfig, steps: int, nudge: int = 0) -> tuple[Curves, Curves]:
    """The loss curves of the real step and of the plain one, from the same weights, batches and random numbers."""
    step, _ = real_step(new_models(config, nudge))
    ours = curves_of(lambda batch: step.train(batch, with_norms=False), config, steps)
    return ours, curves_of(plain_step(new_models(config, nudge)).train, config, steps)


@contextmanager
def other_kernels() -> Iterator[None]:
    """Convolutions add up in another order meanwhile: torch's own kernels instead of those of oneDNN."""
    before = torch._C._get_mkldnn_enabled()  # type: ignore[attr-defined]
    torch._C._set_mkldnn_enabled(False)  # type: ignore[attr-defined]  # its `flags` set other things as well, and warn
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)  # type: ignore[attr-defined]


def apart(ours: list[float], theirs: list[float], window: int = 1) -> float:
    """The largest difference of two curves, or of their means over windows, relative to the second."""
    one, other = (torch.tensor(curve).double().unfold(0, window, window).mean(1) for curve in (ours, theirs))
    return float(((one - other).abs() / other.abs()).max())
