"""Normalising flow between the posterior's latent and the text's prior (Kim et al. 2021, sec. 2.5.2).

Legend: B utterances, D latent channels, F frames, G speaker embedding channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core_vits.layers.wavenet import GatedStack

COUPLINGS = 4
COUPLING_KERNEL = 5


def zero_convolution(in_channels: int, out_channels: int) -> nn.Conv1d:
    """A 1x1 convolution that starts at zero, so that a coupling starts as the identity."""
    convolution = nn.Conv1d(in_channels, out_channels, 1)
    for parameter in convolution.parameters():
        nn.init.zeros_(parameter)
    return convolution


class MeanCoupling(nn.Module):
    """Shift the second half of the channels by what the first half predicts; volume preserving."""

    def __init__(self, latent: int, hidden: int, layers: int, speaker_channels: int) -> None:
        super().__init__()
        half = latent // 2
        self.pre = nn.Conv1d(half, hidden, 1)
        self.enc = GatedStack(hidden, COUPLING_KERNEL, layers, speaker_channels)
        self.post = zero_convolution(hidden, half)

    def forward(self, x_BDF: Tensor, mask_B1F: Tensor, speaker_BG1: Tensor | None, *, reverse: bool) -> Tensor:
        """[B, D, F] -> [B, D, F]."""
        first, second = x_BDF.chunk(2, dim=1)
        hidden = self.enc(self.pre(first) * mask_B1F, mask_B1F, speaker_BG1)
        shift = self.post(hidden) * mask_B1F
        second = (second - shift) * mask_B1F if reverse else second * mask_B1F + shift
        return torch.cat((first, second), dim=1)


class ChannelFlip(nn.Module):
    """Reverse the channel order, so that the next coupling moves the other half; its own inverse."""

    def forward(self, x_BDF: Tensor) -> Tensor:
        return x_BDF.flip(1)


class CouplingFlow(nn.Module):
    """Couplings with channel flips after each; `flows` alternates them because the checkpoint counts both."""

    def __init__(self, latent: int, hidden: int, layers: int, speaker_channels: int) -> None:
        super().__init__()
        self.flows = nn.ModuleList()
        for _ in range(COUPLINGS):
            self.flows.append(MeanCoupling(latent, hidden, layers, speaker_channels))
            self.flows.append(ChannelFlip())

    def forward(self, x_BDF: Tensor, mask_B1F: Tensor, speaker_BG1: Tensor | None, *, reverse: bool = False) -> Tensor:
        """Latent to prior space, or back when `reverse`: [B, D, F] -> [B, D, F]."""
        for step in reversed(self.flows) if reverse else self.flows:
            if isinstance(step, ChannelFlip):
                x_BDF = step(x_BDF)
            else:
                x_BDF = step(x_BDF, mask_B1F, speaker_BG1, reverse=reverse)
        return x_BDF
