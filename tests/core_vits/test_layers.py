"""Layers against their definitions, written out plainly."""

from __future__ import annotations

import plain_training
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from core_vits.layers.attention import RelativeSelfAttention, band_to_dense, dense_to_band
from core_vits.layers.duration import DepthwiseConv, DepthwiseStack
from core_vits.layers.flow import CouplingFlow
from core_vits.layers.segments import length_mask, pad_to, slice_segments, slice_starts
from core_vits.layers.spline import rational_quadratic_spline
from core_vits.layers.wavenet import gate
from core_vits.layers.weight_norm import (
    WeightNormConv1d,
    WeightNormConv2d,
    WeightNormConvTranspose1d,
    fold_weight_norm,
)


def _noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("length", [1, 2, 5, 9, 20])
def test_band_values_land_on_their_diagonals(length: int) -> None:
    band = _noise(2, 3, length, 9)
    dense = band_to_dense(band)
    expected = torch.zeros(2, 3, length, length)
    for row in range(length):
        for relative in range(9):
            column = row + relative - 4
            if 0 <= column < length:
                expected[:, :, row, column] = band[:, :, row, relative]
    assert torch.equal(dense, expected)
    back = dense_to_band(dense, 9)
    inside = torch.tensor([[0 <= row + r - 4 < length for r in range(9)] for row in range(length)])
    assert torch.equal(back, band * inside)


def test_attention_equals_its_definition_with_loops() -> None:
    torch.manual_seed(1)
    layer = RelativeSelfAttention(8, 2, 0.0)
    x, length = _noise(1, 8, 7), 5
    mask = length_mask(torch.tensor([length]), 7, torch.float32)
    out = layer(x, mask.unsqueeze(2) * mask.unsqueeze(3))
    query, key, value = (conv(x)[0].reshape(2, 4, 7) for conv in (layer.conv_q, layer.conv_k, layer.conv_v))
    expected = torch.zeros(2, 4, 7)
    for head in range(2):
        for i in range(length):
            scores = []
            for j in range(length):
                near = layer.emb_rel_k[0, j - i + 4] if abs(j - i) <= 4 else torch.zeros(4)
                scores.append((query[head, :, i] / 2.0) @ (key[head, :, j] + near))
            weights = torch.stack(scores).softmax(0)
            for j in range(length):
                near = layer.emb_rel_v[0, j - i + 4] if abs(j - i) <= 4 else torch.zeros(4)
                expected[head, :, i] += weights[j] * (value[head, :, j] + near)
    expected = layer.conv_o(expected.reshape(1, 8, 7))
    assert torch.allclose(out[:, :, :length], expected[:, :, :length], atol=1e-6)


def _spline_arguments(count: int) -> tuple[Tensor, Tensor, Tensor]:
    x = torch.linspace(-7.0, 7.0, count).reshape(1, count)
    return x, _noise(1, count, 2, 10, seed=1), _noise(1, count, 9, seed=3)


def test_spline_inverse_undoes_the_spline() -> None:
    x, sizes, slopes = (value.double() for value in _spline_arguments(101))
    y, log_slope = rational_quadratic_spline(x, sizes, slopes, bound=5.0, reverse=False)
    back, back_log_slope = rational_quadratic_spline(y, sizes, slopes, bound=5.0, reverse=True)
    assert torch.allclose(back, x, atol=1e-9)
    assert torch.allclose(back_log_slope, -log_slope, atol=1e-8)


def test_spline_log_slope_is_the_logarithm_of_its_derivative() -> None:
    x, sizes, slopes = (value.double() for value in _spline_arguments(60))
    x.requires_grad_(True)
    y, log_slope = rational_quadratic_spline(x, sizes, slopes, bound=5.0, reverse=False)
    (derivative,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(derivative.log(), log_slope, atol=1e-9)


def test_spline_is_the_identity_outside_with_gradient_one_and_none_for_its_knots() -> None:
    x = torch.tensor([[-5.5, 5.5, 1e4]], requires_grad=True)
    knots = [_noise(1, 3, *shape).requires_grad_(True) for shape in ((2, 10), (9,))]
    y, log_slope = rational_quadratic_spline(x, *knots, bound=5.0, reverse=False)
    assert torch.equal(y, x)
    assert not log_slope.any()
    (y + log_slope).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones_like(x))
    for knot in knots:
        assert knot.grad is not None
        assert not knot.grad.any()


def test_spline_gradients_are_those_of_computing_inside_points_alone() -> None:
    arguments = [value.requires_grad_(True) for value in _spline_arguments(40)]
    y, log_slope = rational_quadratic_spline(*arguments, bound=5.0, reverse=False)
    together = torch.autograd.grad((y.square() + log_slope)[:, :].sum(), arguments)
    inside = arguments[0].detach().abs().squeeze(0) <= 5.0
    chosen = [value.detach()[:, inside].requires_grad_(True) for value in arguments]
    y, log_slope = rational_quadratic_spline(*chosen, bound=5.0, reverse=False)
    alone = torch.autograd.grad((y.square() + log_slope).sum(), chosen)
    for gradient, expected in zip(together, alone, strict=True):
        assert torch.allclose(gradient[:, inside], expected, atol=1e-6)


def test_spline_and_its_gradients_are_those_of_the_papers_equations() -> None:
    arguments = [value.double().requires_grad_(True) for value in _spline_arguments(80)]
    seeds = [_noise(2, 1, 80, seed=4).double()[side] for side in (0, 1)]
    found, wanted = (
        form(*arguments, bound=5.0, reverse=False) for form in (rational_quadratic_spline, plain_training.spline)
    )
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-12)
    gradients = [
        torch.autograd.grad(sum((out * seed).sum() for out, seed in zip(side, seeds, strict=True)), arguments)
        for side in (found, wanted)
    ]
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_gate_and_its_gradient_are_tanh_times_sigmoid(dtype: torch.dtype) -> None:
    source = _noise(2, 6, 40).to(dtype).requires_grad_(True)
    seed = _noise(2, 3, 40, seed=1).to(dtype)
    one, other = gate(source * 1.0), plain_training.gate(source)
    accuracy = 4 * torch.finfo(dtype).eps
    assert torch.allclose(one, other, rtol=accuracy, atol=accuracy)
    (found,) = torch.autograd.grad((one * seed).sum(), source)
    (wanted,) = torch.autograd.grad((other * seed).sum(), source)
    assert torch.allclose(found, wanted, rtol=accuracy, atol=accuracy)


def test_gate_leaves_its_argument_alone_where_nothing_is_learned() -> None:
    pre = _noise(1, 4, 5)
    kept = pre.clone()
    gate(pre)
    assert torch.equal(pre, kept)


def test_depthwise_stack_equals_its_convolutions() -> None:
    torch.manual_seed(2)
    stack = DepthwiseStack(6)
    x, mask = _noise(2, 6, 13), length_mask(torch.tensor([13, 8]), 13, torch.float32)
    weights = stack.state_dict()
    expected = x
    for layer, dilation in enumerate((1, 3, 9)):
        hidden = functional.conv1d(
            expected * mask,
            weights[f"convs_sep.{layer}.weight"],
            weights[f"convs_sep.{layer}.bias"],
            padding=dilation,
            dilation=dilation,
            groups=6,
        )
        hidden = functional.gelu(functional.layer_norm(hidden.transpose(1, 2), (6,)).transpose(1, 2))
        hidden = functional.conv1d(hidden, weights[f"convs_1x1.{layer}.weight"], weights[f"convs_1x1.{layer}.bias"])
        expected = expected + functional.gelu(functional.layer_norm(hidden.transpose(1, 2), (6,)).transpose(1, 2))
    assert torch.allclose(stack(x, mask), expected * mask, atol=1e-5)


@pytest.mark.parametrize("length", [1, 4, 30])
@pytest.mark.parametrize("dilation", [1, 3, 9])
def test_depthwise_convolution_and_its_gradients_are_those_of_torch(dilation: int, length: int) -> None:
    ours = DepthwiseConv(5, dilation).double()
    torchs = nn.Conv1d(5, 5, 3, groups=5, dilation=dilation, padding=dilation, dtype=torch.float64)
    torchs.load_state_dict(ours.state_dict())
    x = torch.randn(2, length, 5, dtype=torch.float64, requires_grad=True)
    seed = torch.randn(2, length, 5, dtype=torch.float64)
    here, there = ours(x), torchs(x.transpose(1, 2)).transpose(1, 2)
    assert torch.allclose(here, there)
    found = torch.autograd.grad((here * seed).sum(), (x, *ours.parameters()))
    wanted = torch.autograd.grad((there * seed).sum(), (x, *torchs.parameters()))
    assert all(torch.allclose(one, other) for one, other in zip(found, wanted, strict=True))
    with torch.no_grad():
        assert torch.equal(ours(x), here)


def test_flow_backwards_undoes_the_flow() -> None:
    torch.manual_seed(3)
    flow = CouplingFlow(6, 8, 2, 4)
    for parameter in flow.parameters():
        nn.init.normal_(parameter, 0.0, 0.2)
    mask = length_mask(torch.tensor([9, 5]), 9, torch.float32)
    x, speaker = _noise(2, 6, 9) * mask, _noise(2, 4, 1)
    moved = flow(x, mask, speaker)
    assert not torch.allclose(moved, x, atol=1e-2)
    assert torch.allclose(flow(moved, mask, speaker, reverse=True), x, atol=1e-5)


def test_weight_norm_starts_as_torch_convolutions_do_and_keeps_checkpoint_names() -> None:
    torch.manual_seed(4)
    ours = WeightNormConv1d(6, 10, 5, groups=2)
    torch.manual_seed(4)
    plain = nn.Conv1d(6, 10, 5, groups=2)
    assert list(ours.state_dict()) == ["bias", "weight_g", "weight_v"]
    assert torch.allclose(ours.weight_v, plain.weight)
    assert torch.allclose(ours.bias, plain.bias if plain.bias is not None else torch.empty(0))
    x = _noise(2, 6, 20)
    assert torch.allclose(ours(x), plain(x), atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (WeightNormConv1d(4, 6, 3, stride=2, padding=1, dilation=2), (2, 4, 15)),
        (WeightNormConv2d(3, 5, (5, 1), stride=(3, 1), padding=(2, 0)), (2, 3, 12, 2)),
        (WeightNormConvTranspose1d(4, 2, 8, stride=4, padding=2), (2, 4, 7)),
    ],
)
def test_weight_is_length_times_unit_direction_also_after_folding(layer: nn.Module, shape: tuple[int, ...]) -> None:
    with torch.no_grad():
        layer.get_parameter("weight_g").mul_(2.5)
    x = _noise(*shape)
    before = layer(x)
    direction = layer.get_parameter("weight_v").detach()
    norm = direction.flatten(1).norm(dim=1).reshape(-1, *[1] * (direction.dim() - 1))
    expected = layer.get_parameter("weight_g").detach() * direction / norm
    fold_weight_norm(layer)
    fold_weight_norm(layer)  # a second time changes nothing
    assert list(layer.state_dict()) == ["bias", "weight"]
    assert torch.allclose(layer.get_parameter("weight"), expected, atol=1e-6)
    assert torch.allclose(layer(x), before, atol=1e-6)


def test_slices_read_zeros_behind_the_end() -> None:
    x = torch.arange(1.0, 11.0).reshape(1, 1, 10).expand(2, 2, 10)
    cut = slice_segments(x, torch.tensor([0, 7]), 5)
    assert cut[0, 1].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert cut[1, 0].tolist() == [8.0, 9.0, 10.0, 0.0, 0.0]
    assert slice_segments(x, torch.tensor([40, 0]), 3)[0, 0].tolist() == [0.0, 0.0, 0.0]


def test_slice_gradients_reach_only_what_was_cut() -> None:
    x = torch.ones(1, 2, 6, requires_grad=True)
    slice_segments(x, torch.tensor([4]), 4).sum().backward()
    assert x.grad is not None
    assert x.grad[0, 0].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]


def test_slice_starts_stay_inside_for_every_draw() -> None:
    lengths = torch.tensor([10, 32, 33, 100])
    assert slice_starts(lengths, torch.zeros(4), 32).tolist() == [0, 0, 0, 0]
    almost_one = torch.full((4,), 1.0 - 2.0**-24)
    assert slice_starts(lengths, almost_one, 32).tolist() == [0, 0, 1, 68]


def test_padding_only_ever_adds() -> None:
    assert pad_to(torch.ones(1, 2, 5), 8).tolist() == [[[1.0] * 5 + [0.0] * 3] * 2]
    assert pad_to(torch.ones(1, 2, 5), 3).shape == (1, 2, 5)
