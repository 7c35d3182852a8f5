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
    mean_slope: Tensor
    slope_left: Tensor
    slope_right: Tensor


def rational_quadratic_spline(
    x: Tensor, sizes_2K: Tensor, slopes_K: Tensor, *, bound: float, reverse: bool
) -> tuple[Tensor, Tensor]:
    """Transform each input by a spline of its own.

    Inputs outside the bound are clamped for the computation and then replaced by themselves: no boolean indexing,
    so shapes stay static, nothing waits for the device and the function can be traced. Gradients are the same.

    Args:
        x: […] inputs.
        sizes_2K: […, 2, K] logits of the widths of the bins, then of their heights.
        slopes_K: […, K - 1] raw slopes at the inner knots; the outer ones are 1, as in the tails.
        bound: half width of the interval.
        reverse: apply the inverse.

    Returns:
        Transformed inputs and the logarithm of the absolute derivative, both […].
    """
    clamped = x.clamp(-bound, bound)
    inside = clamped == x
    bins = _find_bins(clamped, sizes_2K, slopes_K, bound=bound, reverse=reverse)
    transform = _inverse if reverse else _forward
    y, log_slope = transform(clamped, bins)
    return torch.where(inside, y, x), log_slope * inside


def _knots(sizes_2K: Tensor, bound: float) -> Tensor:
    """Positions of the knots, from -bound to bound: [..., 2, K + 1]."""
    bins = sizes_2K.shape[-1]
    share_2K = MIN_BIN_SIZE + (1.0 - MIN_BIN_SIZE * bins) * sizes_2K.softmax(-1)
    # Summed up before they are stretched: numbers below 1 are rounded more finely than those up to the bound.
    ends = 2.0 * bound * share_2K.cumsum(-1) - bound
    # The outer knots are set, not summed up: rounding must not open a gap to the tails.
    return functional.pad(functional.pad(ends, (1, -1), value=-bound), (0, 1), value=bound)


def _find_bins(x: Tensor, sizes_2K: Tensor, slopes_K: Tensor, *, bound: float, reverse: bool) -> _Bins:
    knots = _knots(sizes_2K, bound)
    # This raw value gives a slope of exactly 1 at both borders.
    border = log(expm1(1.0 - MIN_SLOPE))
    slopes = MIN_SLOPE + functional.softplus(functional.pad(slopes_K, (1, 1), value=border))

    # Knots are without gradient here: which bin it is does not change under a small step.
    searched = knots.detach()[..., 1 if reverse else 0, 1:-1]
    index = (x.unsqueeze(-1) >= searched).sum(-1, keepdim=True)

    # One table and one look into it, for both ends of the bin.
    table = torch.cat((knots, slopes.unsqueeze(-2)), dim=-2)
    ends = torch.cat((index, index + 1), dim=-1).unsqueeze(-2)
    picked = table.gather(-1, ends.expand(*table.shape[:-1], 2))
    left, right, bottom, top, slope_left, slope_right = picked.flatten(-2).unbind(-1)
    width, height = right - left, top - bottom
    return _Bins(
        left=left,
        width=width,
        bottom=bottom,
        height=height,
        mean_slope=height / width,
        slope_left=slope_left,
        slope_right=slope_right,
    )


def _polynomials(bins: _Bins, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Numerator and denominator of eq. 4 of the paper, and the polynomial of eq. 5, at a position in 0 … 1 of the bin.

    With both parts of the position, t = (p, 1 - p), mean slope s and the bin's slopes d, let v be

        (s  d_left ; d_right  s) t.

    Then the numerator is t₁v₁, the denominator t₁v₁ + t₂v₂, and the polynomial of the derivative t₁v₂ + t₂v₁. That is a
    third of the operators of the equations written out, there and back.
    """
    mean = bins.mean_slope
    parts = torch.stack((position, 1.0 - position), dim=-1)
    matrix = torch.stack((mean, bins.slope_left, bins.slope_right, mean), dim=-1).reshape(*position.shape, 2, 2)
    mixed = (matrix * parts.unsqueeze(-2)).sum(-1)
    products = parts.unsqueeze(-1) * mixed.unsqueeze(-2)
    numerator, across, back, rest = products.flatten(-2).unbind(-1)
    return numerator, numerator + rest, across + back


def _log_slope(bins: _Bins, denominator: Tensor, polynomial: Tensor) -> Tensor:
    """Log derivative of the spline (eq. 5 of the paper)."""
    return torch.add(polynomial.log(), bins.mean_slope.log() - denominator.log(), alpha=2.0)


def _forward(x: Tensor, bins: _Bins) -> tuple[Tensor, Tensor]:
    numerator, denominator, polynomial = _polynomials(bins, (x - bins.left) / bins.width)
    y = torch.addcmul(bins.bottom, bins.height, numerator / denominator)
    return y, _log_slope(bins, denominator, polynomial)


def _inverse(y: Tensor, bins: _Bins) -> tuple[Tensor, Tensor]:
    curvature = bins.slope_left + bins.slope_right - 2.0 * bins.mean_slope
    above = y - bins.bottom
    a = above * curvature + bins.height * (bins.mean_slope - bins.slope_left)
    b = bins.height * bins.slope_left - above * curvature
    c = -bins.mean_slope * above
    # Not negative in exact arithmetic; rounding may bring it just below zero.
    discriminant = (b.square() - 4.0 * a * c).clamp_min(0.0)
    position = 2.0 * c / (-b - discriminant.sqrt())
    _, denominator, polynomial = _polynomials(bins, position)
    return bins.left + position * bins.width, -_log_slope(bins, denominator, polynomial)
