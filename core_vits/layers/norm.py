"""Layer normalisation over the channels of [B, D, X] signals."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ChannelNorm(nn.Module):
    """Normalise each position over its channels (Ba et al. 2016); parameters `gamma` and `beta`."""

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x_BDX: Tensor) -> Tensor:
        """[B, D, X] -> [B, D, X]."""
        x_BXD = x_BDX.transpose(1, 2)
        normal = functional.layer_norm(x_BXD, self.gamma.shape, self.gamma, self.beta, self.epsilon)
        return normal.transpose(1, 2)
