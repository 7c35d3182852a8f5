"""The folder of recordings, listed once: which file a row means, which one it probably meant, which nobody names."""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from core_vits.manifest import RECORDING_SUFFIXES, find_recording

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".m4a", ".au", ".w64")
_DEEPEST = 12
_MOST_FILES = 2_000_000


@dataclass(frozen=True, slots=True)
class Near:
    """A file that was probably meant."""

    name: str
    """Relative to the folder."""
    by: str
    """See `Utterance.near_by`."""


class Listing:
    """Names of the files below a folder, hidden ones left out; links are listed but not followed."""

    def __init__(self, folder: Path, skip: Iterable[Path] = ()) -> None:
        """
        Args:
            folder: of the recordings.
            skip: folders in it that hold something else (runs, caches).
        """
        self.folder = folder
        self.files: dict[str, bool] = {}
        """Whether each is a regular file, and no link."""
        self._skip = {os.path.abspath(path) for path in skip}  # noqa: PTH100 - resolves no links
        self._walk(os.fspath(folder), "", 0)
        self._close: dict[str, list[str]] | None = None
        self._stems: dict[str, str] = {}
        self._bases: dict[str, str] = {}

    def _walk(self, folder: str, prefix: str, depth: int) -> None:
        folders = []
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, name + "/"))
                elif len(self.files) < _MOST_FILES:
                    self.files[name] = entry.is_file(follow_symlinks=False)
        for path, name in folders:
            if depth < _DEEPEST and os.path.abspath(path) not in self._skip:  # noqa: PTH100
                self._walk(path, name, depth + 1)

    def find(self, file: str) -> Path | None:
        """The recording of a row, exactly as `core_vits.manifest.find_recording` finds it, from the list if it can."""
        name = self.name_of(file)
        return None if name is None else self.folder / name

    def name_of(self, file: str) -> str | None:
        """The same, relative to the folder: a hundred thousand paths take longer than finding them."""
        if self.files.get(file):
            return file
        longer = file + RECORDING_SUFFIXES[0]
        # Unless what is called so without the suffix is hidden or no file, which the list does not know.
        if file not in self.files and self.files.get(longer) and not os.path.lexists(self.folder / file):
            return longer
        found = find_recording(self.folder, file)
        return None if found is None else below(self.folder, found)

    def orphans(self, used: Set[str]) -> tuple[str, ...]:
        """Recordings that no row names; `used` are those that one does, relative to the folder."""
        return tuple(sorted(name for name in self.files if name not in used and name.lower().endswith(AUDIO_SUFFIXES)))

    def near(self, file: str) -> Near | None:
        """The file that a row without recording probably meant; None when nothing is like it."""
        if self._close is None:
            self._index()
        wanted = [file, *(file + suffix for suffix in RECORDING_SUFFIXES)]
        for name in wanted:
            alike = (self._close or {}).get(_key(name))
            if alike:
                return Near(alike[0], _difference(name, alike[0]))
        key = _key(file)
        if other := self._stems.get(key) or self._stems.get(_stem(key)):
            return Near(other, "suffix")
        for name in wanted:
            if other := self._bases.get(_key(name).rpartition("/")[2]):
                return Near(other, "folder")
        return None

    def _index(self) -> None:
        close: dict[str, list[str]] = {}
        for name in sorted(self.files):
            key = _key(name)
            close.setdefault(key, []).append(name)
            if key.endswith(AUDIO_SUFFIXES):
                self._stems.setdefault(_stem(key), name)
                self._bases.setdefault(key.rpartition("/")[2], name)
        self._close = close


def below(folder: Path, path: Path) -> str:
    """The name of a file relative to the folder in which it was found."""
    return os.fspath(path)[len(os.fspath(folder).rstrip("/")) + 1 :]


def _stem(key: str) -> str:
    stem, _, suffix = key.rpartition(".")
    return stem if stem and "/" not in suffix else key


def _key(name: str) -> str:
    """What names have in common that differ in case, Unicode form or spaces."""
    return _without_spaces(unicodedata.normalize("NFC", name).casefold())


def _without_spaces(name: str) -> str:
    return "/".join("".join(part.split()) for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _difference(one: str, other: str) -> str:
    one, other = unicodedata.normalize("NFC", one), unicodedata.normalize("NFC", other)
    if one == other:
        return "unicode"
    return "case" if one.casefold() == other.casefold() else "spaces"
