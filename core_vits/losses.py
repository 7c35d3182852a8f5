"""The loss terms of VITS (Kim et al. 2021, sec. 2.1 to 2.3) and their sums, in float32.

Legend: B utterances, D latent channels, F frames, M mel bands, S samples, L frames of a training segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core_vits.config import LossWeights, ModelConfig
from core_vits.discriminators import DiscriminatorOutput
from core_vits.layers.segments import pad_to, slice_segments
from core_vits.spectrogram import mel_from_linear
from core_vits.synthesizer import TrainingOutput

# Factor of the feature loss in HiFi-GAN, part of the loss as Piper reports it.
FEATURE_FACTOR = 2.0

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

    1 where there is one part, or all are of the same size.
    """

    utterances: float = 1.0
    """For means over utterances: segments all have one length."""
    frames: float = 1.0
    """For means over frames: KL."""
    phonemes: float = 1.0
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


def generator_loss(fake_logits: Sequence[Tensor]) -> Tensor:
    """Least-squares loss of the generator, summed over sub-discriminators: generated audio should be judged 1."""
    return _sum([(1.0 - logit.float()).square().mean() for logit in fake_logits])


def discriminator_loss(real_logits: Sequence[Tensor], fake_logits: Sequence[Tensor]) -> Tensor:
    """Least-squares loss of the discriminators, summed: recorded audio should be judged 1, generated 0."""
    real = [(1.0 - logit.float()).square().mean() for logit in real_logits]
    fake = [logit.float().square().mean() for logit in fake_logits]
    return _sum([*real, *fake])


def feature_loss(real_features: Sequence[Sequence[Tensor]], fake_features: Sequence[Sequence[Tensor]]) -> Tensor:
    """Twice the mean absolute difference of each layer's output, summed over layers and sub-discriminators."""
    differences = [
        (real.detach().float() - fake.float()).abs().mean()
        for real_layers, fake_layers in zip(real_features, fake_features, strict=True)
        for real, fake in zip(real_layers, fake_layers, strict=True)
    ]
    return FEATURE_FACTOR * _sum(differences)


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


def _sum(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()
