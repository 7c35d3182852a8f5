"""A voice small enough for tests: real architecture, random weights, a configuration as Piper writes it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core_vits.checkpoint import save_atomic
from core_vits.config import ModelConfig, piper_hyperparameters
from core_vits.phonemes import NUM_SYMBOLS, PHONEME_ID_MAP
from core_vits.synthesizer import Synthesizer

TINY = ModelConfig(hidden_channels=16, inter_channels=16, filter_channels=32, n_layers=2, upsample_initial_channel=32)


def tiny_model(*, speakers: int = 1) -> ModelConfig:
    """The architecture."""
    return TINY if speakers == 1 else replace(TINY, num_speakers=speakers, gin_channels=16)


def tiny_generator(config: ModelConfig, *, seed: int = 0) -> Synthesizer:
    """Random weights that speak audibly."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Synthesizer(config)
        # Layers that training starts at zero would hide mistakes behind them.
        for parameter in generator.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, 0.0, 0.05)
        nn.init.normal_(generator.dec.conv_post.weight, 0.0, 0.5)
    return generator.eval()


def write_checkpoint(path: Path, *, speakers: int = 1, seed: int = 0) -> Path:
    """A checkpoint with the generator only; the folder is made."""
    config = tiny_model(speakers=speakers)
    generator = tiny_generator(config, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_atomic(
        path,
        {
            "state_dict": {f"model_g.{name}": value for name, value in generator.state_dict().items()},
            "hyper_parameters": piper_hyperparameters(config),
            "epoch": 0,
            "global_step": 2,
            "pytorch-lightning_version": "2.6.6",
        },
    )
    return path


def voice_config(*, speakers: int = 1) -> dict[str, Any]:
    """The `config.json` of a run, with the keys that Piper's trainer writes."""
    return {
        "audio": {"sample_rate": 22_050},
        "espeak": {"voice": "ru"},
        "phoneme_type": "espeak",
        "num_symbols": NUM_SYMBOLS,
        "num_speakers": speakers,
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_id_map": {symbol: list(ids) for symbol, ids in PHONEME_ID_MAP.items()},
        "speaker_id_map": {f"spk{number}": number for number in range(speakers)} if speakers > 1 else {},
        "hop_length": 256,
        "piper_version": "1.5.0",
    }


def write_run(folder: Path, *, speakers: int = 1, seed: int = 0) -> Path:
    """A run folder as the trainer leaves it, with one checkpoint; returns the checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(voice_config(speakers=speakers)), encoding="utf-8")
    (folder / "run.toml").write_text(
        f'[workspace]\nroot = "{folder}"\nfile = "{folder / "workbench.toml"}"\n'
        '[voice]\nname = "aelita"\nlanguage = "ru"\nquality = "tiny"\n',
        encoding="utf-8",
    )
    return write_checkpoint(folder / "checkpoints" / "epoch=0-step=2.ckpt", speakers=speakers, seed=seed)
