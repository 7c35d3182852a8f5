"""What cutting left of recordings, kept until a file or the way to cut changes: a later scan cuts nothing again.

One line a recording: a checksum and a JSON list of version, plan, path, stamp, and what is left. It is only a
convenience: a damaged line costs time.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

from core_vits.cache_files import replace_file
from core_vits.cutting import CutPlan
from core_vits.file_stamp import is_settled, stamp_of
from workbench.scan.memo import body_of, line_of

_VERSION = 1
Left = int | str
"""Samples of the cut clip, or why there is none."""


class CutMemo:
    """Remembers what cutting left, by path and stamp."""

    def __init__(self, file: Path, plan: CutPlan) -> None:
        """Read what is remembered.

        Args:
            file: of the memo; made by `save`.
            plan: how recordings are cut.
        """
        self._file = file
        self._plan = astuple(plan)
        self._known = _read(file)
        self._asked: dict[str, Left] = {}

    def left(self, recording: Path, cut: Callable[[Path], Left]) -> Left:
        """What is left of a recording.

        Args:
            recording: the file.
            cut: asked where nothing is remembered of the file as it is.
        """
        now = time.time_ns()
        try:
            stamp = stamp_of(recording.stat())
        except OSError:
            return cut(recording)
        key = json.dumps([_VERSION, self._plan, str(recording), stamp])
        found = self._known.get(key)
        if found is None:
            found = cut(recording)
        if is_settled(stamp, now):
            self._asked[key] = found
        return found

    def save(self) -> None:
        """Keep what was asked for, and nothing else. A disk that refuses only costs time later."""
        if self._asked == self._known:
            return
        lines = [line_of(json.dumps([*json.loads(key), left]).encode()) + b"\n" for key, left in self._asked.items()]
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._file, b"".join(lines))
            self._known = dict(self._asked)


def _read(file: Path) -> dict[str, Left]:
    known: dict[str, Left] = {}
    with contextlib.suppress(OSError):
        for line in file.read_bytes().splitlines():
            with contextlib.suppress(ValueError, TypeError, RecursionError):
                *key, left = json.loads(body_of(line))
                known[json.dumps(key)] = left
    return known
