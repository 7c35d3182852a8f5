"""Convolutions as products are the convolutions: values and derivatives, alone and inside the discriminators."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from training_parts import CONFIG

from core_vits import discriminators
from core_vits.discriminators import DiscriminatorOutput, WaveformDiscriminator
from core_vits.layers import weight_norm
from core_vits.layers.windows import conv_along_columns, grouped_conv1d, multiplies_windows


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def assert_alike(one: Tensor, other: Tensor, *inputs: Tensor) -> None:
    """Values and derivatives by all inputs."""
    torch.testing.assert_close(one, other)
    direction = torch.randn_like(one)
    for mine, theirs in zip(
        torch.autograd.grad(one, inputs, direction), torch.autograd.grad(other, inputs, direction), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(("inside", "out", "groups", "stride"), [(16, 64, 4, 4), (64, 64, 16, 4), (32, 8, 8, 1)])
@pytest.mark.parametrize("length", [256, 131, 21])
def test_grouped_convolution(inside: int, out: int, groups: int, stride: int, length: int) -> None:
    x, weight, bias = drawn(3, inside, length), drawn(out, inside // groups, 41), drawn(out)
    expected = functional.conv1d(x, weight, bias, stride, 20, 1, groups)
    assert_alike(grouped_conv1d(x, weight, bias, stride, 20, groups), expected, x, weight, bias)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("height", [50, 5, 1])
def test_convolution_along_columns(stride: int, height: int) -> None:
    x, weight, bias = drawn(2, 8, height, 7), drawn(16, 8, 5, 1), drawn(16)
    expected = functional.conv2d(x, weight, bias, (stride, 1), (2, 0))
    found = conv_along_columns(x.permute(0, 3, 2, 1).flatten(0, 1), weight, bias, stride, 2)
    assert_alike(found.view(2, 7, -1, 16).permute(0, 3, 2, 1), expected, x, weight, bias)


def test_under_autocast_windows_are_copied_in_the_format_they_are_multiplied_in() -> None:
    x, weight, bias = (value.float() for value in (drawn(1, 4, 64), drawn(8, 2, 41), drawn(8)))
    with torch.autocast("cpu", torch.bfloat16):
        assert grouped_conv1d(x, weight, bias, 4, 20, 2).dtype == torch.bfloat16


def test_a_cpu_has_convolutions_that_know_groups() -> None:
    assert not multiplies_windows(torch.zeros(1))


@pytest.mark.parametrize("spectral", [False, True])
def test_the_discriminators_say_the_same(spectral: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    config = replace(CONFIG, discriminator_width_divisor=8, use_spectral_norm=spectral)
    judge = WaveformDiscriminator(config).double().eval()
    audio = drawn(2, 1, 2048)
    weights = list(judge.parameters())

    def heard() -> DiscriminatorOutput:
        found: DiscriminatorOutput = judge(audio)
        return found

    expected = heard()
    for module in (weight_norm, discriminators):
        monkeypatch.setattr(module, "multiplies_windows", lambda _: True)
    found = heard()
    for one, other in zip(found.logits, expected.logits, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one.sort().values, other.sort().values)  # columns stand in another order
    for mine, theirs in zip(found.features, expected.features, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one.abs().mean(), other.abs().mean())
    total, wanted = (
        sum(
            (part.square().mean() for part in (*output.logits, *(layer for each in output.features for layer in each))),
            torch.zeros(()),
        )
        for output in (found, expected)
    )
    assert_alike(total, wanted, audio, *weights)
