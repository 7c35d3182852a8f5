"""What lies in a cache of Piper, by the names, sizes and times of its files. Nothing is opened, and nothing removed.

Piper never asks whether an entry is still true: it takes what has the row's number and the beginning of its text.
"""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from core_vits.manifest import Row
from workbench.adopt import Adoption
from workbench.adopt.data_rules import USUAL_CACHES
from workbench.config import Workspace

SIZE_OF_A_GENERATION = 6.0
"""Times the bytes of 16-bit recordings: measured with Piper 1.8 on 915 s of speech."""

TEXT, PHONEMES, IDS, AUDIO, SPECTRUM = "text", "phonemes", "ids", "audio", "spectrum"
SUFFIXES: Mapping[str, str] = {
    ".phonemes.txt": PHONEMES, ".phonemes.pt": IDS, ".audio.pt": AUDIO, ".spec.pt": SPECTRUM, ".txt": TEXT,
}  # fmt: skip
"""Ends of the names of an entry's files, and what they hold."""
_SUFFIX_OF = {held: suffix for suffix, held in SUFFIXES.items()}
LONGEST_NAME = 50
"""Characters to which Piper cuts the name of an entry."""
BINS = 513
"""Of a spectrogram with Piper's 1,024 samples a window."""

_ARCHIVE_BYTES = 1540
"""What torch writes around a tensor, by 15 files of Piper 1.7: 1,517 to 1,569."""
_ROW = re.compile(r"(\d+)_(.*)", re.DOTALL)
_LETTERS = re.compile(r"\W+")
_MOST_FILES = 500_000


@dataclass(frozen=True, slots=True)
class File:
    """One file of an entry."""

    bytes: int
    modified: float
    """Unix seconds."""

    def numbers(self, size: int) -> int:
        """How many numbers of so many bytes a tensor's file holds, give or take a dozen."""
        return max(0, self.bytes - _ARCHIVE_BYTES) // size


@dataclass(slots=True)
class CacheEntry:
    """The files of one clip."""

    place: str
    """Folder."""
    stem: str
    """What all their names begin with."""
    line: int | None = None
    """Of the table, that it belongs to."""
    files: dict[str, File] = field(default_factory=dict)
    """By what they hold."""

    @property
    def samples(self) -> int:
        """Length of its audio."""
        return self.files[AUDIO].numbers(4) if AUDIO in self.files else 0

    @property
    def spectrum(self) -> int:
        """Numbers of its spectrogram."""
        return self.files[SPECTRUM].numbers(4) if SPECTRUM in self.files else 0

    @property
    def bytes(self) -> int:
        """Of its files."""
        return sum(file.bytes for file in self.files.values())

    @property
    def is_cut(self) -> bool:
        """Whether its name holds only the beginning of the text."""
        return len(self.stem) >= LONGEST_NAME

    def path(self, kind: str) -> Path:
        """Of the file that holds something."""
        return Path(f"{self.place}/{self.stem}{_SUFFIX_OF[kind]}")


@dataclass(frozen=True, kw_only=True)
class Cache:
    """One folder of prepared clips."""

    folder: Path
    files: int
    bytes: int
    entries: tuple[CacheEntry, ...]
    """Those that have a spectrogram or audio, as it was listed."""
    stale_bytes: int
    """Of files that belong to no row of the table."""

    @cached_property
    def clips(self) -> int:
        """Entries that have a spectrogram."""
        return sum(SPECTRUM in entry.files for entry in self.entries)

    @cached_property
    def stale(self) -> int:
        """Clips that belong to no row of the table."""
        return sum(SPECTRUM in entry.files and entry.line is None for entry in self.entries)

    @property
    def current(self) -> int:
        """Clips that belong to a row."""
        return self.clips - self.stale

    def of_lines(self) -> dict[int, CacheEntry]:
        """The entry of each line that has one."""
        return {entry.line: entry for entry in self.entries if entry.line is not None}

    def moved(self, rows: Sequence[Row]) -> int:
        """Stale entries whose text stands on another line now."""
        texts = sorted(_letters(row.text) for row in rows)
        return sum(_is_among(texts, entry) for entry in self.entries if entry.line is None)


def cache_folders(folder: Path, workspace: Workspace, named: Iterable[Path]) -> list[Path]:
    """Where Piper's caches may be: what is called so beside table and project, and what is named as one.

    Args:
        folder: of the project.
        workspace: of which the table is.
        named: see `named_caches`; caches elsewhere.
    """
    places = [place / name for place in (workspace.metadata.parent, folder) for name in USUAL_CACHES]
    there = [place.absolute() for place in (*places, *named) if place.is_dir()]
    found = {os.path.realpath(place): place for place in reversed(there)}
    return [place for place in dict.fromkeys(there) if found[os.path.realpath(place)] == place]


def found_in(adoption: Adoption | None, text: object) -> Path | None:
    """What is here of a path that a project names."""
    if adoption is None or not isinstance(text, str):
        return None
    # A copy, for looking changes what the adoption tells of moved paths.
    return replace(adoption.source.places, moved=dict(adoption.moved)).find(text)


def read_cache(folder: Path, rows: Sequence[Row], *, alien: bool = True) -> Cache:
    """Look at the names, sizes and times of the files of a cache, in its folders as well.

    An entry is named `<row>_[<speaker>_]<text>`, cut to fifty characters and without what a file name can't have; what
    else is there was made by another program.

    Args:
        folder: the cache.
        rows: of the table.
        alien: whether files that are none of Piper's count as well.
    """
    texts = {row.line: row.text for row in rows}
    files = size = stale_bytes = 0
    entries: dict[tuple[str, str], CacheEntry] = {}
    for place, name, file in _files(folder):
        suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")
        if not suffix and not alien:
            continue
        files += 1
        size += file.bytes
        stem = name.removesuffix(suffix or ".pt")
        entry = entries.get((place, stem))
        if entry is None:
            entry = entries[place, stem] = CacheEntry(place, stem, _line_of(stem, texts))
        if suffix:
            entry.files[SUFFIXES[suffix]] = file
        stale_bytes += file.bytes if entry.line is None else 0
    made = tuple(entry for entry in entries.values() if SPECTRUM in entry.files or AUDIO in entry.files)
    return Cache(folder=folder, files=files, bytes=size, entries=made, stale_bytes=stale_bytes)


def _files(folder: Path) -> Iterable[tuple[str, str, File]]:
    """Folder, name and facts of every regular file; at most half a million."""
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
                            status = entry.stat()
                            yield place, entry.name, File(status.st_size, status.st_mtime)
        except (OSError, ValueError):
            continue


def _letters(text: str) -> str:
    return _LETTERS.sub("", text)


def _without_speaker(text: str) -> str:
    return re.sub(r"^\d+_?", "", text)


def _is_among(texts: Sequence[str], entry: CacheEntry) -> bool:
    """Whether an entry's text is one of these, which are sorted letters."""
    match = _ROW.fullmatch(entry.stem)
    begin = _without_speaker(_letters(match[2])) if match is not None else ""
    place = bisect.bisect_left(texts, begin)
    if not begin or place == len(texts):
        return False
    return texts[place].startswith(begin) if entry.is_cut else texts[place] == begin


def _line_of(stem: str, texts: Mapping[int, str]) -> int | None:
    """The line that Piper would take an entry for; None where there is none."""
    match = _ROW.fullmatch(stem)
    # More digits than a table has lines; Python refuses to read thousands of them.
    if match is None or len(match[1]) > 9 or int(match[1]) not in texts:
        return None
    line, found = int(match[1]), _letters(match[2])
    wanted, is_cut = _letters(texts[line]), len(stem) >= LONGEST_NAME
    # With several speakers their number stands before the text.
    for begin in (found, _without_speaker(found)):
        if wanted.startswith(begin) if is_cut else wanted == begin:
            return line
    return None
