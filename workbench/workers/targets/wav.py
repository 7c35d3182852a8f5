"""WAV files that are complete or not there."""

from __future__ import annotations

import os
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_wav(path: Path, samples: bytes, sample_rate: int) -> None:
    """Write 16-bit mono samples; an older file stays as it was until the new one is complete.

    Args:
        path: its folder is made if it is missing.
        samples: little-endian int16.
        sample_rate: Hz.

    Raises:
        OSError: it can't be written; nothing of it is left.
    """

    def fill(file: BinaryIO) -> None:
        with wave.open(file, "wb") as stream:
            stream.setnchannels(1)
            stream.setsampwidth(2)
            stream.setframerate(sample_rate)
            stream.writeframes(samples)

    _write_whole(path, fill)


def copy_wav(path: Path, data: bytes) -> None:
    """Write a WAV that is one already; an older file stays as it was until the new one is complete.

    Args:
        path: its folder is made if it is missing.
        data: all of the WAV.

    Raises:
        OSError: it can't be written; nothing of it is left.
    """
    _write_whole(path, lambda file: file.write(data))


def _write_whole(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp lets nobody else read; a voice sample is an ordinary file.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def why_not_replaced(path: Path) -> str:
    """Empty, or why a WAV must not be written in the place of what is there: a slip must not cost a dataset."""
    if not path.exists():
        return ""
    if not path.is_file():
        return "is not a file; name a WAV to write"
    with path.open("rb") as file:
        begin = file.read(4)
    return "" if begin in (b"", b"RIFF") else "is there already and is not a WAV; name another file"


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
