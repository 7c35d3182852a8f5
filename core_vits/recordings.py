"""Hashes of recordings, kept from one preparation to the next, so that only files that may have changed are read.

    recordings.jsonl    one line a recording: path, size, mtime and ctime (ns), inode, hash

A file counts as unchanged while path, size, both times and inode are the same. Copying tools can set mtime, but nobody
can set ctime: a file that was replaced with the old size and date still has another one. Times are coarse, though: a
file that is written twice within one tick of the file system's clock keeps its time. So, as Git does with its index, a
hash is only kept of a file that had been left alone for two seconds when its reading began.

What is not noticed: a change below the file system (decaying disks, a disk image that is written to), or on a server
whose clock and ours differ by more than those two seconds and which is written to within one tick of its clock.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from core_vits.cache_files import replace_file

_FILE = "recordings.jsonl"
_SETTLED_NS = 2_000_000_000
# Hashing frees the interpreter, and a network file system answers several questions in the time of one.
_READERS = 8

Stamp: TypeAlias = tuple[int, int, int, int]
"""Size, mtime, ctime, inode."""


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _last_change(status: os.stat_result, now: int) -> int:
    """When a file was written, ns; an mtime in the future (a recorder's wrong clock) says nothing."""
    past = status.st_mtime_ns <= now + _SETTLED_NS
    return max(status.st_ctime_ns, status.st_mtime_ns) if past else status.st_ctime_ns


def hash_recording(path: Path) -> str:
    """Hash of a file's content; about 1 GB a second.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


class Recordings:
    """Hashes of a dataset's recordings."""

    def __init__(self, folder: Path, others: Sequence[Path] = (), *, trust: bool = True) -> None:
        """Read what is known. A file that is missing or damaged only costs time.

        Args:
            folder: where what is known is kept.
            others: more folders that it is read from.
            trust: False: every recording is read again.
        """
        self._file = folder / _FILE
        self._before = _read(self._file)
        self._known: dict[str, tuple[Stamp, str]] = {}
        if trust:
            for other in others:
                self._known |= _read(other / _FILE)
            self._known |= self._before
        self._asked: dict[str, tuple[Stamp, str]] = {}

    def hashes(self, files: Sequence[tuple[Path, os.stat_result]]) -> list[str | OSError]:
        """Hash of each recording, or why it can't be read."""
        found: list[str | OSError] = [""] * len(files)
        unknown = []
        for place, (path, status) in enumerate(files):
            known = self._known.get(str(path))
            if known is not None and known[0] == _stamp(status):
                found[place] = known[1]
                self._asked[str(path)] = known
            else:
                unknown.append(place)
        if unknown:
            with ThreadPoolExecutor(_READERS) as pool:
                for place, result in zip(unknown, pool.map(self._hash, [files[at][0] for at in unknown]), strict=True):
                    found[place] = result
        return found

    def _hash(self, path: Path) -> str | OSError:
        try:
            begun, before = time.time_ns(), path.stat()
            digest = hash_recording(path)
            after = path.stat()
        except OSError as error:
            return error
        stamp = _stamp(after)
        if stamp == _stamp(before) and begun - _last_change(after, begun) >= _SETTLED_NS:
            self._asked[str(path)] = (stamp, digest)
        return digest

    def save(self) -> None:
        """Keep what was asked for; what nobody asked for is forgotten. A disk that refuses only costs time later."""
        if self._asked == self._before:
            return
        lines = [json.dumps([path, *stamp, digest]) + "\n" for path, (stamp, digest) in self._asked.items()]
        with suppress(OSError):
            replace_file(self._file, "".join(lines).encode())
            self._before = dict(self._asked)


def _read(file: Path) -> dict[str, tuple[Stamp, str]]:
    known: dict[str, tuple[Stamp, str]] = {}
    with suppress(OSError):
        for line in file.read_bytes().splitlines():
            with suppress(ValueError, TypeError):
                path, size, mtime, ctime, inode, digest = json.loads(line)
                known[path] = ((size, mtime, ctime, inode), digest)
    return known
