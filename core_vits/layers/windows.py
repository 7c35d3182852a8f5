"""Convolutions as products of matrices: windows of the signal, laid side by side, times the weight.

For GPUs. cuDNN computes a grouped convolution group by group, and its derivatives too: the scale discriminator with its
up to 256 groups was thousands of kernels of a training step on an H100, and about half of their time. And for
convolutions along one axis of an image, which the period discriminators are, it chose kernels that are far from what
the card can do. A product is one kernel that the card does well; what it costs is a copy of the signal in which windows
overlap.

Legend: B utterances, C channels in, D channels out, G groups, K kernel size, R columns, X positions, W windows of an
utterance or column, M all windows, N numbers in a window.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def multiplies_windows(x: Tensor) -> bool:
    """Whether convolutions of this signal are better done so. Not on a CPU, whose convolutions know groups."""
    return x.is_cuda


def grouped_conv1d(x_BCX: Tensor, weight_DCK: Tensor, bias_D: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    """`torch.nn.functional.conv1d` with groups, by one batched product.

    Args:
        x_BCX: the signal; C is that of all groups.
        weight_DCK: C is that of one group.
        bias_D: one for each channel out.
        stride: between windows.
        padding: zeros at both ends.
        groups: into which channels are divided.

    Returns:
        [B, D, W].
    """
    channels_out, channels, kernel = weight_DCK.shape
    utterances = x_BCX.shape[0]
    padded_BCX = functional.pad(_as_multiplied(x_BCX), (padding, padding))
    windows_BGCWK = padded_BCX.view(utterances, groups, channels, -1).unfold(3, kernel, stride)
    windows_GMN = windows_BGCWK.permute(1, 0, 3, 2, 4).reshape(groups, -1, channels * kernel)
    weight_GDN = weight_DCK.view(groups, -1, channels * kernel)
    out_GMD = torch.baddbmm(bias_D.view(groups, 1, -1), windows_GMN, weight_GDN.transpose(1, 2))
    out_GBWD = out_GMD.view(groups, utterances, -1, channels_out // groups)
    return out_GBWD.permute(1, 0, 3, 2).reshape(utterances, channels_out, -1)


def conv_along_columns(x_RXC: Tensor, weight_DCK1: Tensor, bias_D: Tensor, stride: int, padding: int) -> Tensor:
    """`torch.nn.functional.conv2d` with a kernel of one column, of an image whose columns are the rows R here.

    Channels come last, so that a window is a piece of memory.

    Args:
        x_RXC: the columns.
        weight_DCK1: as conv2d takes it.
        bias_D: one for each channel out.
        stride: between windows.
        padding: zeros at both ends of a column.

    Returns:
        [R, W, D].
    """
    out_channels, _, kernel, _ = weight_DCK1.shape
    padded_RXC = functional.pad(_as_multiplied(x_RXC), (0, 0, padding, padding))
    windows_RWCK = padded_RXC.unfold(1, kernel, stride)
    columns, count = windows_RWCK.shape[:2]
    windows_MN = windows_RWCK.transpose(2, 3).reshape(columns * count, -1)
    weight_ND = weight_DCK1.squeeze(3).permute(2, 1, 0).reshape(-1, out_channels)
    return torch.addmm(bias_D, windows_MN, weight_ND).view(columns, count, out_channels)


def _as_multiplied(x: Tensor) -> Tensor:
    """In the number format in which autocast multiplies: windows are copied in it, not converted after."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x
