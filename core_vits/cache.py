"""Prepared clips on disk: cut 16-bit audio in one append-only file, everything else in one line of JSON a clip.

    <base>/<hash of the settings>/audio.i16      little-endian int16, mono, clip after clip
                                  index.jsonl    one `Entry` a line
                                  settings.json  for whoever looks into the folder

A clip is found by what it was made from (recording, text, speaker, settings), never by its place in the table, so an
inserted row or a replaced recording costs one clip. The audio is on disk before its line is written: whatever kills the
writer, each complete line has its audio, and the next writer cuts the rest off.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

_AUDIO, _INDEX, _SETTINGS, _LOCK = "audio.i16", "index.jsonl", "settings.json", "writer.lock"
# Part of every hash: a change of the format makes new folders instead of misreading old ones.
_FORMAT = 1


class CacheError(OSError):
    """The cache can't be read or written; the message is one line. What was complete in it is intact."""


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


def clip_key(
    settings: CacheSettings, recording: Path, text: str, speaker: str | None, phoneme_ids: Sequence[int] = ()
) -> str:
    """Key of a clip; reads the whole recording (about 1 GB a second), for neither its size nor its date tell enough.

    Args:
        settings: what it is made with.
        recording: its file.
        text: as the table has it.
        speaker: None in a table without speakers.
        phoneme_ids: those that a table of phoneme ids gives.

    Raises:
        OSError: the recording can't be read.
    """
    with recording.open("rb") as file:
        audio = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    given = [list(phoneme_ids)] if phoneme_ids else []
    return _digest([settings.fingerprint(), audio, text, speaker, *given])


def cache_folder(base: Path, settings: CacheSettings) -> Path:
    """The folder under `base` for clips made with these settings."""
    return base / settings.fingerprint()


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


def _entry(line: bytes) -> Entry | None:
    """A line of the index; None when it is damaged."""
    try:
        data = json.loads(line)
        entry = Entry(**{**data, "phoneme_ids": tuple(data["phoneme_ids"])})
    except (ValueError, TypeError, KeyError):
        return None
    numbers = (entry.offset, entry.samples, entry.crc32, *entry.phoneme_ids)
    return entry if all(isinstance(number, int) and number >= 0 for number in numbers) else None


def _entries(index: bytes, audio_bytes: int) -> Iterator[tuple[bytes, Entry]]:
    """Complete lines whose audio is there."""
    for line in index.splitlines(keepends=True):
        entry = _entry(line) if line.endswith(b"\n") else None
        if entry is not None and entry.offset + 2 * entry.samples <= audio_bytes:
            yield line, entry


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class CacheReader:
    """Reads clips; safe while a writer adds more, in several processes and threads, and across a fork."""

    def __init__(self, folder: Path) -> None:
        """Read the index.

        Raises:
            CacheError: there is no cache in this folder.
        """
        self.folder = folder
        self._descriptor = -1
        try:
            index = (folder / _INDEX).read_bytes()
            found = [entry for _, entry in _entries(index, _size(folder / _AUDIO))]
        except OSError as error:
            raise CacheError(f"{folder}: there is no prepared dataset ({error.strerror}). Prepare it again.") from None
        self.entries: Mapping[str, Entry] = {entry.key: entry for entry in found}

    def audio(self, entry: Entry) -> npt.NDArray[np.int16]:
        """Samples of a clip, 16 bit.

        Raises:
            CacheError: the audio can't be read or is not what was written.
        """
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.folder / _AUDIO, os.O_RDONLY | os.O_CLOEXEC)
            data = os.pread(self._descriptor, 2 * entry.samples, entry.offset)
        except OSError as error:
            raise CacheError(f"{self.folder}: can't be read: {error.strerror}. Prepare the dataset again.") from None
        if zlib.crc32(data) != entry.crc32:
            raise CacheError(f"{self.folder}: the audio of {entry.file} is damaged. Prepare the dataset again.")
        return np.frombuffer(data, dtype="<i2")

    def close(self) -> None:
        """Close the audio file; it is opened again when needed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptor": -1}

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            with suppress(OSError):
                self.close()


class CacheWriter:
    """Adds clips; one writer a folder at a time."""

    def __init__(self, base: Path, settings: CacheSettings) -> None:
        """Open or create the folder of these settings, and cut off what a killed writer left behind.

        Raises:
            CacheError: another process writes it, or it can't be written.
        """
        self.folder = cache_folder(base, settings)
        self._files: dict[str, int] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in (_LOCK, _AUDIO, _INDEX):
                self._files[name] = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._files[_LOCK], fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._recover()
            if not (self.folder / _SETTINGS).exists():
                self._replace(_SETTINGS, json.dumps(asdict(settings), indent=1, ensure_ascii=False).encode())
        except BlockingIOError:
            self.close()
            raise CacheError(f"{self.folder}: another process prepares this dataset. Wait for it or stop it.") from None
        except OSError as error:
            self.close()
            raise self._error(error) from None

    def _recover(self) -> None:
        index = (self.folder / _INDEX).read_bytes()
        good = list(_entries(index, os.fstat(self._files[_AUDIO]).st_size))
        self._entries = {entry.key: entry for _, entry in good}
        self._checked: set[str] = set()
        kept = b"".join(line for line, _ in good)
        self._audio_end = max((entry.offset + 2 * entry.samples for _, entry in good), default=0)
        self._index_end = len(kept)
        if kept != index:
            if index.startswith(kept):
                os.ftruncate(self._files[_INDEX], len(kept))
            else:  # damage amid good lines: replace the file, so that a kill here loses nothing
                self._replace(_INDEX, kept)
                os.close(self._files[_INDEX])
                self._files[_INDEX] = os.open(self.folder / _INDEX, os.O_RDWR | os.O_CLOEXEC)
        os.ftruncate(self._files[_AUDIO], self._audio_end)

    def _replace(self, name: str, data: bytes) -> None:
        """Write a small file so that it is there whole or not at all."""
        temporary = self.folder / f"{name}.{os.getpid()}.tmp"
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / name)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def _error(self, error: OSError) -> CacheError:
        return CacheError(f"{self.folder}: can't be written: {error.strerror}. What was prepared before is kept; "
                          "free disk space or correct [paths] cache, and start again.")  # fmt: skip

    def has(self, key: str) -> bool:
        """Whether the clip is there and its audio is intact."""
        entry = self._entries.get(key)
        if entry is None:
            return False
        if key not in self._checked:
            data = os.pread(self._files[_AUDIO], 2 * entry.samples, entry.offset)
            if zlib.crc32(data) != entry.crc32:
                del self._entries[key]
                return False
            self._checked.add(key)
        return True

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
        """Append a clip; when this returns, it survives a kill of the process, and its audio a loss of power.

        Raises:
            CacheError: it can't be written, for instance because the disk is full; all other clips are intact.
        """
        data = np.ascontiguousarray(audio, dtype="<i2").tobytes()
        entry = Entry(
            key=key, file=file, text=text, speaker=speaker, phoneme_ids=phoneme_ids, offset=self._audio_end,
            samples=len(audio), crc32=zlib.crc32(data), seconds_trimmed=round(seconds_trimmed, 4),
        )  # fmt: skip
        line = json.dumps(asdict(entry), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        try:
            _write_all(self._files[_AUDIO], data, self._audio_end)
            os.fdatasync(self._files[_AUDIO])
            _write_all(self._files[_INDEX], line, self._index_end)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._files[_INDEX], self._index_end)
                os.ftruncate(self._files[_AUDIO], self._audio_end)
            raise self._error(error) from None
        self._audio_end += len(data)
        self._index_end += len(line)
        self._entries[key] = entry
        self._checked.add(key)
        return entry

    def close(self) -> None:
        """Make the index durable and let other writers in."""
        if _INDEX in self._files:
            with suppress(OSError):
                os.fsync(self._files[_INDEX])
        while self._files:
            os.close(self._files.popitem()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write everything at an offset; a full disk may take only a part at first and refuse the rest."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written
