"""`config.json` of a run: the voice as Piper describes it, written before the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core_vits.languages import language_block
from core_vits.phoneme_map import Clusters
from core_vits.phonemes import NUM_SYMBOLS, espeak_voice_names
from workbench.config import HOP_LENGTH, Workspace

# The version of Piper whose format this is; its runtime and its trainer read it as such.
_PIPER_VERSION = "1.5.0"


def voice_config(
    workspace: Workspace,
    id_map: Mapping[str, Sequence[int]],
    *,
    speakers: Mapping[str, int],
    num_speakers: int,
    default_speaker: int,
    phoneme_type: str,
) -> dict[str, Any]:
    """Piper's voice configuration.

    Args:
        workspace: settings of the run.
        id_map: that the clips were made with.
        speakers: id of each speaker; empty for a voice without speakers.
        num_speakers: that the model has.
        default_speaker: id of who speaks where nobody is named.
        phoneme_type: of the phonemizer that the clips were made with.
    """
    voice = workspace.text.espeak_voice or espeak_voice_names(workspace.voice.language)[0]
    config: dict[str, Any] = {
        "audio": {"sample_rate": workspace.audio.sample_rate, "quality": workspace.voice.quality},
        "dataset": workspace.voice.name,
        "espeak": {"voice": voice},
        "language": language_block(workspace.voice.language),
        "phoneme_type": phoneme_type,
        "num_symbols": NUM_SYMBOLS,
        "num_speakers": num_speakers,
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_map": {},
        "phoneme_id_map": {symbol: list(ids) for symbol, ids in id_map.items()},
        # Piper names nobody in a voice with one speaker.
        "speaker_id_map": dict(speakers) if num_speakers > 1 else {},
        "default_speaker_id": default_speaker,
        "hop_length": HOP_LENGTH,
        "piper_version": _PIPER_VERSION,
    }
    if clusters := Clusters(workspace.text.vowel_clusters).all:
        config["vowel_clusters"] = [list(cluster) for cluster in clusters]
    return config
