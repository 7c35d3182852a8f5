"""Training with every shortcut lies on training without any."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import plain_training
import pytest
import torch
from envelope import Curves, compare
from plain_training import CURVES, apart, loss_curves
from same_state import one_step_apart
from training_parts import CONFIG

from core_vits.config import ModelConfig


@pytest.mark.parametrize(
    ("config", "steps"),
    [(replace(CONFIG, use_sdp=True), 12), (replace(CONFIG, use_mrd=True, num_speakers=3, gin_channels=4), 4)],
    ids=["stochastic durations", "several speakers and resolutions"],
)
def test_loss_curves_of_some_steps_lie_on_those_of_a_plain_loop(config: ModelConfig, steps: int) -> None:
    ours, plain = loss_curves(config, steps)
    for name in CURVES:
        assert len(set(plain[name])) == steps, f"{name} does not move: nothing is shown"
        assert apart(ours[name], plain[name]) < 1e-3, name
        assert apart(ours[name][:3], plain[name][:3]) < 1e-5, name


def test_plain_forms_really_replace_the_shortcuts() -> None:
    with plain_training.plain_forms():
        with pytest.raises(TypeError):
            torch._weight_norm()  # type: ignore[call-arg]  # the plain one is a Python function
        from core_vits.layers import wavenet

        assert wavenet.gate is plain_training.gate
    assert wavenet.gate is not plain_training.gate


def test_a_step_out_of_the_same_state_is_as_near_to_the_plain_one_as_another_order_of_addition() -> None:
    torch.set_num_threads(1)
    looked = list(one_step_apart(replace(CONFIG, use_sdp=True), 5, every=2))
    assert [number for number, *_ in looked] == [0, 2, 4]
    for _, ours, other in looked:
        assert ours.loss < 1e-6
        assert 0 < ours.gradients_g < 5 * other.gradients_g
        assert 0 < ours.gradients_d < 5 * other.gradients_d
        assert ours.weights_d < 1e-6


def wandering(seed: int, *, factor: float = 1.0) -> Curves:
    """Two curves that drift from those of other seeds, up to a percent."""
    draw = random.Random(seed)
    curves: Curves = {}
    for name in ("mel", "kl"):
        drift, curve = 0.0, []
        for _ in range(300):
            drift += draw.gauss(0, 5e-4)
            curve.append(3.0 * (factor if name == "kl" else 1.0) * math.exp(drift))
        curves[name] = curve
    return curves


class TestEnvelope:
    def test_trainings_of_one_kind_lie_among_each_other(self) -> None:
        for seed in range(0, 80, 8):
            ours, controls = ([wandering(seed + offset + number) for number in range(4)] for offset in (0, 4))
            cells = compare(ours, controls)
            assert [(cell.loss, cell.begin) for cell in cells] == [
                (name, begin) for name in ("mel", "kl") for begin in (0, 100, 200)
            ]
            assert all(cell.inside for cell in cells)

    def test_a_loss_that_is_wrong_by_more_than_the_drift_is_outside(self) -> None:
        """And the other one is not; the sign says in which direction."""
        ours = [wandering(number, factor=1.05) for number in range(4)]
        cells = compare(ours, [wandering(number) for number in range(4, 8)])
        assert {cell.loss for cell in cells if not cell.inside} == {"kl"}
        assert all(0.03 < cell.bias < 0.07 for cell in cells if cell.loss == "kl")
