"""The configuration that belongs to a checkpoint or an exported voice: where it lies, and whom it knows.

Light: a viewer asks while it draws, so nothing here reads weights.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.jobs.piper_config import find_piper_config
from workbench.jobs.rundir import VOICE_CONFIG

ENCODER_SUFFIX, DECODER_SUFFIX = ".encoder.onnx", ".decoder.onnx"
"""Of the two files of a voice that is heard while it is being spoken; the first one stands for the voice."""

_FOLDERS_UP = 5
"""A checkpoint of Piper's lies in lightning_logs/version_N/checkpoints, its `config.json` often above all of these."""
_LARGEST = 1_000_000


def folders_with_config(checkpoint: Path, run: Path | None = None) -> list[Path]:
    """Where the `config.json` of a checkpoint may lie: its run, or else its own folder and those above."""
    return [run] if run is not None else list(checkpoint.absolute().parents)[:_FOLDERS_UP]


def exported_voices(folder: Path) -> list[Path]:
    """The exported voices in a folder, by name; of one in two parts the first. Empty where there is no such folder."""
    return sorted(path for path in folder.glob("*.onnx") if not path.name.endswith(DECODER_SUFFIX))


def find_voice_config(source: Path, run: Path | None = None) -> Path | None:
    """The configuration of a checkpoint or of an exported voice; None when there is none.

    Args:
        source: a `.ckpt` or an `.onnx`.
        run: the run that saved the checkpoint; found by its place if None.
    """
    if source.suffix == ".onnx":
        places = [source.with_name(f"{source.name}.json")]
    else:
        # The settings of a run of Piper name it: two voices may have been trained in one folder.
        named = find_piper_config(source) if run is None else None
        above = [folder / VOICE_CONFIG for folder in folders_with_config(source, run)]
        places = above if named is None else [named, *above]
    there = [place for place in places if place.is_file()]
    # Other programs have a config.json as well; where there is no voice's, what is wrong with the first is to be said.
    return next((place for place in there if _is_of_a_voice(place)), there[0] if there else None)


def _is_of_a_voice(place: Path) -> bool:
    """Whether a file looks like a voice's configuration, by the one table that none is without."""
    try:
        return place.stat().st_size <= _LARGEST and b'"phoneme_id_map"' in place.read_bytes()
    except OSError:
        return False


def speaker_map(config: Mapping[str, Any]) -> dict[str, int]:
    """Speakers of a voice's configuration in the order of their numbers; empty for a voice with one.

    Raises:
        ValueError: they are not numbered as Piper's are.
    """
    found = config.get("speaker_id_map") or {}
    if not isinstance(found, Mapping) or not all(_is_number(number) for number in found.values()):
        raise ValueError("its speaker_id_map does not give each speaker a number")
    if len(set(found.values())) < len(found):
        raise ValueError("its speaker_id_map gives two speakers one number")
    ids = dict(sorted(found.items(), key=lambda item: int(item[1])))
    return ids if config.get("num_speakers", len(ids)) != 1 else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def speaker_names(source: Path, run: Path | None = None) -> tuple[str, ...]:
    """Speakers of a checkpoint or exported voice, who speaks by default first; empty when there is one only."""
    config = find_voice_config(source, run)
    if config is None:
        return ()
    try:
        about = config.stat()
        return _names(config, about.st_mtime_ns, about.st_size)
    except OSError:
        return ()


@functools.lru_cache(maxsize=64)
def _names(config: Path, _time: int, _bytes: int) -> tuple[str, ...]:
    """Names in a file as it is now: a viewer asks for them twice a second."""
    try:
        content = json.loads(config.read_text(encoding="utf-8-sig"))
        speakers, default = speaker_map(content), content.get("default_speaker_id", 0)
        return tuple(sorted(speakers, key=lambda name: (speakers[name] != default, speakers[name])))
    except (OSError, ValueError, AttributeError, RecursionError):
        return ()
