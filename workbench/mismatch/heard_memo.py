"""Phones that were heard before, in the workspace's cache folder, by the recording's content.

To hear is by far the dearest part, so each recording's phones are written down at once: whoever stops in the middle
goes on from there. Only a convenience: whatever goes wrong with the file, the recording is heard again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path


class HeardMemo:
    """Remembers phones by the digest of a recording's file, for one recogniser and version."""

    def __init__(self, cache: Path, identity: Sequence[str]) -> None:
        """Read what is remembered.

        Args:
            cache: the workspace's cache folder; created when something is added.
            identity: everything beside the recording that decides the phones.
        """
        name = hashlib.blake2b(json.dumps(list(identity)).encode(), digest_size=16).hexdigest()
        self._file = cache / "heard" / f"{name}.jsonl"
        self._known: dict[str, tuple[str, ...]] = {}
        try:
            lines = self._file.read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):  # a torn or foreign line
                record = json.loads(line)
                self._known[str(record["recording"])] = tuple(record["phones"].split())

    def get(self, digest: str) -> tuple[str, ...] | None:
        """Phones of a recording; None when it was not heard yet."""
        return self._known.get(digest)

    def add(self, digest: str, phones: Sequence[str]) -> None:
        """Remember one more."""
        self._known[digest] = tuple(phones)
        line = json.dumps({"recording": digest, "phones": " ".join(phones)}, ensure_ascii=False) + "\n"
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # One write with O_APPEND: two processes may add at the same time. A newline first ends a torn line.
            with self._file.open("ab", buffering=0) as file:
                file.write(b"\n" * (file.tell() > 0) + line.encode())


def recording_digest(path: Path) -> str:
    """What a recording is remembered by.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
