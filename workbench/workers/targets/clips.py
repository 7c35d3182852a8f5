"""A clip that a run logged, as a WAV of its own: copied out of the event file that it lies in, which stays as it is."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.errors import EnvironmentProblem, RunError
from workbench.tail.clips import Clip
from workbench.tail.reader import read_audio
from workbench.workers.targets.wav import copy_wav, why_not_replaced

_NAME_CHARACTERS = 24
"""Of a sentence in a file name: at most 96 bytes, whatever the script."""


def clip_name(clip: Clip, run: str) -> str:
    """A file name for a clip: run, epoch and sentence; its place keeps clips of one sentence and epoch apart."""
    text = re.sub(r"\W+", "_", clip.text).strip("_")[:_NAME_CHARACTERS]
    moment = f"batch{clip.batch}" if clip.epoch is None else f"epoch{clip.epoch}"
    return f"{run}-{moment}-{text}-{clip.entry.offset}.wav"


def write_clip(clip: Clip, wav: Path) -> None:
    """Write a clip; a few hundred kilobytes are read.

    Args:
        clip: of any run.
        wav: the file; its folder is made if it is missing.

    Raises:
        RunError: the event file is gone, or holds no WAV at the clip's place.
        EnvironmentProblem: the WAV can't be written, or something else stands in its place.
    """
    data = read_audio(clip.entry)
    if not data.startswith(b"RIFF") or data[8:12] != b"WAVE":
        raise RunError(f"{clip.entry.path}: the clip at byte {clip.entry.offset} is no WAV; nothing was written")
    try:
        reason = why_not_replaced(wav)
        if not reason:
            copy_wav(wav, data)
    except OSError as error:
        reason = f"can't be written ({error.strerror or error})"
    if reason:
        raise EnvironmentProblem(f"{wav}: {reason}")
