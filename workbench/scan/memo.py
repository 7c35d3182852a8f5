"""What was measured before, kept until the file changes.

One line a file: a checksum, a JSON list of version, name and stamp, a tab, and a JSON list of container and measures,
which is only looked at when it is wanted. Lines are only appended, so two processes may add at once, and what several
machines have measured is put together by `cat`. It is only a convenience: a line that is torn, damaged or of another
version is passed over, and that file measured again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from core_vits.file_stamp import Stamp, is_settled
from workbench.api import AudioMeasures, Container
from workbench.scan.decoding import Examined
from workbench.scan.measuring import MEASURE_VERSION

_CONTAINER = tuple(item.name for item in fields(Container))
_MEASURES = tuple(item.name for item in fields(AudioMeasures))
_FIELDS = hashlib.blake2b(json.dumps([_CONTAINER, _MEASURES]).encode(), digest_size=4).hexdigest()
VERSION = f"{MEASURE_VERSION}-{_FIELDS}"
"""Of the lines: measures mean what they meant, and there are the same ones."""
_BEGIN = f'["{VERSION}", '.encode()
_INFINITE = float("inf")
_CHECKSUM = 9
"""Bytes before a line's first list: eight digits and a space."""


class MeasureMemo:
    """Remembers what was examined, by name and stamp."""

    def __init__(self, folder: Path, part: str = "") -> None:
        """Read what is remembered.

        Args:
            folder: of the memo; made when something is added.
            part: name of a part of its own to add to; all parts are read.
        """
        self.file = folder / (f"measures-{part}.jsonl" if part else "measures.jsonl")
        self._known: dict[bytes, bytes] = {}
        """Lines by their first list. Nothing else of a line is looked at before it is wanted: of a hundred thousand
        recordings that is a second before the first row of a scan."""
        self._lines = 0
        self._parts = sorted(folder.glob("measures*.jsonl")) if folder.is_dir() else []
        for file in self._parts:
            with contextlib.suppress(OSError):
                self._read(file.read_bytes())

    def _read(self, data: bytes) -> None:
        for raw in data.split(b"\n"):
            if raw:
                self._lines += 1
                if raw.startswith(_BEGIN, _CHECKSUM):
                    end = raw.find(b"\t", _CHECKSUM)
                    self._known[raw[_CHECKSUM : end if end >= 0 else None]] = raw

    def __len__(self) -> int:
        return len(self._known)

    def known(self, name: str, stamp: Stamp) -> Examined | None:
        """What is remembered of the file; None when it is new or has changed."""
        raw = self._known.get(_key(name, stamp))
        if raw is None:
            return None
        try:
            container, measures = json.loads(body_of(raw).partition(b"\t")[2])
            return Examined(
                Container(**dict(zip(_CONTAINER, container, strict=True))),
                None if measures is None else AudioMeasures(**dict(zip(_MEASURES, measures, strict=True))),
                stamp,
            )
        except (ValueError, TypeError, RecursionError):
            return None

    def add(self, examined: Mapping[str, Examined]) -> None:
        """Remember more; what may still be changing is left out."""
        now = time.time_ns()
        lines = []
        for name, item in examined.items():
            if item.stamp is None or not is_settled(item.stamp, now):
                continue
            container = [getattr(item.container, field) for field in _CONTAINER]
            measures = None if item.measures is None else [getattr(item.measures, field) for field in _MEASURES]
            key = _key(name, item.stamp)
            line = line_of(key + b"\t" + _encoded([container, measures]))
            self._known[key] = line
            lines.append(line)
        self._lines += len(lines)
        if not lines:
            return
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            # One write with O_APPEND: two processes may add at the same time. A newline first ends a torn line.
            with self.file.open("ab", buffering=0) as file:
                file.write(b"\n" * (file.tell() > 0) + b"\n".join(lines) + b"\n")

    def tidy(self, used: Iterable[tuple[str, Stamp]]) -> None:
        """Write the memo anew, in one file, when half of it and more is of no use any more."""
        wanted = (_key(name, stamp) for name, stamp in used)
        keep = {key: self._known[key] for key in wanted if key in self._known}
        if self._lines <= 2 * len(keep) + 100 and len(self._parts) <= 1:
            return
        temporary = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            temporary.write_bytes(b"".join(line + b"\n" for line in keep.values()))
            temporary.replace(self.file)
            for part in self._parts:
                if part != self.file:
                    part.unlink()


def _key(name: str, stamp: Stamp) -> bytes:
    return _encoded([VERSION, name, stamp])


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def line_of(body: bytes) -> bytes:
    """A body with its checksum, without the newline."""
    return b"%08x " % zlib.crc32(body) + body


def body_of(line: bytes) -> bytes:
    """The other way round.

    Raises:
        ValueError: the line is torn or damaged.
    """
    body = line[_CHECKSUM:]
    if int(line[:_CHECKSUM], 16) != zlib.crc32(body):
        raise ValueError("its checksum is another one")
    return body


def as_json(measures: AudioMeasures) -> dict[str, Any]:
    """Measures for a report: JSON has no word for an infinite number."""
    found = measures.as_json()
    if _INFINITE in found.values() or -_INFINITE in found.values():
        return {name: None if value in (_INFINITE, -_INFINITE) else value for name, value in found.items()}
    return found
