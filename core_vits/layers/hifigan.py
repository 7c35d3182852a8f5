"""HiFi-GAN's generator (Kong et al. 2020): latent frames to audio samples.

Legend: B utterances, D latent channels, C decoder channels, F frames, X time steps of a stage, S samples,
G speaker embedding channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from core_vits.config import ModelConfig
from core_vits.layers.weight_norm import WeightNormConv1d, WeightNormConvTranspose1d

SLOPE = 0.1
# The last activation keeps PyTorch's default slope; every published voice is trained so.
LAST_SLOPE = 0.01
OUTER_KERNEL = 7


def _same_length(channels: int, kernel_size: int, dilation: int) -> WeightNormConv1d:
    padding = dilation * (kernel_size - 1) // 2
    return WeightNormConv1d(channels, channels, kernel_size, dilation=dilation, padding=padding)


class PairedResidualBlock(nn.Module):
    """Residual block "1": per dilation a dilated convolution and a plain one."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_same_length(channels, kernel_size, d) for d in dilations)
        self.convs2 = nn.ModuleList(_same_length(channels, kernel_size, 1) for _ in dilations)

    def forward(self, x_BCX: Tensor) -> Tensor:
        """[B, C, X] -> [B, C, X]."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            hidden = dilated(functional.leaky_relu(x_BCX, SLOPE))
            x_BCX = x_BCX + plain(functional.leaky_relu(hidden, SLOPE))
        return x_BCX


class SingleResidualBlock(nn.Module):
    """Residual block "2": one dilated convolution per dilation."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_same_length(channels, kernel_size, d) for d in dilations)

    def forward(self, x_BCX: Tensor) -> Tensor:
        """[B, C, X] -> [B, C, X]."""
        for dilated in self.convs:
            x_BCX = x_BCX + dilated(functional.leaky_relu(x_BCX, SLOPE))
        return x_BCX


class Decoder(nn.Module):
    """Transposed convolutions upsample by hop length; after each, parallel residual blocks are averaged."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.upsample_initial_channel
        block = PairedResidualBlock if config.resblock == "1" else SingleResidualBlock
        shapes = tuple(zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True))
        self.blocks_per_stage = len(shapes)
        self.conv_pre = nn.Conv1d(config.inter_channels, width, OUTER_KERNEL, padding=OUTER_KERNEL // 2)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            self.ups.append(
                WeightNormConvTranspose1d(width, width // 2, kernel, stride=rate, padding=(kernel - rate) // 2)
            )
            width //= 2
            self.resblocks.extend(block(width, size, dilations) for size, dilations in shapes)
        self.conv_post = nn.Conv1d(width, 1, OUTER_KERNEL, padding=OUTER_KERNEL // 2, bias=False)
        if config.gin_channels:
            self.cond = nn.Conv1d(config.gin_channels, config.upsample_initial_channel, 1)

    def forward(self, latent_BDF: Tensor, speaker_BG1: Tensor | None) -> Tensor:
        """[B, D, F] -> audio [B, 1, S] in -1 … 1, S = F * hop length."""
        x = self.conv_pre(latent_BDF)
        if speaker_BG1 is not None:
            x = x + self.cond(speaker_BG1)
        for stage, upsample in enumerate(self.ups):
            x = upsample(functional.leaky_relu(x, SLOPE))
            first = stage * self.blocks_per_stage
            blocks = list(self.resblocks)[first : first + self.blocks_per_stage]
            total = blocks[0](x)
            for block in blocks[1:]:
                total = total + block(x)
            x = total / self.blocks_per_stage
        return torch.tanh(self.conv_post(functional.leaky_relu(x, LAST_SLOPE)))
