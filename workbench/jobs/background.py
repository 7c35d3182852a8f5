"""What stands on disk around a checkpoint that a new run begins with: its run, its voice's configuration, its split.

All of it may be missing, and none of it is trusted further than it can be read: a part that is damaged is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.jobs.rundir import CHECKPOINTS, IDENTITY, PREPARED, SPLIT, read_json
from workbench.jobs.voice_files import find_voice_config

PARTS = ("train", "validation", "test")
"""Of a split, as `split.json` names them."""


@dataclass(frozen=True, kw_only=True)
class Background:
    """What is known of a checkpoint beside what it holds itself."""

    run: Path | None = None
    """The run of ours that saved it."""
    config_file: Path | None = None
    """The voice's configuration."""
    symbols: Mapping[str, Sequence[int]] | None = field(default=None, repr=False)
    """Ids of each phoneme."""
    speakers: Mapping[str, int] | None = None
    piper_version: str = ""
    """What the configuration says."""
    espeak_voice: str = ""
    phonemizer: str = ""
    """Name, version and language, of a run of ours."""
    part_of_key: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Part of the split of each clip, by its key in the cache."""
    part_of_file: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The same by the recording's name: the keys of all clips change with a setting, their names don't."""


def background_of(checkpoint: Path) -> Background:
    """Look around a checkpoint; what can't be read is unknown."""
    run = run_of(checkpoint)
    found = find_voice_config(checkpoint, run)
    config = _read(found) if found is not None else {}
    prepared = _read(run / PREPARED) if run is not None else {}
    keys = _parts(_read(run / SPLIT)) if run is not None else {}
    espeak = config.get("espeak")
    return Background(
        run=run,
        config_file=found,
        symbols=_symbols(config.get("phoneme_id_map")),
        speakers=_numbers(config.get("speaker_id_map")),
        piper_version=str(config.get("piper_version") or "")[:40],
        espeak_voice=str(espeak.get("voice") or "")[:40] if isinstance(espeak, Mapping) else "",
        phonemizer=phonemizer_words(prepared.get("phonemizer")),
        part_of_key=keys,
        part_of_file=_by_file(prepared, keys),
    )


def run_of(checkpoint: Path) -> Path | None:
    """The run of ours that a checkpoint lies in; None for any other file."""
    folder = checkpoint.absolute().parent
    return folder.parent if folder.name == CHECKPOINTS and (folder.parent / IDENTITY).is_file() else None


def phonemizer_words(described: object) -> str:
    """The phonemizer that `prepare.json` describes, as one comparable line."""
    if not isinstance(described, Mapping):
        return ""
    return " ".join(str(described[name]) for name in ("name", "version", "language") if described.get(name))[:200]


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, ValueError, RecursionError):
        return {}


def _parts(split: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): part for part in PARTS if isinstance(split.get(part), list) for key in split[part]}


def _by_file(prepared: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, str]:
    """Parts by the recordings' names; one that is in several parts counts as trained, so that it validates nothing."""
    parts: dict[str, str] = {}
    clips = prepared.get("trained")
    for clip in clips if isinstance(clips, list) else ():
        part = keys.get(str(clip.get("key"))) if isinstance(clip, Mapping) else None
        if part is not None:
            file = str(clip.get("file"))
            parts[file] = PARTS[0] if parts.get(file, part) != part else part
    return parts


def _symbols(value: object) -> dict[str, list[int]] | None:
    if not isinstance(value, Mapping):
        return None
    known = {
        str(symbol): list(ids)
        for symbol, ids in value.items()
        if isinstance(ids, list) and ids and all(type(number) is int for number in ids)
    }
    return known or None


def _numbers(value: object) -> dict[str, int] | None:
    if not isinstance(value, Mapping):
        return None
    known = {str(name): number for name, number in value.items() if type(number) is int}
    return known or None
