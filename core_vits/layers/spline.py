"""Monotonic rational-quadratic spline with linear tails (Durkan et al. 2019, Neural Spline Flows).

Legend: … any shape, K bins. The spline maps [-bound, bound] onto itself and is the identity outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import expm1, log

import torch
from torch import Tensor
from torch.nn import functional

MIN_BIN_SIZE = 1e-3
MIN_SLOPE = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bins:
    """The bin that each input falls into: left and lower edge, size, slopes at both ends; all shaped […]."""

    left: Tensor
    width: Tensor
    bottom: Tensor
    height: Tensor
    slope_left: Tensor
    slope_right: Tensor


def rational_quadratic_spline(
    x: Tensor, widths_K: Tensor, heights_K: Tensor, slopes_K: Tensor, *, bound: float, reverse: bool
) -> tuple[Tensor, Tensor]:
    """Transform each input by a spline of its own.

    Inputs outside the bound are clamped for the computation and then replaced by themselves: no boolean indexing,
    so shapes stay static, nothing waits for the device and the function can be traced. Gradients are the same.

    Args:
        x: […] inputs.
        widths_K: […, K] logits of the bin widths.
        heights_K: […, K] logits of the bin heights.
        slopes_K: […, K - 1] raw slopes at the inner knots; the outer ones are 1, as in the tails.
        bound: half width of the interval.
        reverse: apply the inverse.

    Returns:
        Transformed inputs and the logarithm of the absolute derivative, both […].
    """
    inside = (x >= -bound) & (x <= bound)
    clamped = x.clamp(-bound, bound)
    bins = _find_bins(clamped, widths_K, heights_K, slopes_K, bound=bound, reverse=reverse)
    transform = _inverse if reverse else _forward
    y, log_slope = transform(clamped, bins)
    return torch.where(inside, y, x), torch.where(inside, log_slope, torch.zeros_like(log_slope))


def _knots(logits_2K: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Knot positions [..., 2, K] (without the last, which is `bound`) from -bound on, and the sizes [..., 2, K]."""
    bins = logits_2K.shape[-1]
    share_2K = MIN_BIN_SIZE + (1.0 - MIN_BIN_SIZE * bins) * logits_2K.softmax(-1)
    inner = 2.0 * bound * share_2K.cumsum(-1)[..., :-1] - bound
    # The ends are set, not summed up: rounding must not open a gap to the tails.
    starts = functional.pad(inner, (1, 0), value=-bound)
    return starts, functional.pad(inner, (0, 1), value=bound) - starts


def _find_bins(
    x: Tensor, widths_K: Tensor, heights_K: Tensor, slopes_K: Tensor, *, bound: float, reverse: bool
) -> _Bins:
    starts_2K, sizes_2K = _knots(torch.stack((widths_K, heights_K), dim=-2), bound)
    # This raw value gives a slope of exactly 1 at both borders.
    border = log(expm1(1.0 - MIN_SLOPE))
    slopes = MIN_SLOPE + functional.softplus(functional.pad(slopes_K, (1, 1), value=border))

    # Knots are without gradient here: which bin it is does not change under a small step.
    searched = starts_2K.detach()[..., 1 if reverse else 0, 1:]
    index = (x.unsqueeze(-1) >= searched).sum(-1, keepdim=True)

    # One table and one look into it; its rows are in the order of the fields.
    table_6K = torch.cat((starts_2K, sizes_2K, slopes[..., :-1].unsqueeze(-2), slopes[..., 1:].unsqueeze(-2)), dim=-2)
    picked = table_6K.gather(-1, index.unsqueeze(-2).expand(*table_6K.shape[:-1], 1)).squeeze(-1)
    left, bottom, width, height, slope_left, slope_right = picked.unbind(-1)
    return _Bins(left=left, width=width, bottom=bottom, height=height, slope_left=slope_left, slope_right=slope_right)


def _log_slope(bins: _Bins, position: Tensor, denominator: Tensor) -> Tensor:
    """Log derivative of the spline at a position in 0 … 1 of its bin (eq. 5 of the paper)."""
    mean_slope = bins.height / bins.width
    rest = 1.0 - position
    numerator = mean_slope.square() * (
        bins.slope_right * position.square() + 2.0 * mean_slope * position * rest + bins.slope_left * rest.square()
    )
    return numerator.log() - 2.0 * denominator.log()


def _forward(x: Tensor, bins: _Bins) -> tuple[Tensor, Tensor]:
    position = (x - bins.left) / bins.width
    mean_slope = bins.height / bins.width
    product = position * (1.0 - position)
    denominator = mean_slope + (bins.slope_left + bins.slope_right - 2.0 * mean_slope) * product
    rise = bins.height * (mean_slope * position.square() + bins.slope_left * product)
    return bins.bottom + rise / denominator, _log_slope(bins, position, denominator)


def _inverse(y: Tensor, bins: _Bins) -> tuple[Tensor, Tensor]:
    mean_slope = bins.height / bins.width
    curvature = bins.slope_left + bins.slope_right - 2.0 * mean_slope
    above = y - bins.bottom
    a = above * curvature + bins.height * (mean_slope - bins.slope_left)
    b = bins.height * bins.slope_left - above * curvature
    c = -mean_slope * above
    # Not negative in exact arithmetic; rounding may bring it just below zero.
    discriminant = (b.square() - 4.0 * a * c).clamp_min(0.0)
    position = 2.0 * c / (-b - discriminant.sqrt())
    denominator = mean_slope + curvature * position * (1.0 - position)
    return bins.left + position * bins.width, -_log_slope(bins, position, denominator)
