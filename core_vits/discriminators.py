"""Discriminators: of the waveform at several periods (HiFi-GAN, Kong et al. 2020) and of spectrograms at several
resolutions (UnivNet, Jang et al. 2021).

Legend: B utterances, S samples, C channels, P period, N frequency bins, F frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import spectral_norm

from core_vits.config import ModelConfig
from core_vits.layers.precision import full_precision
from core_vits.layers.weight_norm import WeightNormConv1d, WeightNormConv2d
from core_vits.layers.windows import multiplies_windows

SLOPE = 0.1
PERIODS = (2, 3, 5, 7, 11)
PERIOD_CHANNELS = (32, 128, 512, 1024, 1024)
PERIOD_KERNEL = 5
PERIOD_STRIDE = 3

# (in, out, kernel, stride, groups) of each convolution.
SCALE_LAYERS = (
    (1, 16, 15, 1, 1),
    (16, 64, 41, 4, 4),
    (64, 256, 41, 4, 16),
    (256, 1024, 41, 4, 64),
    (1024, 1024, 41, 4, 256),
    (1024, 1024, 5, 1, 1),
)

# (FFT size, hop, window) in samples of each spectrogram.
RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
RESOLUTION_CHANNELS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscriminatorOutput:
    """Judgements of all sub-discriminators, in their order."""

    logits: list[Tensor]
    """One [B, …] per sub-discriminator, flattened; near 1 = recorded, near 0 = generated."""
    features: list[list[Tensor]]
    """Per sub-discriminator the output of every layer, the last one included."""


def _run(x: Tensor, convs: nn.ModuleList, conv_post: nn.Module) -> tuple[Tensor, list[Tensor]]:
    """All layers of a sub-discriminator: flattened logits and the output of every layer."""
    features = []
    for convolve in convs:
        x = functional.leaky_relu(convolve(x), SLOPE)
        features.append(x)
    x = conv_post(x)
    features.append(x)
    return x.flatten(1), features


class ScaleDiscriminator(nn.Module):
    """1-D convolutions over the raw waveform."""

    def __init__(self, divisor: int, *, spectral: bool) -> None:
        super().__init__()

        def layer(inside: int, out: int, kernel: int, stride: int, groups: int) -> nn.Module:
            if spectral:
                return spectral_norm(nn.Conv1d(inside, out, kernel, stride, kernel // 2, groups=groups))
            return WeightNormConv1d(inside, out, kernel, stride=stride, padding=kernel // 2, groups=groups)

        self.convs = nn.ModuleList(
            layer(
                max(1, inside // divisor),
                max(1, out // divisor),
                kernel,
                stride,
                max(1, groups // divisor),
            )
            for inside, out, kernel, stride, groups in SCALE_LAYERS
        )
        self.conv_post = layer(max(1, SCALE_LAYERS[-1][1] // divisor), 1, 3, 1, 1)

    def forward(self, audio_B1S: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits [B, …] and features."""
        return _run(audio_B1S, self.convs, self.conv_post)


class PeriodDiscriminator(nn.Module):
    """2-D convolutions over the waveform folded into rows of one period, along the column only."""

    def __init__(self, period: int, divisor: int, *, spectral: bool) -> None:
        super().__init__()
        self.period = period
        self.spectral = spectral

        def layer(inside: int, out: int, kernel: int, stride: int) -> nn.Module:
            shape, padding = (kernel, 1), (kernel // 2, 0)
            if spectral:
                return spectral_norm(nn.Conv2d(inside, out, shape, (stride, 1), padding))
            return WeightNormConv2d(inside, out, shape, stride=(stride, 1), padding=padding)

        widths = [1, *(max(1, width // divisor) for width in PERIOD_CHANNELS)]
        last = len(PERIOD_CHANNELS) - 1
        self.convs = nn.ModuleList(
            layer(widths[i], widths[i + 1], PERIOD_KERNEL, 1 if i == last else PERIOD_STRIDE)
            for i in range(len(PERIOD_CHANNELS))
        )
        self.conv_post = layer(widths[-1], 1, 3, 1)

    def forward(self, audio_B1S: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits [B, …] and features."""
        missing = -audio_B1S.shape[2] % self.period
        if missing:
            audio_B1S = functional.pad(audio_B1S, (0, missing), mode="reflect")
        image = audio_B1S.reshape(audio_B1S.shape[0], 1, -1, self.period)
        if self.spectral or not multiplies_windows(image):
            return _run(image, self.convs, self.conv_post)
        logits, features = _run(image.squeeze(1).transpose(1, 2).flatten(0, 1).unsqueeze(2), self.convs, self.conv_post)
        return logits.reshape(audio_B1S.shape[0], -1), features


class ResolutionDiscriminator(nn.Module):
    """2-D convolutions over a magnitude spectrogram."""

    def __init__(self, filter_length: int, hop_length: int, win_length: int) -> None:
        super().__init__()
        self.filter_length = filter_length
        self.hop_length = hop_length
        self.win_length = win_length
        width = RESOLUTION_CHANNELS
        wide, square = (3, 9), (3, 3)
        self.convs = nn.ModuleList(
            [
                WeightNormConv2d(1, width, wide, padding=(1, 4)),
                *(WeightNormConv2d(width, width, wide, stride=(1, 2), padding=(1, 4)) for _ in range(3)),
                WeightNormConv2d(width, width, square, padding=(1, 1)),
            ]
        )
        self.conv_post = WeightNormConv2d(width, 1, square, padding=(1, 1))

    def _spectrogram(self, audio_B1S: Tensor) -> Tensor:
        """Magnitudes [B, 1, N, F], float32."""
        padding = (self.filter_length - self.hop_length) // 2
        with full_precision(audio_B1S):
            audio = functional.pad(audio_B1S.to(torch.float32), (padding, padding), mode="reflect").squeeze(1)
            spectrum = torch.stft(
                audio,
                self.filter_length,
                self.hop_length,
                self.win_length,
                window=torch.hann_window(self.win_length, device=audio.device),
                center=False,
                return_complex=True,
            )
            return spectrum.abs().unsqueeze(1)

    def forward(self, audio_B1S: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits [B, …] and features."""
        return _run(self._spectrogram(audio_B1S), self.convs, self.conv_post)


class _Ensemble(nn.Module):
    """Sub-discriminators under the name `discriminators`."""

    def __init__(self, discriminators: list[nn.Module]) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(discriminators)

    def forward(self, audio_B1S: Tensor) -> DiscriminatorOutput:
        judged = [discriminator(audio_B1S) for discriminator in self.discriminators]
        return DiscriminatorOutput(
            logits=[logits for logits, _ in judged], features=[features for _, features in judged]
        )


class WaveformDiscriminator(_Ensemble):
    """One scale discriminator and one per period 2, 3, 5, 7, 11 (checkpoint prefix `model_d.`)."""

    def __init__(self, config: ModelConfig) -> None:
        divisor, spectral = config.discriminator_width_divisor, config.use_spectral_norm
        super().__init__(
            [
                ScaleDiscriminator(divisor, spectral=spectral),
                *(PeriodDiscriminator(p, divisor, spectral=spectral) for p in PERIODS),
            ]
        )


class MultiResolutionDiscriminator(_Ensemble):
    """Three spectrogram discriminators (checkpoint prefix `model_mrd.`)."""

    def __init__(self) -> None:
        super().__init__([ResolutionDiscriminator(*resolution) for resolution in RESOLUTIONS])
