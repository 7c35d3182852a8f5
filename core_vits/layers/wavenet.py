"""Gated convolution stack of WaveNet (van den Oord et al. 2016), used by posterior encoder and flow.

Legend: B utterances, D channels, F frames, G speaker embedding channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core_vits.layers.weight_norm import WeightNormConv1d


class GatedStack(nn.Module):
    """Layers of convolution, tanh * sigmoid gate and a split into residual and skip; returns the sum of skips."""

    def __init__(self, channels: int, kernel_size: int, layers: int, speaker_channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.layers = layers
        self.in_layers = nn.ModuleList(
            WeightNormConv1d(channels, 2 * channels, kernel_size, padding=kernel_size // 2) for _ in range(layers)
        )
        # Nothing follows the last layer, so it has no residual half.
        self.res_skip_layers = nn.ModuleList(
            WeightNormConv1d(channels, channels if last else 2 * channels, 1)
            for last in (layer == layers - 1 for layer in range(layers))
        )
        if speaker_channels:
            self.cond_layer = WeightNormConv1d(speaker_channels, 2 * channels * layers, 1)

    def forward(self, x_BDF: Tensor, mask_B1F: Tensor, speaker_BG1: Tensor | None) -> Tensor:
        """[B, D, F] -> [B, D, F], zero in the padding; the speaker shifts every layer's gate."""
        shifts: tuple[Tensor | None, ...] = (None,) * self.layers
        if speaker_BG1 is not None:
            shifts = self.cond_layer(speaker_BG1).split(2 * self.channels, dim=1)
        total_BDF: Tensor | None = None
        stack = zip(shifts, self.in_layers, self.res_skip_layers, strict=True)
        for layer, (shift, convolve, mix) in enumerate(stack):
            pre = convolve(x_BDF)
            if shift is not None:
                pre = pre + shift
            filtered, gate = pre.split(self.channels, dim=1)
            mixed = mix(torch.tanh(filtered) * torch.sigmoid(gate))
            if layer == self.layers - 1:
                skip = mixed
            else:
                residual, skip = mixed.split(self.channels, dim=1)
                x_BDF = (x_BDF + residual) * mask_B1F
            total_BDF = skip if total_BDF is None else total_BDF + skip
        if total_BDF is None:  # no layers: nothing was skipped forward
            return torch.zeros_like(x_BDF)
        return total_BDF * mask_B1F
