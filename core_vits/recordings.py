"""Hashes of recordings, kept from one preparation to the next, so that only files that may have changed are read.

    recordings.jsonl    one line a recording: path, size, mtime and ctime (ns), inode, hash

What tells a changed file is in `core_vits.file_stamp`.
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

from core_vits.cache_files import replace_file
from core_vits.file_stamp import Stamp, is_settled, stamp_of

_FILE = "recordings.jsonl"
# Hashing frees the interpreter, and a network file system answers several questions in the time of one.
_READERS = 8


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
            if known is not None and known[0] == stamp_of(status):
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
        stamp = stamp_of(after)
        if stamp == stamp_of(before) and is_settled(stamp, begun):
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
