"""Convolutions whose weight is a direction times a length (Salimans and Kingma 2016, weight normalisation).

The parameters are called `bias`, `weight_g` (length) and `weight_v` (direction) and are registered in that order.
Names and order are part of the checkpoint format: Adam's state refers to parameters by position only.
`torch.nn.utils.weight_norm` would give the same names but is deprecated, and its successor names them otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from core_vits.layers.windows import conv_along_columns, grouped_conv1d, multiplies_windows


class _WeightNormConv(nn.Module, ABC):
    """What the weight-normalised convolutions share: parameters, their initial values, folding."""

    weight_g: nn.Parameter
    weight_v: nn.Parameter
    weight: nn.Parameter

    def __init__(self, weight_shape: tuple[int, ...], bias_size: int) -> None:
        super().__init__()
        # PyTorch's default for convolutions: uniform within 1/sqrt(fan_in), weight and bias alike.
        bound = 1.0 / sqrt(torch.Size(weight_shape[1:]).numel())
        direction = torch.empty(weight_shape).uniform_(-bound, bound)
        self.bias = nn.Parameter(torch.empty(bias_size).uniform_(-bound, bound))
        self.weight_g = nn.Parameter(torch.norm_except_dim(direction, 2, 0))
        self.weight_v = nn.Parameter(direction)
        self._folded = False
        self._shared: Tensor | None = None

    @abstractmethod
    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """Apply the convolution with this weight."""

    def forward(self, x: Tensor) -> Tensor:
        if self._folded:
            return self.convolve(x, self.weight)
        return self.convolve(x, self.normalised() if self._shared is None else self._shared)

    def normalised(self) -> Tensor:
        """The weight that length and direction stand for."""
        return torch._weight_norm(self.weight_v, self.weight_g, 0)

    def share(self, weight: Tensor | None) -> None:
        """Use this weight in every pass from now on; None: make one in each pass."""
        self._shared = weight

    def fold(self) -> None:
        """Replace length and direction by the weight they stand for; faster to run, no longer a checkpoint layout."""
        if self._folded:
            return
        with torch.no_grad():
            self.weight = nn.Parameter(self.normalised())
        del self.weight_g
        del self.weight_v
        self._folded = True


class WeightNormConv1d(_WeightNormConv):
    """1-D convolution [B, in, X] -> [B, out, X'] with weight normalisation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__((out_channels, in_channels // groups, kernel_size), out_channels)
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.groups > 1 and self.dilation == 1 and multiplies_windows(x):
            return grouped_conv1d(x, weight, self.bias, self.stride, self.padding, self.groups)
        return functional.conv1d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class WeightNormConv2d(_WeightNormConv):
    """2-D convolution [B, in, X, Y] -> [B, out, X', Y'] with weight normalisation.

    With a kernel of one column it also takes columns, [N, X, in] -> [N, X', out].
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__((out_channels, in_channels, *kernel_size), out_channels)
        self.stride = stride
        self.padding = padding

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        if x.dim() == 3:
            return conv_along_columns(x, weight, self.bias, self.stride[0], self.padding[0])
        return functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class WeightNormConvTranspose1d(_WeightNormConv):
    """Transposed 1-D convolution [B, in, X] -> [B, out, X * stride] with one length per *input* channel."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int, padding: int) -> None:
        super().__init__((in_channels, out_channels, kernel_size), out_channels)
        self.stride = stride
        self.padding = padding

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.conv_transpose1d(x, weight, self.bias, self.stride, self.padding)


def fold_weight_norm(module: nn.Module) -> None:
    """Fold every weight-normalised convolution inside `module`, in place and for good."""
    for part in module.modules():
        if isinstance(part, _WeightNormConv):
            part.fold()


@contextmanager
def shared_weights(*modules: nn.Module) -> Iterator[None]:
    """Normalise every weight inside `modules` once for all passes that are made meanwhile.

    Gradients of the passes meet at the shared weight, so that the normalisation is also followed back only once.
    """
    convolutions = [part for module in modules for part in module.modules() if isinstance(part, _WeightNormConv)]
    convolutions = [part for part in convolutions if not part._folded]
    try:
        for part in convolutions:
            part.share(part.normalised())
        yield
    finally:
        for part in convolutions:
            part.share(None)
