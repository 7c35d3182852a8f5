"""Text encoder (the prior of each phoneme) and posterior encoder (the latent of recorded audio).

Legend: B utterances, T phonemes, F frames, D latent channels, H hidden channels, N spectrogram bins,
G speaker embedding channels.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from core_vits.config import ModelConfig
from core_vits.layers.attention import Transformer
from core_vits.layers.wavenet import GatedStack

POSTERIOR_KERNEL = 5


class TextEncoder(nn.Module):
    """Phoneme ids to hidden states and the prior's mean and log standard deviation (Kim et al. 2021, sec. 2.5.3)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.scale = sqrt(config.hidden_channels)
        self.emb = nn.Embedding(config.num_symbols, config.hidden_channels)
        nn.init.normal_(self.emb.weight, 0.0, config.hidden_channels**-0.5)
        self.encoder = Transformer(
            config.hidden_channels,
            config.filter_channels,
            config.n_heads,
            config.n_layers,
            config.kernel_size,
            config.p_dropout,
        )
        self.proj = nn.Conv1d(config.hidden_channels, 2 * config.inter_channels, 1)

    def forward(self, ids_BT: Tensor, mask_B1T: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns hidden [B, H, T], mean and log standard deviation [B, D, T]."""
        embedded_BHT = (self.emb(ids_BT) * self.scale).transpose(1, 2)
        hidden_BHT: Tensor = self.encoder(embedded_BHT, mask_B1T)
        mean, log_std = (self.proj(hidden_BHT) * mask_B1T).chunk(2, dim=1)
        return hidden_BHT, mean, log_std


class PosteriorEncoder(nn.Module):
    """Linear spectrogram to a latent, its mean and log standard deviation (Kim et al. 2021, sec. 2.5.1)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden = config.hidden_channels
        self.pre = nn.Conv1d(config.audio.spectrogram_bins, hidden, 1)
        self.enc = GatedStack(hidden, POSTERIOR_KERNEL, config.posterior_layers, config.gin_channels)
        self.proj = nn.Conv1d(hidden, 2 * config.inter_channels, 1)

    def forward(
        self,
        spectrogram_BNF: Tensor,
        mask_B1F: Tensor,
        speaker_BG1: Tensor | None,
        noise_BDF: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns a sample, mean and log standard deviation, each [B, D, F]; the noise is drawn if not given."""
        hidden = self.enc(self.pre(spectrogram_BNF) * mask_B1F, mask_B1F, speaker_BG1)
        mean, log_std = (self.proj(hidden) * mask_B1F).chunk(2, dim=1)
        noise = torch.randn_like(mean) if noise_BDF is None else noise_BDF
        return (mean + noise * log_std.exp()) * mask_B1F, mean, log_std
