"""Configurations check themselves and say what to change."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core_vits.config import (
    PRESETS,
    AudioConfig,
    ConfigError,
    LossWeights,
    ModelConfig,
    model_config_from_piper,
    piper_hyperparameters,
)

BROKEN: dict[str, tuple[Callable[[], object], str]] = {
    "window above FFT": (lambda: AudioConfig(win_length=2048), "Lower win_length to at most 1024"),
    "hop above window": (lambda: AudioConfig(win_length=128), "Lower hop_length to at most 128"),
    "odd padding": (lambda: AudioConfig(hop_length=255), "Change one of them by 1"),
    "mel above Nyquist": (lambda: AudioConfig(mel_fmax=12_000.0), "half the sample rate"),
    "no hop": (lambda: AudioConfig(hop_length=0), "Set a positive hop_length"),
    "rates": (lambda: ModelConfig(upsample_rates=(8, 8, 8)), "Make the product equal hop_length"),
    "rate kernels": (lambda: ModelConfig(upsample_kernel_sizes=(16, 16)), "one kernel per rate"),
    "kernel below rate": (lambda: ModelConfig(upsample_kernel_sizes=(16, 16, 2)), "usually 8"),
    "decoder width": (lambda: ModelConfig(upsample_initial_channel=100), "multiple of 8"),
    "resblock": (lambda: ModelConfig(resblock="3"), "Use '1' or '2'"),  # type: ignore[arg-type]
    "dilations": (
        lambda: ModelConfig(resblock_dilation_sizes=((1, 2),)),
        "one tuple of dilations per kernel",
    ),
    "even resblock kernel": (lambda: ModelConfig(resblock_kernel_sizes=(3, 4, 7)), "Use odd ones"),
    "empty decoder": (
        lambda: ModelConfig(upsample_rates=(), upsample_kernel_sizes=()),
        "must not be empty",
    ),
    "heads": (lambda: ModelConfig(n_heads=5), "multiple of 5"),
    "odd latent": (lambda: ModelConfig(inter_channels=191), "Make it even"),
    "even kernel": (lambda: ModelConfig(kernel_size=4), "Use an odd one"),
    "dropout": (lambda: ModelConfig(p_dropout=1.0), "usually 0.1"),
    "segment": (lambda: ModelConfig(segment_size=8000), "Set for instance 8192"),
    "short segment": (lambda: ModelConfig(segment_size=256), "Set more than 384 samples"),
    "short MRD segment": (lambda: ModelConfig(segment_size=768, use_mrd=True), "more than 904"),
    "divisor": (lambda: ModelConfig(discriminator_width_divisor=3), "Use 1, 2, 4, 8, 16 or 32"),
    "speakers": (lambda: ModelConfig(num_speakers=0), "Set a positive num_speakers"),
    "gin": (lambda: ModelConfig(gin_channels=-1), "Set 0 for a single speaker"),
    "loss weight": (lambda: LossWeights(mel=-1.0), "Set 0 or more"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_contradiction_is_refused_with_what_to_change(case: str) -> None:
    build, advice = BROKEN[case]
    with pytest.raises(ConfigError, match=advice):
        build()


def test_configurations_are_frozen_and_hashable() -> None:
    config = PRESETS["medium"]
    assert hash(config) == hash(ModelConfig())
    with pytest.raises(FrozenInstanceError):
        config.n_heads = 4  # type: ignore[misc]


def test_several_speakers_get_piper_embedding_width_unless_told_otherwise() -> None:
    assert ModelConfig(num_speakers=2).gin_channels == 512
    assert ModelConfig(num_speakers=2, gin_channels=16).gin_channels == 16
    assert ModelConfig().gin_channels == 0


@pytest.mark.parametrize("name", PRESETS)
def test_piper_hyperparameters_round_trip(name: str) -> None:
    # Piper's hyperparameters know neither narrow discriminators nor other depths; the shapes of the tensors show them.
    config = replace(PRESETS[name], discriminator_width_divisor=1, posterior_layers=16, flow_layers=4)
    values = piper_hyperparameters(config)
    assert model_config_from_piper(values) == config
    assert not [value for value in values.values() if isinstance(value, tuple)]


@pytest.mark.parametrize("run", ["minid", "minid_ms", "minid_mrd"])
def test_architecture_options_written_are_those_that_piper_writes(shared: Path, run: str) -> None:
    path = shared / f"fixtures/run_{run}/last.ckpt"
    recorded: dict[str, Any] = torch.load(path, weights_only=True)["hyper_parameters"]
    ours = piper_hyperparameters(model_config_from_piper(recorded))
    assert {key: recorded[key] for key in ours} == ours


def test_piper_spellings_are_understood_and_other_options_ignored() -> None:
    config = model_config_from_piper(
        {
            "upsample_rates": "(8, 8, 2, 2)",
            "upsample_kernel_sizes": [16, 16, 4, 4],
            "resblock": 2,
            "sample_rate": 16_000,
            "learning_rate": 1e-3,
            "dataset_dir": "/somewhere",
        }
    )
    assert config.upsample_rates == (8, 8, 2, 2)
    assert config.upsample_kernel_sizes == (16, 16, 4, 4)
    assert config.resblock == "2"
    assert config.audio.sample_rate == 16_000


@pytest.mark.parametrize("values", [{"upsample_rates": "eight"}, {"n_heads": "two"}, {"hop_length": None}])
def test_a_hyperparameter_of_the_wrong_type_is_a_config_error(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        model_config_from_piper(values)


def test_configurations_do_not_import_torch() -> None:
    program = "import sys, core_vits.config; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
