"""How many clips a table gives, as Piper counts them, and how much sound there is. Nothing is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core_vits.manifest import Manifest, ManifestError, find_recording, read_metadata
from workbench.config import shown

_HEADERS_READ = 50
_HEAD = 4096
_LARGEST_TABLE = 200_000_000
BYTES_A_SAMPLE = 2
"""Of our cache: 16-bit audio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips:
    """The rows of a table and their recordings."""

    rows: int
    """That could be read."""
    with_recording: int
    """Whose recording is there: what Piper trains with."""
    problems: int
    """What is wrong with the table; `workbench health` names each."""
    recordings: int
    """Files in the folder of the recordings, named by the table or not."""
    size: int
    """Bytes of all recordings."""
    seconds: float | None
    """Length of all recordings, from some of their headers; None when these do not tell."""
    first_texts: tuple[str, ...]
    error: str = ""
    """Why the table can't be read; empty when it can."""


def count_clips(table: Path, audio: Path, *, multi_speaker: bool) -> Clips:
    """Read the table as Piper does, with quotes, and look which recordings are there."""
    sizes = _sizes(audio)
    try:
        manifest = _read(table, multi_speaker)
    except (OSError, ValueError) as error:
        return Clips(
            rows=0, with_recording=0, problems=0, recordings=len(sizes), size=sum(sizes.values()), seconds=None,
            first_texts=(), error=str(error),
        )  # fmt: skip
    size = sum(sizes.values())
    rate = _byte_rate(audio, sizes)
    return Clips(
        rows=len(manifest.rows),
        with_recording=sum(_is_there(audio, row.file, sizes) for row in manifest.rows) + _joined(manifest),
        problems=len(manifest.problems),
        recordings=len(sizes),
        size=size,
        seconds=size / rate if rate else None,
        first_texts=tuple(row.text for row in manifest.rows[:200]),
    )


def _read(table: Path, multi_speaker: bool) -> Manifest:
    if table.stat().st_size > _LARGEST_TABLE:
        raise ManifestError(f"{shown(table)}: is too large for a table of recordings")
    return read_metadata(table, quoting=True, multi_speaker=multi_speaker, name=shown(table))


def _joined(manifest: Manifest) -> int:
    """Rows that are several lines long because of a quote: we leave them out, Piper takes each as one clip."""
    return sum(problem.kind == "swallowed" for problem in manifest.problems)


def _is_there(audio: Path, file: str, sizes: Mapping[str, int]) -> bool:
    return file in sizes or f"{file}.wav" in sizes or ("/" in file and find_recording(audio, file) is not None)


def _sizes(folder: Path) -> dict[str, int]:
    """Size of each file in a folder, by name; one system call a file, where a table may name ten thousand."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file():
                    found[entry.name] = entry.stat().st_size
    except (OSError, ValueError):
        return found
    return found


def _byte_rate(audio: Path, sizes: Mapping[str, int]) -> float | None:
    """Bytes of a second of sound, the mean over some recordings; None when they are no WAV files."""
    names = sorted(sizes)
    chosen = names[:: max(1, len(names) // _HEADERS_READ)]
    rates = [rate for name in chosen if (rate := _header_rate(audio / name))]
    return sum(rates) / len(rates) if len(rates) * 2 > len(chosen) else None


def _header_rate(path: Path) -> int:
    """Bytes a second that the header of a WAV file claims; 0 when it is none."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except (OSError, ValueError):
        return 0
    return next(_format_chunks(head), 0)


def _format_chunks(head: bytes) -> Iterator[int]:
    position = 12
    while head[:4] == b"RIFF" and position + 20 <= len(head):
        size = int.from_bytes(head[position + 4 : position + 8], "little")
        if head[position : position + 4] == b"fmt ":
            yield int.from_bytes(head[position + 16 : position + 20], "little")
        position += 8 + size + size % 2
