"""Exported voices as they stand on the disk, and which checkpoints they are of."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.jobs.rundir import CHECKPOINTS, EXPORTS, read_lines
from workbench.jobs.runs import RunView
from workbench.jobs.voice_files import DECODER_SUFFIX, ENCODER_SUFFIX, exported_voices, speaker_names
from workbench.tui.services import Exported, VoiceFile

CLOCK_SECONDS = 0.05
"""A file system's clock counts in coarser steps than ours. No export is that short."""


def voices_in(folder: Path) -> list[VoiceFile]:
    """Voices of a folder, newest first; one in two parts is one."""
    voices = []
    for path in exported_voices(folder):
        decoder = path.with_name(path.name.removesuffix(ENCODER_SUFFIX) + DECODER_SUFFIX)
        two = path.name.endswith(ENCODER_SUFFIX) and decoder.is_file()
        try:
            about = path.stat()
            size = about.st_size + (decoder.stat().st_size if two else 0)
        except OSError:
            continue
        config = path.with_name(path.name + ".json").is_file()
        speakers = speaker_names(path) if config else ()
        voice = VoiceFile(
            onnx=path,
            bytes=size,
            time=about.st_mtime,
            has_config=config,
            speakers=speakers,
            parts=2 if two else 1,
        )
        voices.append(voice)
    return sorted(voices, key=lambda voice: voice.time, reverse=True)


def exports_of(run: RunView, notes: Path) -> Mapping[Path, Exported]:
    """The last export of each checkpoint of a run, in the order of exporting: one that still stands, if any.

    Args:
        run: of any kind.
        notes: folder of the notes that exports leave.
    """
    found: dict[Path, Exported] = {}
    for record in read_lines(notes / EXPORTS):
        with contextlib.suppress(KeyError, TypeError, ValueError):
            noted = _noted(record)
            checkpoint = run.folder / CHECKPOINTS / record["checkpoint"]
            before = found.pop(checkpoint, None)
            # Of two formats, one that was overwritten says less than one that still stands.
            stands = before is not None and before.accepted and not before.replaced
            found[checkpoint] = before if noted.replaced and before is not None and stands else noted
    return found


def _noted(record: Mapping[str, Any]) -> Exported:
    """An export as its note has it, and whether its voice is still the one that stands there.

    Raises:
        KeyError, TypeError, ValueError: it is no such note.
    """
    difference, files = record["largest_difference"], tuple(map(Path, record["files"]))
    replaced = False
    if record["accepted"] and files:
        try:
            # The note is written after the file: whoever writes the file again is later than the note.
            replaced = files[0].stat().st_mtime > float(record["time"]) + CLOCK_SECONDS
        except OSError:
            replaced = True
    return Exported(
        files=files,
        largest_difference=None if difference is None else float(difference),
        accepted=bool(record["accepted"]),
        message=str(record["message"]),
        exporter=str(record.get("exporter", "")),
        replaced=replaced,
    )
