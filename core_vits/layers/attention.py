"""The text encoder's transformer: self-attention with relative positions (Shaw et al. 2018), as in Glow-TTS.

Legend: B utterances, T phonemes, D channels, H heads, K channels per head, R = 2 * window + 1 relative positions.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from core_vits.layers.norm import ChannelNorm

RELATIVE_WINDOW = 4
"""Phonemes to either side that have an embedding of their own; farther ones have none."""

# Large enough to vanish in the softmax, small enough for half precision.
MASKED_SCORE = -1e4


def band_to_dense(band_BHTR: Tensor) -> Tensor:
    """Write row i's R values to columns i - window … i + window of a square matrix, zero elsewhere.

    Rows are made one longer than the rows of the wanted (padded) matrix and read again with its row length, which
    moves each row one column further than the one above: no index tensor, no scatter (Huang et al. 2018).
    """
    batch, heads, length, relative = band_BHTR.shape
    window = relative // 2
    longer = functional.pad(band_BHTR, (0, length))  # rows of length + R
    flat = longer.reshape(batch, heads, length * (length + relative))
    shifted = flat[:, :, : length * (length + relative - 1)]
    rows = shifted.reshape(batch, heads, length, length + relative - 1)
    return rows[:, :, :, window : window + length]


def dense_to_band(dense_BHTT: Tensor, relative: int) -> Tensor:
    """Read the R values around the diagonal of each row; the inverse of `band_to_dense`."""
    batch, heads, length, _ = dense_BHTT.shape
    window = relative // 2
    padded = functional.pad(dense_BHTT, (window, window))  # rows of length + R - 1
    flat = padded.reshape(batch, heads, length * (length + relative - 1))
    flat = functional.pad(flat, (0, length))
    return flat.reshape(batch, heads, length, length + relative)[:, :, :, :relative]


class RelativeSelfAttention(nn.Module):
    """Multi-head self-attention; keys and values get relative position embeddings shared by all heads."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.head_channels = channels // heads
        spread = self.head_channels**-0.5
        relative = 2 * RELATIVE_WINDOW + 1
        # Registered before the convolutions: this is the order of the checkpoint.
        self.emb_rel_k = nn.Parameter(torch.randn(1, relative, self.head_channels) * spread)
        self.emb_rel_v = nn.Parameter(torch.randn(1, relative, self.head_channels) * spread)
        self.conv_q = nn.Conv1d(channels, channels, 1)
        self.conv_k = nn.Conv1d(channels, channels, 1)
        self.conv_v = nn.Conv1d(channels, channels, 1)
        self.conv_o = nn.Conv1d(channels, channels, 1)
        self.drop = nn.Dropout(dropout)
        for projection in (self.conv_q, self.conv_k, self.conv_v):
            nn.init.xavier_uniform_(projection.weight)

    def _split_heads(self, x_BDT: Tensor) -> Tensor:
        batch, _, length = x_BDT.shape
        return x_BDT.reshape(batch, self.heads, self.head_channels, length).transpose(2, 3)

    def forward(self, x_BDT: Tensor, pair_mask_B1TT: Tensor) -> Tensor:
        """Attend over the whole utterance.

        Args:
            x_BDT: input.
            pair_mask_B1TT: 1 where both phonemes exist.

        Returns:
            [B, D, T].
        """
        query_BHTK = self._split_heads(self.conv_q(x_BDT)) / sqrt(self.head_channels)
        key_BHTK = self._split_heads(self.conv_k(x_BDT))
        value_BHTK = self._split_heads(self.conv_v(x_BDT))

        by_content_BHTT = query_BHTK @ key_BHTK.transpose(2, 3)
        by_distance_BHTR = query_BHTK @ self.emb_rel_k.transpose(1, 2)
        score_BHTT = by_content_BHTT + band_to_dense(by_distance_BHTR)
        score_BHTT = score_BHTT.masked_fill(pair_mask_B1TT == 0, MASKED_SCORE)
        weight_BHTT: Tensor = self.drop(score_BHTT.softmax(-1))

        near_BHTR = dense_to_band(weight_BHTT, 2 * RELATIVE_WINDOW + 1)
        mixed_BHTK = weight_BHTT @ value_BHTK + near_BHTR @ self.emb_rel_v
        out: Tensor = self.conv_o(mixed_BHTK.transpose(2, 3).reshape(x_BDT.shape))
        return out


class FeedForward(nn.Module):
    """Two convolutions over time with a ReLU between them."""

    def __init__(self, channels: int, inner: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(channels, inner, kernel_size, padding=kernel_size // 2)
        self.conv_2 = nn.Conv1d(inner, channels, kernel_size, padding=kernel_size // 2)
        self.drop = nn.Dropout(dropout)

    def forward(self, x_BDT: Tensor, mask_B1T: Tensor) -> Tensor:
        """[B, D, T] -> [B, D, T], zero in the padding."""
        hidden = self.drop(self.conv_1(x_BDT * mask_B1T).relu())
        out: Tensor = self.conv_2(hidden * mask_B1T) * mask_B1T
        return out


class Transformer(nn.Module):
    """Layers of attention and feed-forward, each added to its input and then normalised (post-norm)."""

    def __init__(self, channels: int, inner: int, heads: int, layers: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.attn_layers = nn.ModuleList(RelativeSelfAttention(channels, heads, dropout) for _ in range(layers))
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.ffn_layers = nn.ModuleList(FeedForward(channels, inner, kernel_size, dropout) for _ in range(layers))
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))

    def forward(self, x_BDT: Tensor, mask_B1T: Tensor) -> Tensor:
        """[B, D, T] -> [B, D, T], zero in the padding."""
        pair_mask_B1TT = mask_B1T.unsqueeze(2) * mask_B1T.unsqueeze(3)
        x_BDT = x_BDT * mask_B1T
        for attend, norm_1, feed, norm_2 in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            x_BDT = norm_1(x_BDT + self.drop(attend(x_BDT, pair_mask_B1TT)))
            x_BDT = norm_2(x_BDT + self.drop(feed(x_BDT, mask_B1T)))
        return x_BDT * mask_B1T
