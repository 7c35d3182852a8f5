"""Losses over all layers and judges at once are the sums of those of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import plain_training
import pytest
import torch
from torch import Tensor

from core_vits.losses import discriminator_loss, feature_loss, generator_loss

SHAPES = ((3, 4, 50), (3, 8, 25, 2), (3, 1, 7))


def _outputs(shapes: Sequence[Sequence[int]], seed: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def _both(
    loss: Callable[..., Tensor],
    plain: Callable[..., Tensor],
    arguments: Sequence[Sequence[object]],
    leaves: list[Tensor],
) -> None:
    found, wanted = loss(*arguments), plain(*arguments)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    for one, other in zip(
        torch.autograd.grad(3.0 * found, leaves), torch.autograd.grad(3.0 * wanted, leaves), strict=True
    ):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_feature_loss_and_its_gradients_are_those_of_layer_by_layer(dtype: torch.dtype) -> None:
    real, fake = _outputs(SHAPES, 1, dtype), _outputs(SHAPES, 2, dtype)
    with torch.no_grad():
        fake[1][0] = real[1][0]  # no difference has no direction
    layers = [[real[0], real[1]], [real[2]]], [[fake[0], fake[1]], [fake[2]]]
    _both(feature_loss, plain_training.feature_loss, layers, fake)


def test_feature_loss_of_half_precision_is_added_up_in_full() -> None:
    real = [[torch.zeros(2, 100_000, dtype=torch.bfloat16)]]
    fake = [[torch.full((2, 100_000), 0.25, dtype=torch.bfloat16).requires_grad_()]]
    loss = feature_loss(real, fake)
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == 0.5
    (gradient,) = torch.autograd.grad(loss, fake[0])
    assert gradient.dtype == torch.bfloat16
    assert float(gradient[0, 0]) == pytest.approx(2.0 / 200_000, rel=0.01)


def test_nothing_learns_through_the_recordings_features() -> None:
    real, fake = _outputs(SHAPES, 1, torch.float32), _outputs(SHAPES, 2, torch.float32)
    feature_loss([real], [fake]).backward()
    assert all(layer.grad is None for layer in real)


def test_losses_of_the_judgements_are_those_of_judge_by_judge() -> None:
    shapes = ((3, 40), (3, 9), (3, 1))
    real, fake = _outputs(shapes, 1, torch.float32), _outputs(shapes, 2, torch.float32)
    _both(generator_loss, plain_training.generator_loss, [fake], fake)
    _both(discriminator_loss, plain_training.discriminator_loss, [real, fake], [*real, *fake])
