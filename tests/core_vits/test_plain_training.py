"""Training with every shortcut lies on training without any."""

from __future__ import annotations

from dataclasses import replace

import plain_training
import pytest
import torch
from plain_training import CURVES, apart, loss_curves
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
