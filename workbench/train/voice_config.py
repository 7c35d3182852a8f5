"""`config.json` of a run: the voice as Piper describes it, written before the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core_vits.phonemes import NUM_SYMBOLS, espeak_voice_names
from workbench.config import HOP_LENGTH, Workspace

# The version of Piper whose format this is; its runtime and its trainer read it as such.
_PIPER_VERSION = "1.5.0"


def voice_config(
    workspace: Workspace, id_map: Mapping[str, Sequence[int]], speakers: Mapping[str, int]
) -> dict[str, Any]:
    """Piper's voice configuration.

    Args:
        workspace: settings of the run.
        id_map: of the phonemizer that the clips were made with.
        speakers: id of each speaker; empty for a voice with one.
    """
    voice = workspace.text.espeak_voice or espeak_voice_names(workspace.voice.language)[0]
    return {
        "audio": {"sample_rate": workspace.audio.sample_rate, "quality": workspace.voice.quality},
        "dataset": workspace.voice.name,
        "espeak": {"voice": voice},
        "language": _language(workspace.voice.language),
        "phoneme_type": "espeak",
        "num_symbols": NUM_SYMBOLS,
        "num_speakers": max(1, len(speakers)),
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_map": {},
        "phoneme_id_map": {symbol: list(ids) for symbol, ids in id_map.items()},
        "speaker_id_map": dict(speakers),
        "default_speaker_id": 0,
        "hop_length": HOP_LENGTH,
        "piper_version": _PIPER_VERSION,
    }


def _language(tag: str) -> dict[str, str]:
    """What the tag says; exporters fill in names in words."""
    family, _, region = tag.partition("-")
    code = f"{family}_{region.upper()}" if region else family
    return {"code": code, "family": family, "region": region.upper()}
