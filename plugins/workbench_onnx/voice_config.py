"""The JSON beside a voice, and what sherpa-onnx reads instead of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core_vits.config import ModelConfig
from core_vits.languages import language_block
from workbench.api import VoiceIdentity

PIPER_VERSION = "1.5.0"
"""Version of Piper's voice format that the JSON follows, where the run's configuration names none."""

_REQUIRED = ("audio", "espeak", "phoneme_id_map", "num_symbols", "num_speakers")
_INFERENCE = {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8}


class VoiceConfigError(ValueError):
    """The run's `config.json` does not fit the checkpoint or lacks something; one line."""


def complete_config(config: Mapping[str, Any], voice: VoiceIdentity, model: ModelConfig) -> dict[str, Any]:
    """All fields that Piper's runtime, Home Assistant and voice lists read.

    Args:
        config: the run's `config.json`.
        voice: name, language and quality.
        model: the checkpoint's architecture, which the configuration must fit.

    Raises:
        VoiceConfigError: a field is missing, or it contradicts the checkpoint.
    """
    missing = [name for name in _REQUIRED if name not in config]
    if missing:
        raise VoiceConfigError(f"the voice's config.json has no {', '.join(missing)}. Use the one of the training run")
    _check(config, model)
    completed = {
        "dataset": voice.dataset or voice.name,
        "audio": {**config["audio"], "quality": voice.quality},
        "espeak": dict(config["espeak"]),
        "language": language_block(voice.language),
        "inference": {**_INFERENCE, **config.get("inference", {})},
        "phoneme_type": config.get("phoneme_type", "espeak"),
        "phoneme_map": config.get("phoneme_map", {}),
        "phoneme_id_map": {symbol: list(ids) for symbol, ids in config["phoneme_id_map"].items()},
        "num_symbols": model.num_symbols,
        "num_speakers": model.num_speakers,
        "speaker_id_map": dict(config.get("speaker_id_map", {})),
        "default_speaker_id": config.get("default_speaker_id", 0),
        "piper_version": config.get("piper_version", PIPER_VERSION),
        "hop_length": model.audio.hop_length,
    }
    return {**completed, **{key: value for key, value in config.items() if key not in completed}}


def _check(config: Mapping[str, Any], model: ModelConfig) -> None:
    """
    Raises:
        VoiceConfigError: the configuration is of another checkpoint.
    """
    rate = config["audio"].get("sample_rate")
    if not isinstance(rate, int) or rate < 1:
        raise VoiceConfigError(f"the voice's config.json has the sample_rate {rate!r}. Set the voice's rate in Hz")
    for name, wanted in (("num_symbols", model.num_symbols), ("num_speakers", model.num_speakers)):
        if config[name] != wanted:
            raise VoiceConfigError(
                f"the voice's config.json says {name} = {config[name]}, the checkpoint has {wanted}. "
                "Use the config.json of the run that saved the checkpoint"
            )
    highest = max((number for ids in config["phoneme_id_map"].values() for number in ids), default=-1)
    if not 0 <= highest < model.num_symbols:
        raise VoiceConfigError(
            f"the voice's phoneme_id_map goes up to id {highest}, the checkpoint knows 0 to {model.num_symbols - 1}. "
            "Use the config.json of the run that saved the checkpoint"
        )
    if not config["espeak"].get("voice"):
        raise VoiceConfigError("the voice's config.json names no espeak voice. Set espeak.voice, for instance 'ru'")


def sherpa_metadata(config: Mapping[str, Any], voice: VoiceIdentity) -> dict[str, str]:
    """What sherpa-onnx reads from the graph; it ends the whole process when the first four are missing.

    Args:
        config: from `complete_config`.
    """
    return {
        "sample_rate": str(config["audio"]["sample_rate"]),
        "n_speakers": str(config["num_speakers"]),
        "language": str(config["language"]["name_english"]),
        # sherpa-onnx knows the phoneme rules of a voice by this word.
        "comment": f"piper voice {voice.stem}",
        "voice": str(config["espeak"]["voice"]),
        "model_type": "vits",
        "has_espeak": "1",
        "add_blank": "1",
    }


def tokens_table(config: Mapping[str, Any]) -> str:
    """The `tokens.txt` of sherpa-onnx: symbol and id a line; symbols of several characters are left out, it takes none.

    Args:
        config: from `complete_config`.
    """
    lines = [f"{symbol} {ids[0]}\n" for symbol, ids in config["phoneme_id_map"].items() if len(symbol) == 1]
    return "".join(lines)


def streaming_config(config: Mapping[str, Any], *, decoder: str, margin: int) -> dict[str, Any]:
    """The JSON of a voice in two parts: that of the whole, and how the parts are used.

    Args:
        config: from `complete_config`.
        decoder: name of the decoder's file, in the same folder.
        margin: frames to decode before and after those whose audio is kept; from `core_vits.streaming`.
    """
    return {**config, "streaming": True, "decoder": {"file": decoder, "margin_frames": margin}}
