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
        return self._normalise(x_BDX.transpose(1, 2)).transpose(1, 2)

    def _normalise(self, x_BXD: Tensor) -> Tensor:
        return functional.layer_norm(x_BXD, self.gamma.shape, self.gamma, self.beta, self.epsilon)


class ChannelsLastNorm(ChannelNorm):
    """The same for [B, X, D] signals."""

    def forward(self, x_BXD: Tensor) -> Tensor:
        """[B, X, D] -> [B, X, D]."""
        return self._normalise(x_BXD)
