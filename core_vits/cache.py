"""Prepared clips on disk: cut 16-bit audio, and everything else in one line of JSON a clip.

    <base>/<hash of the settings>/             a folder of clips, see `core_vits.cache_files`
                                  shard-2-of-3/  another one, which one of several machines has made
                                  recordings.jsonl  see `core_vits.recordings`
                                  damaged          a reader met audio that is not what was written

A clip is found by what it was made from (recording, text, speaker, settings), never by its place in the table, so an
inserted row or a replaced recording costs one clip. Each machine of several writes into a folder of its own; who opens
the cache sees the clips of all folders.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from core_vits.cache_files import CacheError, FolderWriter
from core_vits.cache_index import INDEX, Entry, read_entries

__all__ = ["CacheError", "CacheReader", "CacheSettings", "CacheWriter", "Entry", "Shard", "cache_folder", "clip_key",
           "id_map_md5", "shards_of"]  # fmt: skip

_DAMAGED = "damaged"
_SHARD_NAME = re.compile(r"shard-(\d{1,6})-of-(\d{1,6})")
# Part of every hash: a change of the format makes new folders instead of misreading old ones.
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """Everything beside recording, text and speaker that decides what is cached."""

    sample_rate: int
    """Hz."""
    trim_silence: bool
    keep_seconds_before: float
    keep_seconds_after: float
    phonemizer: str
    phonemizer_version: str
    """Engine and data."""
    language: str
    id_map_md5: str
    """See `id_map_md5`."""
    normalizers: tuple[str, ...] = ()
    """Name and version of each, in order."""
    vowel_clusters: tuple[tuple[str, ...], ...] = ()
    """Phonemes that count as one."""

    def fingerprint(self) -> str:
        """Name of the folder of clips that were made with these settings."""
        settings = asdict(self)
        if not self.vowel_clusters:  # clips from before there were clusters keep their folder
            del settings["vowel_clusters"]
        return _digest({"format": _FORMAT, **settings})


def id_map_md5(id_map: Mapping[str, Any]) -> str:
    """md5 of a phoneme id map, whatever the order of its entries."""
    plain = {symbol: list(ids) for symbol, ids in id_map.items()}
    return hashlib.md5(json.dumps(plain, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()


def clip_key(fingerprint: str, recording: str, text: str, speaker: str | None, phoneme_ids: Sequence[int] = ()) -> str:
    """Key of a clip.

    Args:
        fingerprint: of the settings that it is made with.
        recording: hash of its file, see `core_vits.recordings`.
        text: as the table has it.
        speaker: None in a table without speakers.
        phoneme_ids: those that a table of phoneme ids gives.
    """
    given = [list(phoneme_ids)] if phoneme_ids else []
    return _digest([fingerprint, recording, text, speaker, *given])


def cache_folder(base: Path, settings: CacheSettings) -> Path:
    """The folder under `base` for clips made with these settings."""
    return base / settings.fingerprint()


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """One of several equal parts of the rows of a dataset."""

    number: int
    """From 1 to `of`."""
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def folder(self) -> str:
        """Name of its folder in the cache's."""
        return f"shard-{self.number}-of-{self.of}"

    def has(self, place: int) -> bool:
        """Whether the row at this place (from 0) is one of its."""
        return place % self.of == self.number - 1


def shards_of(folder: Path) -> list[Shard]:
    """Shards that have a folder in a cache's."""
    found = [_SHARD_NAME.fullmatch(path.name) for path in folder.glob("shard-*-of-*")]
    return sorted(Shard(int(match[1]), int(match[2])) for match in found if match)


def _all_entries(folder: Path, but: str | None = None) -> dict[str, Entry]:
    """The clips of all folders of a cache but the one with this prefix; where several have one, the cache's own."""
    entries: dict[str, Entry] = {}
    for prefix in [*(f"{shard.folder}/" for shard in shards_of(folder)), ""]:
        if prefix != but:
            entries |= read_entries(folder / prefix, prefix)
    return entries


class CacheReader:
    """Reads clips; safe while writers add more, in several processes and threads, and across a fork."""

    def __init__(self, folder: Path) -> None:
        """Read the index.

        Raises:
            CacheError: there is no cache in this folder.
        """
        self.folder = folder
        self._descriptors: dict[str, int] = {}
        self._compared: set[str] = set()
        try:
            self.entries: Mapping[str, Entry] = _all_entries(folder)
        except OSError as error:
            raise CacheError(f"{folder}: can't be read: {error.strerror}. Prepare the dataset again.") from None
        if not (folder / INDEX).exists() and not shards_of(folder):
            raise CacheError(f"{folder}: there is no prepared dataset. Prepare it again.")

    def audio(self, entry: Entry) -> npt.NDArray[np.int16]:
        """Samples of a clip, 16 bit. The first time, they are compared with their checksum.

        Raises:
            CacheError: the audio can't be read or is not what was written.
        """
        try:
            data = os.pread(self._descriptor(entry.audio), 2 * entry.samples, entry.offset)
        except OSError as error:
            raise CacheError(f"{self.folder}: can't be read: {error.strerror}. Prepare the dataset again.") from None
        # Once in a process: in each epoch again, it would be half of what reading costs.
        if len(data) != 2 * entry.samples or (entry.key not in self._compared and zlib.crc32(data) != entry.crc32):
            with suppress(OSError):
                (self.folder / _DAMAGED).touch()
            raise CacheError(
                f"{self.folder}: the audio of {entry.file} is damaged. Start again: all prepared audio is then read, "
                "and what is damaged is made anew."
            )
        self._compared.add(entry.key)
        return np.frombuffer(data, dtype="<i2")

    def _descriptor(self, audio: str) -> int:
        descriptor = self._descriptors.get(audio)
        if descriptor is None:
            opened = os.open(self.folder / audio, os.O_RDONLY | os.O_CLOEXEC)
            descriptor = self._descriptors.setdefault(audio, opened)
            if descriptor != opened:  # another thread was faster
                os.close(opened)
        return descriptor

    def close(self) -> None:
        """Close the audio files; they are opened again when needed."""
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptors": {}, "_compared": set()}

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            self.close()


class CacheWriter:
    """Adds clips; one writer a folder at a time."""

    def __init__(self, base: Path, settings: CacheSettings, shard: Shard | None = None) -> None:
        """Open or create the cache of these settings, and cut off what a killed writer left behind.

        Args:
            base: folder of all caches.
            settings: what the clips are made with.
            shard: whose folder is written; None: the cache's own.

        Raises:
            CacheError: another process writes it, or it can't be written.
        """
        self.folder = cache_folder(base, settings)
        self._settings = json.dumps(asdict(settings), indent=1, ensure_ascii=False).encode()
        self._prefix = f"{shard.folder}/" if shard is not None else ""
        self._own = FolderWriter(self.folder / self._prefix, self._settings)
        try:
            self._entries = self._united()
        except OSError as error:
            self._own.close()
            raise CacheError(f"{self.folder}: can't be read: {error.strerror}. Correct [paths] cache.") from None

    def _united(self) -> dict[str, Entry]:
        return _all_entries(self.folder, but=self._prefix) | {
            key: self._placed(entry) for key, entry in self._own.entries.items()
        }

    def _placed(self, entry: Entry) -> Entry:
        return replace(entry, audio=self._prefix + entry.audio) if self._prefix else entry

    @property
    def suspect(self) -> bool:
        """Whether a reader has met damage since all audio was read the last time."""
        return (self.folder / _DAMAGED).exists()

    def verify(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Read all audio again and forget clips that are damaged; how many. A shard's writer looks at its own only.

        Args:
            progress: called before each clip with how many were read, and how many there are.

        Raises:
            CacheError: something can't be read or written, or another process writes one of the folders.
        """
        found = self._verify(self._own, progress)
        if not self._prefix:
            for shard in shards_of(self.folder):
                other = FolderWriter(self.folder / shard.folder, self._settings)
                try:
                    found += self._verify(other, progress)
                finally:
                    other.close()
            (self.folder / _DAMAGED).unlink(missing_ok=True)
        self._entries = self._united()
        return found

    def _verify(self, files: FolderWriter, progress: Callable[[int, int], None] | None) -> int:
        damaged = []
        try:
            for done, key in enumerate(files.damaged()):
                if progress is not None:
                    progress(done, len(files.entries))
                damaged += [key] if key is not None else []
        except OSError as error:
            raise CacheError(f"{files.folder}: can't be read: {error.strerror}. Prepare the dataset again.") from None
        if damaged:
            files.drop(damaged)
        return len(damaged)

    def __contains__(self, key: str) -> bool:
        """Whether the clip is there; its audio is compared with its checksum when it is read."""
        return key in self._entries

    def __len__(self) -> int:
        """Clips that are there, whatever table they are for."""
        return len(self._entries)

    def entry(self, key: str) -> Entry:
        """A clip that is there.

        Raises:
            KeyError: it isn't.
        """
        return self._entries[key]

    def add(
        self,
        *,
        key: str,
        file: str,
        text: str,
        speaker: str | None,
        phoneme_ids: tuple[int, ...],
        audio: npt.NDArray[np.int16],
        seconds_trimmed: float = 0.0,
    ) -> Entry:
        """Append a clip; when this returns, it survives a kill of the process, and two seconds later a loss of power.

        Raises:
            CacheError: it can't be written, for instance because the disk is full; all other clips are intact.
        """
        data = np.ascontiguousarray(audio, dtype="<i2").tobytes()
        entry = Entry(
            key=key, file=file, text=text, speaker=speaker, phoneme_ids=phoneme_ids, offset=0, samples=len(audio),
            crc32=zlib.crc32(data), seconds_trimmed=round(seconds_trimmed, 4),
        )  # fmt: skip
        self._entries[key] = placed = self._placed(self._own.add(entry, data))
        return placed

    def note(self, name: str, data: Mapping[str, Any]) -> None:
        """Leave a small JSON file beside the index, whole or not at all.

        Raises:
            CacheError: it can't be written.
        """
        self._own.note(name, json.dumps(data, ensure_ascii=False).encode())

    def close(self) -> None:
        """Make what was added durable and let other writers in."""
        self._own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
