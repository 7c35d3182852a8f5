"""What a voice said of clips before, in the workspace's cache folder, by the clip's key: that is, by its content.

Written after every batch, so whoever stops in the middle goes on from there. Only a convenience: whatever goes wrong
with the file, the voice is asked again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

from core_vits.file_stamp import stamp_of

VERSION = 1
"""Of the likelihoods: raised when they are computed in another way."""


class ScoreMemo:
    """Remembers likelihoods under the own text and under others, for one checkpoint."""

    def __init__(self, cache: Path | None, checkpoint: Path) -> None:
        """Read what is remembered.

        Args:
            cache: the workspace's cache folder; None to remember nothing.
            checkpoint: that is asked; another file in its place is another checkpoint.

        Raises:
            OSError: there is no such checkpoint.
        """
        identity = json.dumps([VERSION, str(checkpoint.absolute()), *stamp_of(checkpoint.stat())])
        name = hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        self._file = None if cache is None else cache / "asked" / f"{name}.jsonl"
        self.known: dict[str, tuple[float, float]] = {}
        with contextlib.suppress(OSError):
            for line in self._file.read_bytes().splitlines() if self._file is not None else ():
                with contextlib.suppress(ValueError, TypeError):  # a torn or foreign line
                    key, own, others = json.loads(line)
                    self.known[str(key)] = float(own), math.nan if others is None else float(others)

    def add(self, found: Mapping[str, tuple[float, float]]) -> None:
        """Remember a batch."""
        self.known.update(found)
        if self._file is None:
            return
        rows = [[key, own, None if math.isnan(others) else others] for key, (own, others) in found.items()]
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # One write with O_APPEND: two processes may add at the same time. A newline first ends a torn line.
            with self._file.open("ab", buffering=0) as file:
                file.write(b"\n" * (file.tell() > 0) + lines)
