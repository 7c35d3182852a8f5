"""One folder of cached clips: an index, the audio, and what a writer needs to be killed at any moment.

    index.jsonl      one `Entry` a line
    audio.i16        little-endian int16, mono, clip after clip; audio-1.i16 and so on when it has reached 2 GB
    synced           how many bytes of the index speak of audio that survives a loss of power
    settings.json    for whoever looks into the folder
    writer.lock

The audio is written before its line. A killed process loses nothing of what it wrote, so each complete line has its
audio. A loss of power may keep a line and lose its audio, but only behind `synced`, which is moved on every two
seconds, after the audio is on the disk: the next writer reads the audio of those lines again and cuts off what is not
whole.
"""

from __future__ import annotations

import fcntl
import os
import time
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from core_vits.cache_index import AUDIO, AUDIO_NAME, INDEX, Entry, as_line, complete

SYNCED, SETTINGS, LOCK = "synced", "settings.json", "writer.lock"
# Below 2 GiB: file systems, archives and copying tools with signed 32-bit sizes still exist.
_AUDIO_BYTES = 2_000_000_000
# One wait for the disk a clip took 3.9 ms a clip here, one in two seconds takes nothing that could be measured.
_SYNC_SECONDS = 2.0


class CacheError(OSError):
    """The cache can't be read or written; the message is one line. What was complete in it is intact."""


def replace_file(path: Path, data: bytes) -> None:
    """Write a small file so that it is there whole or not at all.

    Raises:
        OSError: the disk refused; the old file is intact.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


class FolderWriter:
    """Adds clips to one folder; one writer a folder at a time."""

    def __init__(self, folder: Path, settings: bytes) -> None:
        """Open or make the folder, and cut off what a killed writer left behind.

        Raises:
            CacheError: another process writes it, or it can't be written.
        """
        self.folder = folder
        self.entries: dict[str, Entry] = {}
        self._files: dict[str, int] = {}
        self._ready = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in (LOCK, INDEX, SYNCED):
                self._open(name)
            fcntl.flock(self._files[LOCK], fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._recover()
            if not (folder / SETTINGS).exists():
                replace_file(folder / SETTINGS, settings)
            self._ready = True
        except BlockingIOError:
            self.close()
            raise CacheError(f"{folder}: another process prepares this dataset. Wait for it or stop it.") from None
        except OSError as error:
            self.close()
            raise self._error(error) from None

    def _open(self, name: str) -> int:
        self._files[name] = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self._files[name]

    def _recover(self) -> None:
        # Another writer may have replaced the index between our opening it and our getting the lock.
        os.close(self._files[INDEX])
        self._open(INDEX)
        index = (self.folder / INDEX).read_bytes()
        safe = self._safe_bytes()
        good = [
            (end, line, entry)
            for end, line, entry in complete(index, self.folder)
            if end <= safe or self._intact(entry)
        ]
        for name in {entry.audio for end, _, entry in good if end > safe}:
            self._sync_audio(name)  # what was only now found to be whole must stay so
        kept = b"".join(line for _, line, _ in good)
        if kept != index:
            self._write_index(kept, index)
        self.entries = {entry.key: entry for _, _, entry in good}
        self._audio = max((entry.audio for _, _, entry in good), key=_number, default=AUDIO)
        self._audio_end = max((entry.end for _, _, entry in good if entry.audio == self._audio), default=0)
        os.ftruncate(self._open(self._audio), self._audio_end)
        self._index_end = len(kept)
        self._mark()

    def _safe_bytes(self) -> int:
        try:
            return int(os.pread(self._files[SYNCED], 32, 0))
        except ValueError:  # empty: the folder is new, or from before there was this file
            return 0

    def _intact(self, entry: Entry) -> bool:
        with (self.folder / entry.audio).open("rb") as file:
            return zlib.crc32(os.pread(file.fileno(), 2 * entry.samples, entry.offset)) == entry.crc32

    def _sync_audio(self, name: str) -> None:
        with (self.folder / name).open("rb") as file:
            os.fdatasync(file.fileno())

    def _write_index(self, kept: bytes, index: bytes) -> None:
        if index.startswith(kept):
            os.ftruncate(self._files[INDEX], len(kept))
        else:  # damage amid good lines: replace the file, so that a kill here loses nothing
            replace_file(self.folder / INDEX, kept)
            os.close(self._files[INDEX])
            self._open(INDEX)

    def _mark(self) -> None:
        """Note that all that is in the index now is on the disk."""
        # Fixed length and in one write: what a reader of it sees is the old number or the new one.
        os.pwrite(self._files[SYNCED], b"%020d\n" % self._index_end, 0)
        self._safe = (self._index_end, self._audio_end)
        self._since: list[str] = []
        self._synced_at = time.monotonic()

    def _error(self, error: OSError) -> CacheError:
        return CacheError(f"{self.folder}: can't be written: {error.strerror}. What was prepared before is kept; "
                          "free disk space or correct [paths] cache, and start again.")  # fmt: skip

    def add(self, entry: Entry, data: bytes) -> Entry:
        """Append a clip; when this returns, it survives a kill of the process, and soon a loss of power.

        Args:
            entry: all but its place in the audio.
            data: the audio.

        Raises:
            CacheError: it can't be written, for instance because the disk is full; all other clips are intact, but for
                those of the last two seconds if the disk has lost them.
        """
        try:
            if self._audio_end and self._audio_end + len(data) > _AUDIO_BYTES:
                self._next_audio()
            placed = replace(entry, audio=self._audio, offset=self._audio_end)
            line = as_line(placed)
            _write_all(self._files[self._audio], data, self._audio_end)
            _write_all(self._files[INDEX], line, self._index_end)
        except CacheError:
            raise
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._files[INDEX], self._index_end)
                os.ftruncate(self._files[self._audio], self._audio_end)
            raise self._error(error) from None
        self._audio_end += len(data)
        self._index_end += len(line)
        self.entries[entry.key] = placed
        self._since.append(entry.key)
        if time.monotonic() - self._synced_at >= _SYNC_SECONDS:
            self.sync()
        return placed

    def _next_audio(self) -> None:
        self.sync()
        following = f"audio-{_number(self._audio) + 1}.i16"
        os.ftruncate(self._open(following), 0)
        os.close(self._files.pop(self._audio))
        self._audio, self._audio_end = following, 0
        self._mark()

    def sync(self) -> None:
        """Wait until the disk has everything.

        Raises:
            CacheError: it refused; what it has not got for certain is taken back.
        """
        try:
            os.fdatasync(self._files[self._audio])
            os.fdatasync(self._files[INDEX])
            self._mark()
        except OSError as error:
            # The system may take what the disk refused for written: a later reader would see it, until it is gone.
            self._index_end, self._audio_end = self._safe
            for key in self._since:
                self.entries.pop(key, None)
            with suppress(OSError):
                os.ftruncate(self._files[INDEX], self._index_end)
                os.ftruncate(self._files[self._audio], self._audio_end)
            raise self._error(error) from None

    def damaged(self) -> Iterator[str | None]:
        """Read all audio again: for each clip its key if it is not what was written, else None.

        Raises:
            OSError: it can't be read.
        """
        for key, entry in self.entries.items():
            yield None if self._intact(entry) else key

    def drop(self, keys: Collection[str]) -> None:
        """Forget clips; their audio stays where it is.

        Raises:
            CacheError: the index can't be written; then they are still there.
        """
        left = {key: entry for key, entry in self.entries.items() if key not in keys}
        kept = b"".join(map(as_line, left.values()))
        self.sync()
        try:
            self._write_index(kept, b"")
        except OSError as error:
            raise self._error(error) from None
        self.entries, self._index_end = left, len(kept)
        self._mark()

    def note(self, name: str, data: bytes) -> None:
        """Write a small file beside the index.

        Raises:
            CacheError: it can't be written.
        """
        try:
            replace_file(self.folder / name, data)
        except OSError as error:
            raise self._error(error) from None

    def close(self) -> None:
        """Make what was added durable and let other writers in."""
        if self._ready and self._files:
            with suppress(OSError):
                self.sync()
        while self._files:
            os.close(self._files.popitem()[1])


def _number(audio: str) -> int:
    """Place of an audio file in the order of their making."""
    match = AUDIO_NAME.fullmatch(audio)
    return int(match[1] or 0) if match else 0


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write everything at an offset; a full disk may take only a part at first and refuse the rest."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written
