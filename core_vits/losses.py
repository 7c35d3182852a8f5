"""The loss terms of VITS (Kim et al. 2021, sec. 2.1 to 2.3) and their sums, in float32.

Legend: B utterances, D latent channels, F frames, M mel bands, S samples, L frames of a training segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from core_vits.config import LossWeights, ModelConfig
from core_vits.discriminators import DiscriminatorOutput
from core_vits.layers.segments import pad_to, slice_segments
from core_vits.spectrogram import mel_from_linear
from core_vits.synthesizer import TrainingOutput

# Factor of the feature loss in HiFi-GAN, part of the loss as Piper reports it.
FEATURE_FACTOR = 2.0

Losses = dict[str, Tensor]
"""Terms by the names of their curves, 0-dim tensors on the device."""
Pair = tuple[DiscriminatorOutput, DiscriminatorOutput]
"""A discriminator's output for recorded and for generated audio."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetSegments:
    """The recorded counterpart of the generated segment."""

    audio_B1S: Tensor
    mel_BML: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """What the means over one part of a batch are multiplied by, so that the mean over all parts is that of the batch.

    1 where there is one part, or all are of the same size. 0-dim tensors where a step is recorded once for all shares.
    """

    utterances: float | Tensor = 1.0
    """For means over utterances: segments all have one length."""
    frames: float | Tensor = 1.0
    """For means over frames: KL."""
    phonemes: float | Tensor = 1.0
    """For means over phonemes: duration."""


ALONE = Shares()
"""The part is the batch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorLosses:
    """The generator's terms, unweighted 0-dim tensors, and their weighted sums."""

    own: Tensor
    """Weighted sum of what no discriminator has a say in: mel, KL and duration."""
    judged: Tensor
    """Sum of what the discriminators say: `generator` and `feature`, of all of them."""
    mel: Tensor
    kl: Tensor
    duration: Tensor
    feature: Tensor
    generator: Tensor
    resolution_feature: Tensor | None = None
    resolution_generator: Tensor | None = None

    @property
    def total(self) -> Tensor:
        """The loss of the generator."""
        return self.judged + self.own


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscriminatorLosses:
    """The discriminators' terms, 0-dim tensors, and their sum `total`."""

    total: Tensor
    discriminator: Tensor
    resolution: Tensor | None = None


def target_segments(
    output: TrainingOutput, audio_B1S: Tensor, spectrogram_BNF: Tensor, config: ModelConfig
) -> TargetSegments:
    """Cut recording and mel spectrogram where the generated segment was cut; silence behind a short utterance."""
    starts = output.slice_starts_B
    spectrogram_BNF = pad_to(spectrogram_BNF, config.segment_frames)
    mel_BMF = mel_from_linear(spectrogram_BNF, config.audio)
    return TargetSegments(
        audio_B1S=slice_segments(audio_B1S, starts * config.audio.hop_length, config.segment_size),
        mel_BML=slice_segments(mel_BMF, starts, config.segment_frames),
    )


class _SumOfMeanDistances(torch.autograd.Function):
    """Sum over pairs of tensors of their mean absolute difference, differentiable by the second of each pair.

    Recorded one by one, the feature loss is seven operators for each of 37 layers, 5 % of all that a training step
    launches. Here each operator takes all layers at once; `torch._foreach_*` alone would not do, because its recorded
    derivatives take one layer at a time again. The price is a derivative written by hand: -sign / size.
    """

    @staticmethod
    def forward(ctx: Any, half: int, *tensors: Tensor) -> Tensor:
        differences = torch._foreach_sub(tensors[:half], tensors[half:])
        ctx.save_for_backward(*differences)
        # Added up in float64: on a CPU this operator has no tree to add in, and float32 loses five digits of a layer.
        sums = torch.stack(torch._foreach_norm(differences, 1, dtype=torch.float64))
        return (sums * _shares(tuple(part.numel() for part in differences), sums.device)).sum().float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        differences = ctx.saved_tensors
        found = torch._foreach_sign(differences)
        torch._foreach_mul_(found, gradients[0].to(found[0].dtype))
        torch._foreach_mul_(found, [-1.0 / part.numel() for part in differences])
        return None, *[None] * len(found), *found


@lru_cache(maxsize=64)
def _shares(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    """1 / size of each; kept, because a new one would have to be sent to the device."""
    return torch.tensor(sizes, dtype=torch.float64, device=device).reciprocal()


@lru_cache(maxsize=64)
def _shares_of_columns(sizes: tuple[int, ...], rows: int, device: torch.device) -> Tensor:
    """For each column of matrices beside each other, 1 / size of its matrix; kept for the same reason."""
    return torch.cat([torch.full((columns,), 1.0 / (rows * columns)) for columns in sizes]).to(device)


def _sum_of_mean_squares(logits: Sequence[Tensor], wanted: float) -> Tensor:
    """Sum over matrices of their mean squared difference from a number; beside each other they are one matrix."""
    rows = logits[0].shape[0]
    share = _shares_of_columns(tuple(part.shape[1] for part in logits), rows, logits[0].device)
    return ((torch.cat(tuple(logits), dim=1).float() - wanted).square() * share).sum()


def generator_loss(fake_logits: Sequence[Tensor]) -> Tensor:
    """Least-squares loss of the generator, summed over sub-discriminators: generated audio should be judged 1."""
    return _sum_of_mean_squares(fake_logits, 1.0)


def discriminator_loss(real_logits: Sequence[Tensor], fake_logits: Sequence[Tensor]) -> Tensor:
    """Least-squares loss of the discriminators, summed: recorded audio should be judged 1, generated 0."""
    return _sum_of_mean_squares(real_logits, 1.0) + _sum_of_mean_squares(fake_logits, 0.0)


def feature_loss(real_features: Sequence[Sequence[Tensor]], fake_features: Sequence[Sequence[Tensor]]) -> Tensor:
    """Twice the mean absolute difference of each layer's output, summed over layers and sub-discriminators."""
    real = [layer.detach() for layers in real_features for layer in layers]
    fake = [layer for layers in fake_features for layer in layers]
    total: Tensor = _SumOfMeanDistances.apply(len(real), *real, *fake)  # type: ignore[no-untyped-call]
    return FEATURE_FACTOR * total


def mel_loss(real_mel_BML: Tensor, fake_mel_BML: Tensor) -> Tensor:
    """Mean absolute difference of log mel spectrograms."""
    return (real_mel_BML - fake_mel_BML).abs().mean()


def kl_loss(output: TrainingOutput) -> Tensor:
    """Divergence of the posterior from the text's prior, estimated by the sample: per frame, summed over channels."""
    sample, mean = output.prior_sample_BDF.float(), output.prior_mean_BDF.float()
    log_std = output.prior_log_std_BDF.float()
    distance = 0.5 * (sample - mean).square() * (-2.0 * log_std).exp()
    divergence = log_std - output.posterior_log_std_BDF.float() - 0.5 + distance
    mask = output.frame_mask_B1F.float()
    return (divergence * mask).sum() / mask.sum()


def duration_loss(output: TrainingOutput) -> Tensor:
    """Sum of the utterances' shares."""
    return output.duration_loss_B.float().sum()


def generator_losses(
    output: TrainingOutput,
    target_mel_BML: Tensor,
    fake_mel_BML: Tensor,
    *,
    waveform: Pair,
    weights: LossWeights,
    resolution: Pair | None = None,
    shares: Shares = ALONE,
) -> GeneratorLosses:
    """All terms of the generator.

    Args:
        output: of the training forward.
        target_mel_BML: from `target_segments`.
        fake_mel_BML: mel spectrogram of the generated segment.
        waveform: judgements of the waveform discriminator on the recorded and the generated segment.
        weights: of mel and KL.
        resolution: judgements of the multi-resolution discriminator, if the model has one.
        shares: of this part of a batch in the whole batch; the terms are multiplied by them.
    """
    mel = mel_loss(target_mel_BML, fake_mel_BML) * shares.utterances
    kl = kl_loss(output) * shares.frames
    duration = duration_loss(output) * shares.phonemes
    own = weights.mel * mel + duration + weights.kl * kl
    feature = feature_loss(waveform[0].features, waveform[1].features) * shares.utterances
    generator = generator_loss(waveform[1].logits) * shares.utterances
    judged = generator + feature
    resolution_feature = resolution_generator = None
    if resolution is not None:
        resolution_feature = feature_loss(resolution[0].features, resolution[1].features) * shares.utterances
        resolution_generator = generator_loss(resolution[1].logits) * shares.utterances
        judged = judged + resolution_generator + resolution_feature
    return GeneratorLosses(
        own=own,
        judged=judged,
        mel=mel,
        kl=kl,
        duration=duration,
        feature=feature,
        generator=generator,
        resolution_feature=resolution_feature,
        resolution_generator=resolution_generator,
    )


def discriminator_losses(
    *, waveform: Pair, resolution: Pair | None = None, shares: Shares = ALONE
) -> DiscriminatorLosses:
    """All terms of the discriminators, multiplied by the `shares` of this part of a batch in the whole batch.

    Only gradients of discriminator parameters are meant to be taken.
    """
    discriminator = discriminator_loss(waveform[0].logits, waveform[1].logits) * shares.utterances
    if resolution is None:
        return DiscriminatorLosses(total=discriminator, discriminator=discriminator)
    extra = discriminator_loss(resolution[0].logits, resolution[1].logits) * shares.utterances
    return DiscriminatorLosses(total=discriminator + extra, discriminator=discriminator, resolution=extra)
