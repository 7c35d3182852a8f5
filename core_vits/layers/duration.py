"""Duration predictors: how many frames each phoneme lasts.

`StochasticDurationPredictor` is the flow-based one of VITS (Kim et al. 2021, sec. 2.2.2), `DurationPredictor` the
plain convolutional one of Glow-TTS. Both see the text's hidden state without sending gradients into it.

Legend: B utterances, D channels, T phonemes, K spline bins, G speaker embedding channels. Durations are frames.
"""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core_vits.layers.flow import ChannelFlip, zero_convolution
from core_vits.layers.norm import ChannelNorm, ChannelsLastNorm
from core_vits.layers.spline import rational_quadratic_spline

KERNEL = 3
STACK_LAYERS = 3
COUPLINGS = 4
SPLINE_BINS = 10
SPLINE_BOUND = 5.0
DROPOUT = 0.5
PLAIN_WIDTH = 256
SHORTEST = 1e-5
"""Frames; the floor under the logarithm of a duration."""


class _ShiftedProducts(torch.autograd.Function):
    """A depth-wise convolution of kernel 3, zero-padded to the same length, written as three shifted products.

    Libraries have no good kernel for so small a convolution: written out it is three times faster on a CPU. Its
    derivative is written out too: the recorded one would be a third of all operators of a training step.
    """

    @staticmethod
    def forward(ctx: Any, x_BTD: Tensor, weight_DK: Tensor, bias_D: Tensor, reach: int) -> Tensor:
        ctx.reach = reach
        padded = functional.pad(x_BTD, (0, 0, reach, reach))
        ctx.save_for_backward(padded, weight_DK)
        return _shifted_products(padded, weight_DK, bias_D, reach)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (gradient_BTD,) = gradients
        padded, weight_DK = ctx.saved_tensors
        reach, length = ctx.reach, gradient_BTD.shape[1]
        before, here, after = weight_DK.unbind(1)
        # What a position gave to a later one comes back from there, and the other way round.
        given = functional.pad(gradient_BTD, (0, 0, reach, reach))
        of_x = (given[:, 2 * reach :] * before).addcmul_(gradient_BTD, here).addcmul_(given[:, :length], after)
        read_BKTD = padded.unfold(1, length, reach).transpose(2, 3)  # a view: what each tap read
        # Summed one axis at a time: a CPU takes three times as long for both at once.
        of_weight = (read_BKTD * gradient_BTD.unsqueeze(1)).sum(2).sum(0).t().contiguous()
        return of_x, of_weight, gradient_BTD.sum((0, 1)), None


def _shifted_products(padded_BXD: Tensor, weight_DK: Tensor, bias_D: Tensor, reach: int) -> Tensor:
    """[B, T, D] of an input that is padded by `reach` at both ends."""
    length = padded_BXD.shape[1] - 2 * reach
    before, here, after = weight_DK.unbind(1)
    out = torch.addcmul(bias_D, padded_BXD[:, :length], before)
    return out.addcmul_(padded_BXD[:, reach : reach + length], here).addcmul_(padded_BXD[:, 2 * reach :], after)


class DepthwiseConv(nn.Conv1d):
    """A depth-wise convolution of kernel 3 on [B, T, D]."""

    bias: nn.Parameter

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__(channels, channels, KERNEL, groups=channels, dilation=dilation)
        self.reach = dilation

    def forward(self, x_BTD: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        weight_DK = self.weight.squeeze(1)
        if torch.is_grad_enabled():
            out: Tensor = _ShiftedProducts.apply(x_BTD, weight_DK, self.bias, self.reach)  # type: ignore[no-untyped-call]
            return out
        padded = functional.pad(x_BTD, (0, 0, self.reach, self.reach))
        return _shifted_products(padded, weight_DK, self.bias, self.reach)  # an exporter can trace it


class PointwiseConv(nn.Conv1d):
    """A 1x1 convolution on [B, T, D]: a matrix product, with the parameters of a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 1)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        return functional.linear(x_BTD, self.weight.squeeze(2), self.bias)


class DepthwiseStack(nn.Module):
    """Dilated depth-wise and 1x1 convolutions with residual connections.

    Inside, channels come last: 1x1 convolutions become plain matrix products, normalisation and GELU run over
    contiguous memory. A training step of the predictor takes half the time of the same in [B, D, T].
    """

    def __init__(self, channels: int, dropout: float = 0.0) -> None:
        super().__init__()
        layers = range(STACK_LAYERS)
        self.drop = nn.Dropout(dropout)
        self.convs_sep = nn.ModuleList(DepthwiseConv(channels, KERNEL**layer) for layer in layers)
        self.convs_1x1 = nn.ModuleList(PointwiseConv(channels) for _ in layers)
        self.norms_1 = nn.ModuleList(ChannelsLastNorm(channels) for _ in layers)
        self.norms_2 = nn.ModuleList(ChannelsLastNorm(channels) for _ in layers)

    def forward(self, x_BDT: Tensor, mask_B1T: Tensor) -> Tensor:
        """[B, D, T] -> [B, D, T], zero in the padding."""
        x_BTD, mask_BT1 = x_BDT.transpose(1, 2).contiguous(), mask_B1T.transpose(1, 2)
        for separate, norm_1, mix, norm_2 in zip(
            self.convs_sep, self.norms_1, self.convs_1x1, self.norms_2, strict=True
        ):
            hidden = functional.gelu(norm_1(separate(x_BTD * mask_BT1)))
            hidden = functional.gelu(norm_2(mix(hidden)))
            x_BTD = x_BTD + self.drop(hidden)
        return (x_BTD * mask_BT1).transpose(1, 2)


class ElementwiseAffine(nn.Module):
    """Learned shift `m` and log scale `logs` of each of the two channels."""

    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.zeros(2, 1))
        self.logs = nn.Parameter(torch.zeros(2, 1))

    def forward(self, z_B2T: Tensor, mask_B1T: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        """The transformed [B, 2, T] and what each phoneme adds to the log determinant."""
        return torch.addcmul(self.m, self.logs.exp(), z_B2T) * mask_B1T, self.logs.sum()

    def inverse(self, z_B2T: Tensor, mask_B1T: Tensor, _: Tensor) -> Tensor:
        """Undo `forward`."""
        return (z_B2T - self.m) * (-self.logs).exp() * mask_B1T


class SplineCoupling(nn.Module):
    """Move the second channel by a spline whose knots depend on the first channel and the text."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(1, channels, 1)
        self.convs = DepthwiseStack(channels)
        # Starts as (nearly) the identity.
        self.proj = zero_convolution(channels, 3 * SPLINE_BINS - 1)
        self.logit_scale = 1.0 / sqrt(channels)

    def _spline(self, z_B2T: Tensor, mask_B1T: Tensor, context_BDT: Tensor, *, reverse: bool) -> tuple[Tensor, Tensor]:
        first, second = z_B2T.chunk(2, dim=1)
        hidden = self.convs(self.pre(first) + context_BDT, mask_B1T)
        knots = (self.proj(hidden) * mask_B1T).transpose(1, 2).unsqueeze(1)  # [B, 1, T, 3K - 1]
        sizes, slopes = knots.split((2 * SPLINE_BINS, SPLINE_BINS - 1), dim=-1)
        sizes = sizes.reshape(*sizes.shape[:-1], 2, SPLINE_BINS) * self.logit_scale
        moved, log_slope = rational_quadratic_spline(second, sizes, slopes, bound=SPLINE_BOUND, reverse=reverse)
        return torch.cat((first, moved), dim=1) * mask_B1T, log_slope

    def forward(self, z_B2T: Tensor, mask_B1T: Tensor, context_BDT: Tensor) -> tuple[Tensor, Tensor]:
        """The transformed [B, 2, T] and what each phoneme adds to the log determinant, [B, 1, T]."""
        return self._spline(z_B2T, mask_B1T, context_BDT, reverse=False)

    def inverse(self, z_B2T: Tensor, mask_B1T: Tensor, context_BDT: Tensor) -> Tensor:
        """Undo `forward`."""
        return self._spline(z_B2T, mask_B1T, context_BDT, reverse=True)[0]


def _flow_steps(channels: int) -> nn.ModuleList:
    """One affine step, then couplings with a channel flip after each; flips count in the checkpoint's numbering."""
    steps = nn.ModuleList([ElementwiseAffine()])
    for _ in range(COUPLINGS):
        steps.append(SplineCoupling(channels))
        steps.append(ChannelFlip())
    return steps


def _run_flow(steps: nn.ModuleList, z_B2T: Tensor, mask_B1T: Tensor, context_BDT: Tensor) -> tuple[Tensor, Tensor]:
    """The flow's output [B, 2, T] and its log determinant [B]."""
    gained_B1T = torch.zeros_like(mask_B1T)
    for step in steps:
        if isinstance(step, ChannelFlip):
            z_B2T = step(z_B2T)
        else:
            z_B2T, gained = step(z_B2T, mask_B1T, context_BDT)
            gained_B1T = gained_B1T + gained
    return z_B2T, (gained_B1T * mask_B1T).sum((1, 2))


def _normal_negative_log_likelihood(z_B2T: Tensor, mask_B1T: Tensor) -> Tensor:
    """Of a standard normal distribution, summed over channels and phonemes: [B]."""
    return (0.5 * (log(2 * pi) + z_B2T.square()) * mask_B1T).sum((1, 2))


class StochasticDurationPredictor(nn.Module):
    """Variational flow over durations: likelihood in training, samples in inference."""

    def __init__(self, channels: int, speaker_channels: int) -> None:
        super().__init__()
        # The order of registration is the order of the checkpoint.
        self.flows = _flow_steps(channels)
        self.post_pre = nn.Conv1d(1, channels, 1)
        self.post_proj = nn.Conv1d(channels, channels, 1)
        self.post_convs = DepthwiseStack(channels, DROPOUT)
        self.post_flows = _flow_steps(channels)
        self.pre = nn.Conv1d(channels, channels, 1)
        self.proj = nn.Conv1d(channels, channels, 1)
        self.convs = DepthwiseStack(channels, DROPOUT)
        if speaker_channels:
            self.cond = nn.Conv1d(speaker_channels, channels, 1)

    def _context(self, hidden_BDT: Tensor, mask_B1T: Tensor, speaker_BG1: Tensor | None) -> Tensor:
        context = self.pre(hidden_BDT.detach())
        if speaker_BG1 is not None:
            context = context + self.cond(speaker_BG1.detach())
        out: Tensor = self.proj(self.convs(context, mask_B1T)) * mask_B1T
        return out

    def loss(
        self,
        hidden_BDT: Tensor,
        mask_B1T: Tensor,
        durations_B1T: Tensor,
        speaker_BG1: Tensor | None,
        noise_B2T: Tensor,
    ) -> Tensor:
        """Upper bound of the negative log likelihood of integer durations (eq. 7 of the paper).

        Integers have no density, so a posterior flow draws u and v (`noise_B2T`): u in 0 … 1 is taken off each
        duration, and v is a second channel for the flow to work with.

        Returns:
            [B], summed over phonemes.
        """
        context = self._context(hidden_BDT, mask_B1T, speaker_BG1)
        seen = self.post_convs(self.post_pre(durations_B1T), mask_B1T)
        seen = self.post_proj(seen) * mask_B1T
        noise_B2T = noise_B2T * mask_B1T
        drawn, posterior_gain_B = _run_flow(self.post_flows, noise_B2T, mask_B1T, context + seen)
        raw_u, v = drawn.chunk(2, dim=1)
        u = torch.sigmoid(raw_u) * mask_B1T
        squash = functional.logsigmoid(raw_u) + functional.logsigmoid(-raw_u)
        posterior_gain_B = posterior_gain_B + (squash * mask_B1T).sum((1, 2))
        posterior_B = -_normal_negative_log_likelihood(noise_B2T, mask_B1T) - posterior_gain_B

        log_rest = ((durations_B1T - u) * mask_B1T).clamp_min(SHORTEST).log() * mask_B1T
        z, gain_B = _run_flow(self.flows, torch.cat((log_rest, v), dim=1), mask_B1T, context)
        gain_B = gain_B - log_rest.sum((1, 2))
        return _normal_negative_log_likelihood(z, mask_B1T) - gain_B + posterior_B

    def log_durations(
        self,
        hidden_BDT: Tensor,
        mask_B1T: Tensor,
        speaker_BG1: Tensor | None,
        noise_B2T: Tensor,
    ) -> Tensor:
        """Sample the logarithm of durations from scaled noise: [B, 1, T]."""
        context = self._context(hidden_BDT, mask_B1T, speaker_BG1)
        # The first coupling moves only the channel that is thrown away here, so it is skipped.
        steps = [self.flows[0], *list(self.flows)[2:]]
        z = noise_B2T
        for step in reversed(steps):
            if isinstance(step, ChannelFlip):
                z = step(z)
            elif isinstance(step, (ElementwiseAffine, SplineCoupling)):
                z = step.inverse(z, mask_B1T, context)
        return z[:, :1]


class DurationPredictor(nn.Module):
    """Two convolutions that predict the logarithm of each duration."""

    def __init__(self, channels: int, speaker_channels: int) -> None:
        super().__init__()
        self.drop = nn.Dropout(DROPOUT)
        self.conv_1 = nn.Conv1d(channels, PLAIN_WIDTH, KERNEL, padding=KERNEL // 2)
        self.norm_1 = ChannelNorm(PLAIN_WIDTH)
        self.conv_2 = nn.Conv1d(PLAIN_WIDTH, PLAIN_WIDTH, KERNEL, padding=KERNEL // 2)
        self.norm_2 = ChannelNorm(PLAIN_WIDTH)
        self.proj = nn.Conv1d(PLAIN_WIDTH, 1, 1)
        if speaker_channels:
            self.cond = nn.Conv1d(speaker_channels, channels, 1)

    def _predict(self, hidden_BDT: Tensor, mask_B1T: Tensor, speaker_BG1: Tensor | None) -> Tensor:
        x = hidden_BDT.detach()
        if speaker_BG1 is not None:
            x = x + self.cond(speaker_BG1.detach())
        x = self.drop(self.norm_1(self.conv_1(x * mask_B1T).relu()))
        x = self.drop(self.norm_2(self.conv_2(x * mask_B1T).relu()))
        out: Tensor = self.proj(x * mask_B1T) * mask_B1T
        return out

    def loss(
        self,
        hidden_BDT: Tensor,
        mask_B1T: Tensor,
        durations_B1T: Tensor,
        speaker_BG1: Tensor | None,
        noise_B2T: Tensor,
    ) -> Tensor:
        """Squared error of the logarithms, summed over phonemes: [B]. The noise is for the other predictor."""
        target_B1T = (durations_B1T + 1e-6).log() * mask_B1T
        predicted_B1T = self._predict(hidden_BDT, mask_B1T, speaker_BG1)
        return (predicted_B1T - target_B1T).square().sum((1, 2))

    def log_durations(
        self,
        hidden_BDT: Tensor,
        mask_B1T: Tensor,
        speaker_BG1: Tensor | None,
        noise_B2T: Tensor,
    ) -> Tensor:
        """Predict the logarithm of durations: [B, 1, T]. The noise is for the other predictor."""
        return self._predict(hidden_BDT, mask_B1T, speaker_BG1)
