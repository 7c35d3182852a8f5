"""Made-up batches and one whole training step, for tests that need a model at work rather than a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core_vits.config import LossWeights, ModelConfig
from core_vits.discriminators import MultiResolutionDiscriminator, WaveformDiscriminator
from core_vits.losses import (
    DiscriminatorLosses,
    GeneratorLosses,
    discriminator_losses,
    generator_losses,
    target_segments,
)
from core_vits.spectrogram import linear_spectrogram, mel_spectrogram
from core_vits.synthesizer import Synthesizer, TrainingOutput


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Input of a training step."""

    ids_BT: Tensor
    text_lengths_B: Tensor
    spectrogram_BNF: Tensor
    frame_lengths_B: Tensor
    audio_B1S: Tensor
    speaker_ids_B: Tensor | None


def make_batch(
    config: ModelConfig, *, frames: Sequence[int], texts: Sequence[int], seed: int = 0, samples_beyond: int = 0
) -> Batch:
    """Buzzing tones of different pitch, one utterance per entry of `frames`, zero-padded as a loader does."""
    generator = torch.Generator().manual_seed(seed)
    hop = config.audio.hop_length
    longest = max(frames)
    audio = torch.zeros(len(frames), 1, longest * hop + samples_beyond)
    spectrogram = torch.zeros(len(frames), config.audio.spectrogram_bins, longest)
    ids = torch.zeros(len(frames), max(texts), dtype=torch.int64)
    for item, (length, text) in enumerate(zip(frames, texts, strict=True)):
        time = torch.arange(length * hop) / config.audio.sample_rate
        pitch = 100.0 + 40.0 * item
        clip = sum((torch.sin(2 * torch.pi * pitch * k * time) / k for k in range(1, 9)), torch.zeros_like(time))
        clip = 0.1 * clip + 0.003 * torch.randn(time.shape, generator=generator)
        audio[item, 0, : length * hop] = clip
        spectrogram[item, :, :length] = linear_spectrogram(clip, config.audio)
        ids[item, :text] = torch.randint(1, config.num_symbols, (text,), generator=generator)
    speakers = torch.arange(len(frames)) % config.num_speakers if config.num_speakers > 1 else None
    return Batch(
        ids_BT=ids,
        text_lengths_B=torch.tensor(texts),
        spectrogram_BNF=spectrogram,
        frame_lengths_B=torch.tensor(frames),
        audio_B1S=audio,
        speaker_ids_B=speakers,
    )


class Model:
    """A generator and its discriminators."""

    def __init__(self, config: ModelConfig, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.config = config
        self.synthesizer = Synthesizer(config)
        self.waveform = WaveformDiscriminator(config)
        self.resolution = MultiResolutionDiscriminator() if config.use_mrd else None

    def forward(self, batch: Batch) -> TrainingOutput:
        """The generator's training forward."""
        output: TrainingOutput = self.synthesizer(
            batch.ids_BT, batch.text_lengths_B, batch.spectrogram_BNF, batch.frame_lengths_B, batch.speaker_ids_B
        )
        return output

    def losses(self, batch: Batch) -> tuple[GeneratorLosses, DiscriminatorLosses]:
        """Both losses from the same discriminator weights, each with a graph of its own."""
        output = self.forward(batch)
        target = target_segments(output, batch.audio_B1S, batch.spectrogram_BNF, self.config)
        fake_mel = mel_spectrogram(output.audio_B1S.squeeze(1), self.config.audio)
        real, fake = target.audio_B1S, output.audio_B1S
        judge = self.resolution
        generator = generator_losses(
            output,
            target.mel_BML,
            fake_mel,
            waveform=(self.waveform(real), self.waveform(fake)),
            weights=LossWeights(),
            resolution=(judge(real), judge(fake)) if judge else None,
        )
        heard = fake.detach()
        discriminator = discriminator_losses(
            waveform=(self.waveform(real), self.waveform(heard)),
            resolution=(judge(real), judge(heard)) if judge else None,
        )
        return generator, discriminator
