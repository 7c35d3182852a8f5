"""One batch of the game between generator and discriminators.

Legend: B utterances, S samples, L frames of a training segment.

Piper computes both losses with the same discriminator weights, then steps the generator, then the discriminators. The
order here is the same. Two passes through the discriminators are made: the first without gradients of their weights
(Piper computes those in the generator's pass and throws them away), the second on the detached audio.
"""

from __future__ import annotations

from collections.abc import Mapping

from lightning.fabric import Fabric
from torch import Tensor

from core_vits.config import LossWeights
from core_vits.dataset import Batch
from core_vits.discriminators import judge_pair
from core_vits.losses import (
    ALONE,
    DiscriminatorLosses,
    GeneratorLosses,
    Pair,
    Shares,
    TargetSegments,
    discriminator_losses,
    generator_losses,
    target_segments,
)
from core_vits.spectrogram import mel_spectrogram
from core_vits.synthesizer import TrainingOutput
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization, gradient_norm
from core_vits.train.ranks import GradientMean, Ranks

Losses = dict[str, Tensor]


class AdversarialStep:
    """Trains and evaluates batches that are already on the device."""

    def __init__(
        self,
        fabric: Fabric,
        models: VoiceModels,
        optimization: Optimization,
        weights: LossWeights,
        ranks: Ranks | None = None,
    ) -> None:
        """Listen to the gradients of the models.

        Args:
            fabric: precision and device.
            models: to train.
            optimization: their optimizers.
            weights: of the loss terms.
            ranks: the processes that train together; found out if not given.
        """
        self._fabric = fabric
        self._models = models
        self._optimization = optimization
        # Fabric's wrappers scale losses under 16-bit precision; the plain optimizers own the state.
        self._step_generator, self._step_judges = (
            fabric.setup_optimizers(optimizer) for optimizer in optimization.optimizers
        )
        self._weights = weights
        ranks = ranks or Ranks(fabric)
        self._generator_mean = GradientMean(ranks, list(models.model_g.parameters()))
        self._judges_mean = GradientMean(ranks, list(models.judges()))

    def train(self, batch: Batch, *, with_norms: bool, shares: Shares = ALONE) -> Losses:
        """Train on one batch; returns 0-dim tensors on the device.

        Args:
            batch: on the device; this process's part of it.
            with_norms: also compute `grad_norm/g` and `grad_norm/d`.
            shares: of this part in the whole batch; the mean of the processes' losses is the loss of the whole batch.
        """
        judges = list(self._models.judges())
        with self._fabric.autocast():
            output, targets = self._generate(batch)
            for parameter in judges:
                parameter.requires_grad_(False)
            losses_g = self._generator_losses(output, targets, shares)
            for parameter in judges:
                parameter.requires_grad_(True)
        generator = list(self._models.model_g.parameters())
        self._step_generator.zero_grad(set_to_none=True)
        self._fabric.backward(losses_g.total)
        self._generator_mean.finish()
        norms = {"grad_norm/g": gradient_norm(generator) / self._loss_scale()} if with_norms else {}
        self._step_generator.step()

        with self._fabric.autocast():
            losses_d = self._judge_losses(targets.audio_B1S, output.audio_B1S.detach(), shares)
        self._step_judges.zero_grad(set_to_none=True)
        self._fabric.backward(losses_d.total)
        self._judges_mean.finish()
        if with_norms:
            norms["grad_norm/d"] = gradient_norm(judges) / self._loss_scale()
        self._step_judges.step()
        return {**_named(losses_g, losses_d), **norms}

    def _loss_scale(self) -> float:
        """What losses, and so gradients, are multiplied with at this moment; 1 unless precision is 16-mixed."""
        scaler = getattr(self._fabric.strategy.precision, "scaler", None)
        return float(scaler.get_scale()) if scaler is not None else 1.0

    def evaluate(self, batch: Batch) -> Losses:
        """The losses of a batch without learning from it; the caller has switched gradients off."""
        with self._fabric.autocast():
            output, targets = self._generate(batch)
            losses_g = self._generator_losses(output, targets, ALONE)
            losses_d = self._judge_losses(targets.audio_B1S, output.audio_B1S, ALONE)
        return _named(losses_g, losses_d)

    def _generate(self, batch: Batch) -> tuple[TrainingOutput, TargetSegments]:
        output: TrainingOutput = self._models.model_g(
            batch.phoneme_ids_BT,
            batch.phoneme_lengths_B,
            batch.spectrogram_BCF,
            batch.spectrogram_lengths_B,
            batch.speaker_ids_B,
        )
        targets = target_segments(output, batch.audio_B1S, batch.spectrogram_BCF, self._models.config)
        return output, targets

    def _judge(self, real_B1S: Tensor, fake_B1S: Tensor) -> tuple[Pair, Pair | None]:
        waveform = judge_pair(self._models.model_d, real_B1S, fake_B1S)
        resolution = self._models.resolution
        return waveform, judge_pair(resolution, real_B1S, fake_B1S) if resolution is not None else None

    def _generator_losses(self, output: TrainingOutput, targets: TargetSegments, shares: Shares) -> GeneratorLosses:
        waveform, resolution = self._judge(targets.audio_B1S, output.audio_B1S)
        fake_mel_BML = mel_spectrogram(output.audio_B1S.squeeze(1), self._models.config.audio)
        return generator_losses(
            output,
            targets.mel_BML,
            fake_mel_BML,
            waveform=waveform,
            weights=self._weights,
            resolution=resolution,
            shares=shares,
        )

    def _judge_losses(self, real_B1S: Tensor, fake_B1S: Tensor, shares: Shares) -> DiscriminatorLosses:
        waveform, resolution = self._judge(real_B1S, fake_B1S)
        return discriminator_losses(waveform=waveform, resolution=resolution, shares=shares)


def _named(generator: GeneratorLosses, judges: DiscriminatorLosses) -> Losses:
    """The terms under the names of the curves."""
    terms: Mapping[str, Tensor | None] = {
        "mel": generator.mel,
        "kl": generator.kl,
        "duration": generator.duration,
        "feature": generator.feature,
        "generator": generator.generator,
        "discriminator": judges.discriminator,
        "mrd_feature": generator.resolution_feature,
        "mrd_generator": generator.resolution_generator,
        "mrd_discriminator": judges.resolution,
        "loss_g": generator.total,
        "loss_d": judges.total,
    }
    return {name: value for name, value in terms.items() if value is not None}
