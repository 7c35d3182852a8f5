"""Every parameter's name, shape and place are those of Piper's checkpoints, for every architecture Piper can train."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from core_vits.config import PRESETS, ModelConfig
from core_vits.discriminators import MultiResolutionDiscriminator, WaveformDiscriminator
from core_vits.synthesizer import Synthesizer

Layout = dict[str, tuple[int, ...]]

VARIANTS: dict[str, ModelConfig] = {
    "x-low (legacy --quality x-low)": PRESETS["x-low"],
    "high": PRESETS["high"],
    "multispeaker medium (num_speakers=2)": replace(PRESETS["medium"], num_speakers=2),
    "multispeaker high": replace(PRESETS["high"], num_speakers=2),
    "use_mrd": replace(PRESETS["medium"], use_mrd=True),
    "use_sdp=false": replace(PRESETS["medium"], use_sdp=False),
    "use_spectral_norm=true": replace(PRESETS["medium"], use_spectral_norm=True),
}


def _modules(config: ModelConfig) -> dict[str, nn.Module]:
    """The model without memory for its weights, under the prefixes of a checkpoint."""
    with torch.device("meta"):
        modules: dict[str, nn.Module] = {
            "model_g.": Synthesizer(config),
            "model_d.": WaveformDiscriminator(config),
        }
        if config.use_mrd:
            modules["model_mrd."] = MultiResolutionDiscriminator()
    return modules


def _layout(config: ModelConfig) -> Layout:
    return {
        prefix + key: tuple(value.shape)
        for prefix, module in _modules(config).items()
        for key, value in module.state_dict().items()
    }


def _shape(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _read_medium(shared: Path) -> Layout:
    lines = (shared / "facts/piper_state_dict_medium.txt").read_text().splitlines()
    rows = [line.split("\t") for line in lines if re.match(r"\d+\t", line)]
    return {key: _shape(shape) for _, key, shape, _ in rows}


def _read_optimizers(shared: Path) -> dict[str, Layout]:
    lines = (shared / "facts/piper_state_dict_medium.txt").read_text().splitlines()
    layouts: dict[str, Layout] = {"opt0": {}, "opt1": {}}
    for line in lines:
        if line.startswith("opt"):
            optimizer, _, key, shape = line.split("\t")
            layouts[optimizer][key] = _shape(shape)
    return layouts


def _read_variant(shared: Path, name: str) -> tuple[list[str], Layout]:
    """The heading's numbers, and medium's layout after the listed changes (added keys at the end)."""
    text = (shared / "facts/piper_state_dict_variants.txt").read_text()
    section = text.split(f"== {name}: ", 1)[1].split("\n== ", 1)[0]
    heading, *lines = section.splitlines()
    layout = _read_medium(shared)
    for line in lines:
        kind, key, shape = line[0], *line[2:].split("\t")
        if kind == "-":
            del layout[key]
        else:
            layout[key] = _shape(shape.split("->")[-1])
    return re.findall(r"(?:params|entries|D|MRD) (\d+)", heading), layout


def test_medium_has_piper_keys_shapes_and_order(shared: Path) -> None:
    assert list(_layout(PRESETS["medium"]).items()) == list(_read_medium(shared).items())


def test_low_differs_from_medium_in_the_sample_rate_only() -> None:
    assert _layout(PRESETS["low"]) == _layout(PRESETS["medium"])
    assert PRESETS["low"].audio.sample_rate == 16_000


def test_parameters_come_in_the_order_of_piper_optimizer_states(shared: Path) -> None:
    modules = _modules(PRESETS["medium"])
    recorded = _read_optimizers(shared)
    for prefix, optimizer in (("model_g.", "opt0"), ("model_d.", "opt1")):
        ours = [(key, tuple(value.shape)) for key, value in modules[prefix].named_parameters()]
        assert ours == list(recorded[optimizer].items())


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_has_piper_keys_shapes_and_order(shared: Path, name: str) -> None:
    numbers, expected = _read_variant(shared, name)
    ours = _layout(VARIANTS[name])
    assert {key: ours.get(key) for key in expected} == expected
    assert set(ours) == set(expected)
    assert len(ours) == int(numbers[0])
    # The file lists added keys in their order, and kept keys stand as in medium: both orders must survive.
    medium = _read_medium(shared)
    kept = [key for key in medium if key in expected]
    assert [key for key in ours if key in medium] == kept
    added = [key for key in expected if key not in medium]
    assert [key for key in ours if key not in medium] == added


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_has_piper_number_of_parameters(shared: Path, name: str) -> None:
    numbers, _ = _read_variant(shared, name)
    counts = [
        sum(parameter.numel() for parameter in module.parameters()) for module in _modules(VARIANTS[name]).values()
    ]
    assert counts == [int(number) for number in numbers[1:]]


@pytest.mark.parametrize("name", ["medium", "multispeaker medium (num_speakers=2)", "high", "use_sdp=false"])
def test_state_dict_order_is_parameter_order(name: str) -> None:
    config = PRESETS["medium"] if name == "medium" else VARIANTS[name]
    for module in _modules(config).values():
        assert list(module.state_dict()) == [key for key, _ in module.named_parameters()]
