"""What waits for the disk or reads what lies there: writing checkpoints, reading curves."""

from __future__ import annotations

import os
import shutil
import struct
import time
from pathlib import Path
from typing import Any

from workbench.bench.parts import Measured
from workbench.bench.subject import scratch, seconds_each, subject
from workbench.errors import EnvironmentProblem
from workbench.tail.crc import masked_crc32c
from workbench.tail.follower import RunFollower

_CHECKPOINT_BYTES = {"x-low": 646e6, "low": 845e6, "medium": 845e6, "high": 997e6, "tiny": 8.5e6}
"""By quality: weights of both models, and two moments for each."""
_MOST_BYTES = 256_000_000
_BLOCK = bytes(range(256)) * 32_768
"""Eight megabytes."""
_TAGS = [f"train/{name}" for name in ("mel", "kl", "duration", "feature", "generator", "discriminator")]
_STEPS = 2000


def disk(workspace: str | None, seconds: float) -> dict[str, Any]:
    """A file of a checkpoint's size (256 MB at most) where the runs are, until the disk says that it has it."""
    settings = subject(workspace)
    size = _CHECKPOINT_BYTES[settings.voice.quality]
    # So much that a fast disk is busy for a while, so little that a slow one does not keep the user waiting.
    wanted = int(min(_MOST_BYTES, max(size, 8 * len(_BLOCK)), max(1.0, seconds * 100) * len(_BLOCK)))
    with scratch(settings.runs) as folder:
        free = shutil.disk_usage(folder).free
        if free < 2 * wanted:
            raise EnvironmentProblem(
                f"{folder.parent}: {free / 1e6:.0f} MB are free, {2 * wanted / 1e6:.0f} are wanted"
            )
        begin, written = time.perf_counter(), 0
        with (folder / "checkpoint").open("wb", buffering=0) as file:
            while written < wanted:
                written += file.write(_BLOCK)
            os.fsync(file.fileno())
        speed = written / (time.perf_counter() - begin) / 1e6
        place = folder.parent
    checkpoint = f"a checkpoint of quality {settings.voice.quality}, {size / 1e6:.0f} MB,"
    return Measured(
        value=speed,
        unit="MB/s",
        about=f"{written / 1e6:.0f} MB in {place}; {checkpoint} takes {size / 1e6 / speed:.1f} s",
        limited_by="the disk",
        advice="below 100 a spinning or a network disk: [paths] runs elsewhere, or checkpoints less often",
        figures={"seconds_a_checkpoint": size / 1e6 / speed},
    ).as_json()


def events(workspace: str | None, seconds: float) -> dict[str, Any]:
    """An event file of a long training, read as the screens read it when a run is opened."""
    with scratch(subject(workspace).runs) as folder:
        path = folder / "events.out.tfevents.1700000000.bench.1.0"
        points = _write_events(path)
        size = path.stat().st_size

        def read() -> None:
            RunFollower(folder).poll()

        each = seconds_each(read, seconds)
    return Measured(
        value=points / each / 1e6,
        unit="million points/s",
        about=f"{points} points of {len(_TAGS)} curves ({size / 1e6:.1f} MB) in {1e3 * each:.0f} ms",
        limited_by="decoding on one core",
        advice="slow on a network disk: open the run where it lies",
        figures={"megabytes_per_s": size / 1e6 / each},
    ).as_json()


def _write_events(path: Path) -> int:
    """Write curves as TensorBoard does; how many points."""
    with path.open("wb") as file:
        # Protocol buffers by hand: three fields of an event, two of its value. Time is a double, the version a string.
        file.write(_record(struct.pack("<Bd", 0x09, 1.7e9) + b"\x1a\x0dbrain.Event:2"))
        for step in range(1, _STEPS + 1):
            for tag in _TAGS:
                value = b"\x0a" + bytes([len(tag)]) + tag.encode() + struct.pack("<Bf", 0x15, step * 1e-3)
                summary = b"\x0a" + bytes([len(value)]) + value
                event = struct.pack("<Bd", 0x09, 1.7e9 + step) + b"\x10" + _varint(step)
                file.write(_record(event + b"\x2a" + bytes([len(summary)]) + summary))
    return _STEPS * len(_TAGS)


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
