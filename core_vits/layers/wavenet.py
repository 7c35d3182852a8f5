"""Gated convolution stack of WaveNet (van den Oord et al. 2016), used by posterior encoder and flow.

Legend: B utterances, D channels, F frames, G speaker embedding channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core_vits.layers.weight_norm import WeightNormConv1d


class _Gate(torch.autograd.Function):
    """tanh of the first half of the channels times sigmoid of the second.

    Four operators there and back where the recorded form has eight, 32 times a step. The price: a derivative written
    by hand, and what goes in is overwritten.
    """

    @staticmethod
    def forward(ctx: Any, pre_BDF: Tensor) -> tuple[Tensor, Tensor]:
        pre_BDF.narrow(1, 0, pre_BDF.shape[1] // 2).tanh_()
        ctx.mark_dirty(pre_BDF)
        ctx.save_for_backward(pre_BDF)
        ctx.set_materialize_grads(False)
        return functional.glu(pre_BDF, dim=1), pre_BDF

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (done_BDF,) = ctx.saved_tensors
        of_pre_BDF: Tensor = torch.ops.aten.glu_backward(gradients[0], done_BDF, 1)
        half = done_BDF.shape[1] // 2
        of_filtered = of_pre_BDF.narrow(1, 0, half)
        torch.ops.aten.tanh_backward.grad_input(of_filtered, done_BDF.narrow(1, 0, half), grad_input=of_filtered)
        return of_pre_BDF


def gate(pre_BDF: Tensor) -> Tensor:
    """tanh of the first half of the channels times sigmoid of the second; overwrites its argument when it learns."""
    traced = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]  # for exporters
    if pre_BDF.requires_grad and torch.is_grad_enabled() and not traced:
        out: Tensor = _Gate.apply(pre_BDF)[0]  # type: ignore[no-untyped-call]
        return out
    filtered, opening = pre_BDF.chunk(2, dim=1)
    return torch.tanh(filtered) * torch.sigmoid(opening)


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
            mixed = mix(gate(pre))
            if layer == self.layers - 1:
                skip = mixed
            else:
                residual, skip = mixed.split(self.channels, dim=1)
                x_BDF = (x_BDF + residual) * mask_B1F
            total_BDF = skip if total_BDF is None else total_BDF + skip
        if total_BDF is None:  # no layers: nothing was skipped forward
            return torch.zeros_like(x_BDF)
        return total_BDF * mask_B1F
