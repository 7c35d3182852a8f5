"""The index of cached clips: what a line says, and which lines can be believed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

AUDIO, INDEX = "audio.i16", "index.jsonl"
AUDIO_NAME = re.compile(r"audio(?:-([1-9]\d{0,5}))?\.i16")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One cached clip."""

    key: str
    file: str
    """As written in the metadata when the clip was made."""
    text: str
    speaker: str | None
    phoneme_ids: tuple[int, ...]
    offset: int
    """Bytes from the beginning of the audio file."""
    samples: int
    crc32: int
    """Of the audio's bytes."""
    seconds_trimmed: float
    """Silence that was cut away at both ends together."""
    audio: str = AUDIO
    """The audio file: in the index a name in its own folder, elsewhere a path from the cache's folder on."""

    @property
    def end(self) -> int:
        """Bytes from the beginning of the audio file to the end of the clip."""
        return self.offset + 2 * self.samples


def as_line(entry: Entry) -> bytes:
    """A line of the index."""
    data = {item.name: getattr(entry, item.name) for item in fields(entry)}  # asdict would copy each phoneme id
    if entry.audio == AUDIO:  # lines from before there were several audio files look the same
        del data["audio"]
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _entry(line: bytes) -> Entry | None:
    """A line of the index; None when it is damaged."""
    try:
        data = json.loads(line)
        data["phoneme_ids"] = ids = tuple(data["phoneme_ids"])
        entry = Entry(**data)
    except (ValueError, TypeError, KeyError):
        return None
    numbers = (entry.offset, entry.samples, entry.crc32, *ids)
    sound = set(map(type, numbers)) == {int} and min(numbers) >= 0 and isinstance(entry.audio, str)
    return entry if sound and AUDIO_NAME.fullmatch(entry.audio) else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def complete(index: bytes, folder: Path) -> Iterator[tuple[int, bytes, Entry]]:
    """Lines of an index that are whole and whose audio is there, by the size of its file; each with its end."""
    sizes: dict[str, int] = {}
    end = 0
    for line in index.splitlines(keepends=True):
        end += len(line)
        entry = _entry(line) if line.endswith(b"\n") else None
        if entry is None:
            continue
        if entry.audio not in sizes:
            sizes[entry.audio] = _size(folder / entry.audio)
        if entry.end <= sizes[entry.audio]:
            yield end, line, entry


def read_entries(folder: Path, prefix: str = "") -> dict[str, Entry]:
    """The clips of a folder by key; empty when it has no index.

    Args:
        folder: with the index.
        prefix: path of the folder from the cache's folder on, which the names of audio files get.

    Raises:
        OSError: the index can't be read.
    """
    try:
        index = (folder / INDEX).read_bytes()
    except FileNotFoundError:
        return {}
    found = [entry for _, _, entry in complete(index, folder)]
    return {entry.key: replace(entry, audio=prefix + entry.audio) if prefix else entry for entry in found}
