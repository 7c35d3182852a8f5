"""What lies in Piper's caches. It never looks whether an entry still belongs to anything, and never removes one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core_vits.manifest import Row

SIZE_OF_A_GENERATION = 6.0
"""Times the bytes of 16-bit recordings: measured with Piper 1.8 on 915 s of speech."""

_SUFFIXES = (".phonemes.txt", ".phonemes.pt", ".audio.pt", ".spec.pt", ".txt", ".pt")
_ROW = re.compile(r"(\d+)_(.*)", re.DOTALL)
_LETTERS = re.compile(r"\W+")
_MOST_FILES = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """One folder of prepared clips."""

    folder: Path
    files: int
    bytes: int
    clips: int
    """Different clips in it: those that have a spectrogram."""
    stale: int
    """Clips that belong to no row of the table."""
    stale_bytes: int

    @property
    def current(self) -> int:
        """Clips that belong to a row."""
        return self.clips - self.stale


def read_cache(folder: Path, rows: Sequence[Row]) -> Cache:
    """Look at the names of the files of a cache, in its folders as well.

    An entry is named `<row>_[<speaker>_]<beginning of the text>`, cut to fifty characters and without what a file name
    can't have; what else is there was made by another program.
    """
    texts = {row.line: _letters(row.text) for row in rows}
    files = size = stale_bytes = 0
    clips: dict[tuple[str, str], bool] = {}
    for place, name, length in _files(folder):
        files += 1
        size += length
        stem = next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)
        current = _belongs(stem, texts)
        stale_bytes += 0 if current else length
        if name.endswith(".spec.pt"):
            clips[place, stem] = current
    stale = sum(not current for current in clips.values())
    return Cache(folder=folder, files=files, bytes=size, clips=len(clips), stale=stale, stale_bytes=stale_bytes)


def _files(folder: Path) -> Iterable[tuple[str, str, int]]:
    """Folder, name and bytes of every regular file; at most half a million."""
    waiting, seen = [os.fspath(folder)], 0
    while waiting and seen < _MOST_FILES:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.is_file():
                        seen += 1
                        with suppress(OSError):
                            yield place, entry.name, entry.stat().st_size
        except (OSError, ValueError):
            continue


def _letters(text: str) -> str:
    return _LETTERS.sub("", text)


def _belongs(stem: str, texts: dict[int, str]) -> bool:
    match = _ROW.fullmatch(stem)
    if match is None or int(match[1]) not in texts:
        return False
    wanted, found = texts[int(match[1])], _letters(match[2])
    # With several speakers their number stands before the text.
    return any(wanted.startswith(begin) for begin in (found, re.sub(r"^\d+_?", "", found)))
