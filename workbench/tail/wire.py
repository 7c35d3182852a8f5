"""The few fields of TensorBoard's protobuf messages we chart or play, decoded without the tensorboard package.

Field numbers are those of the public `event.proto`, `summary.proto` and `tensor.proto`. A big record is never loaded:
`FileWindow` reads the 4 KiB around each field that is looked at, so indexing a 200 kB clip costs one small read.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

VARINT_BYTES = 10
"""A 64-bit varint has at most ten bytes; a run of 0xFF must not become an endless number."""

FIELD_LIMIT = 100_000
"""Fields looked at in one record before it is refused: a record is at most 64 MiB and must not hold us for minutes."""

TAG_LIMIT = 65_536
"""Bytes. Piper's audio tags are whole sentences; a longer tag is damage, and would be loaded into memory."""

_PEEK = 4096
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DOUBLE = struct.Struct("<d")
_FLOAT = struct.Struct("<f")

_CONTENT_FORMAT = {
    1: "<f",
    2: "<d",
    3: "<i",
    4: "<B",
    5: "<h",
    6: "<b",
    9: "<q",
    10: "<?",
    17: "<H",
    19: "<e",
    22: "<I",
    23: "<Q",
}
"""TensorFlow's DataType number -> struct format of one element in `tensor_content`."""

_HALF = 19
_TENSOR_FLOATS = {5: ("<f", _FIXED32), 6: ("<d", _FIXED64)}
_TENSOR_INTEGERS = frozenset({7, 10, 11, 13, 16, 17})
_SIGNED = frozenset({7, 10})


class WireError(ValueError):
    """The bytes are not the message they should be. `str(error)` is the reason for the badge."""


class Window(Protocol):
    """Random access to the bytes of one record."""

    def take(self, position: int, count: int) -> bytes:
        """Give up to `count` bytes at `position`; fewer at the end of the record."""
        ...


class BytesWindow:
    """A record that lies in memory, at [start, stop) of a buffer."""

    def __init__(self, data: bytes, stop: int) -> None:
        self._data = data
        self._stop = stop

    def take(self, position: int, count: int) -> bytes:
        """Give up to `count` bytes at `position`."""
        return self._data[position : min(position + count, self._stop)]


class FileWindow:
    """A record that stays on disk; positions are file offsets."""

    def __init__(self, descriptor: int, stop: int) -> None:
        self._descriptor = descriptor
        self._stop = stop
        self._base = 0
        self._block = b""

    def take(self, position: int, count: int) -> bytes:
        """Give up to `count` bytes at `position`, through a 4 KiB block."""
        count = min(count, self._stop - position)
        inside = position - self._base
        if inside < 0 or inside + count > len(self._block):
            self._block = os.pread(self._descriptor, min(max(count, _PEEK), self._stop - position), position)
            self._base = position
            inside = 0
        return self._block[inside : inside + count]


@dataclass(frozen=True, slots=True)
class Scalar:
    """One scalar of an event."""

    tag: str
    value: float
    raw_tag: bytes
    """The tag as it is in the file (it need not be valid UTF-8)."""
    simple: bool
    """True when it came as `simple_value`, which is what torch writes."""


@dataclass(frozen=True, slots=True)
class Audio:
    """One clip of an event; the encoded bytes stay where they are."""

    tag: str
    sample_rate: float
    """Hz."""
    channels: int
    frames: int
    offset: int
    """Position of the encoded bytes in the window."""
    length: int
    """Bytes."""
    content_type: str


@dataclass(slots=True)
class Event:
    """What we use of one `Event` message."""

    wall_time: float = 0.0
    """Unix seconds."""
    step: int = 0
    scalars: list[Scalar] = field(default_factory=list)
    audio: list[Audio] = field(default_factory=list)


def encode_varint(value: int) -> bytes:
    """Encode a non-negative integer as protobuf does."""
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def simple_scalar_layout(raw_tag: bytes) -> bytes:
    """Give the bytes between step and value of a torch scalar event: if they are equal, so are tag and layout."""
    body = b"\x0a" + encode_varint(len(raw_tag)) + raw_tag + b"\x15"
    value = b"\x0a" + encode_varint(len(body) + 4) + body
    return b"\x2a" + encode_varint(len(value) + 4) + value


def parse_event(window: Window, start: int, stop: int, plugins: dict[str, str]) -> Event:
    """Decode the `Event` at [start, stop) of `window`.

    Args:
        window: the bytes; only fields that are needed are read.
        start: first byte of the message.
        stop: one past its last byte.
        plugins: plugin name by tag, read and extended: writers name the plugin in the first event of a tag only.

    Raises:
        WireError: if the bytes are not an event.
    """
    event = Event()
    summaries = []
    budget = _Budget()
    for number, kind, at, length in _fields(window, start, stop, budget):
        if number == 1 and kind == _FIXED64:
            event.wall_time = _DOUBLE.unpack(_exactly(window, at, 8))[0]
        elif number == 2 and kind == _VARINT:
            event.step = _signed(at)
        elif number == 5 and kind == _BYTES:
            summaries.append((at, at + length))
    for begin, end in summaries:
        for number, kind, at, length in _fields(window, begin, end, budget):
            if number == 1 and kind == _BYTES:
                _parse_value(window, at, at + length, plugins, event, budget)
    return event


class _Budget:
    """Counts fields over all nested messages of one record."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = FIELD_LIMIT


def _parse_value(window: Window, start: int, stop: int, plugins: dict[str, str], event: Event, budget: _Budget) -> None:
    """Decode one `Summary.Value`; images, histograms and texts are passed over."""
    raw_tag = b""
    simple: float | None = None
    tensor: tuple[int, int] | None = None
    audio: tuple[int, int] | None = None
    plugin = ""
    for number, kind, at, length in _fields(window, start, stop, budget):
        if number == 1 and kind == _BYTES:
            raw_tag = _exactly(window, at, length)
        elif number == 2 and kind == _FIXED32:
            simple = _FLOAT.unpack(_exactly(window, at, 4))[0]
        elif number == 6 and kind == _BYTES:
            audio = (at, at + length)
        elif number == 8 and kind == _BYTES:
            tensor = (at, at + length)
        elif number == 9 and kind == _BYTES:
            plugin = _plugin_name(window, at, at + length, budget)
    tag = raw_tag.decode("utf-8", "replace")
    if simple is not None:
        event.scalars.append(Scalar(tag, simple, raw_tag, simple=True))
    elif audio is not None:
        event.audio.append(_parse_audio(window, *audio, tag, budget))
    elif tensor is not None:
        if plugin:
            plugins[tag] = plugin
        value = _single_number(window, *tensor, budget) if plugins.get(tag, "scalars") == "scalars" else None
        if value is not None:
            event.scalars.append(Scalar(tag, value, raw_tag, simple=False))


def _plugin_name(window: Window, start: int, stop: int, budget: _Budget) -> str:
    for number, kind, at, length in _fields(window, start, stop, budget):
        if number == 1 and kind == _BYTES:
            for inner, inner_kind, name_at, name_length in _fields(window, at, at + length, budget):
                if inner == 1 and inner_kind == _BYTES:
                    return _exactly(window, name_at, name_length).decode("utf-8", "replace")
    return ""


def _parse_audio(window: Window, start: int, stop: int, tag: str, budget: _Budget) -> Audio:
    sample_rate, channels, frames, offset, size, content_type = 0.0, 0, 0, start, 0, ""
    for number, kind, at, length in _fields(window, start, stop, budget):
        if number == 1 and kind == _FIXED32:
            sample_rate = _FLOAT.unpack(_exactly(window, at, 4))[0]
        elif number == 2 and kind == _VARINT:
            channels = _signed(at)
        elif number == 3 and kind == _VARINT:
            frames = _signed(at)
        elif number == 4 and kind == _BYTES:
            offset, size = at, length
        elif number == 5 and kind == _BYTES:
            content_type = _exactly(window, at, length).decode("utf-8", "replace")
    return Audio(tag, sample_rate, channels, frames, offset, size, content_type)


def _single_number(window: Window, start: int, stop: int, budget: _Budget) -> float | None:
    """Give the value of a `TensorProto` that holds exactly one number; None for anything else."""
    element, elements = 0, 1
    content = b""
    numbers: list[float] = []
    for number, kind, at, length in _fields(window, start, stop, budget):
        if number == 1 and kind == _VARINT:
            element = at
        elif number == 2 and kind == _BYTES:
            elements = _element_count(window, at, at + length, budget)
        elif number == 4 and kind == _BYTES and length <= 8:
            content = _exactly(window, at, length)
        else:
            numbers += _typed_number(window, number, kind, at, length)
    if elements != 1:
        return None
    layout = _CONTENT_FORMAT.get(element, "")
    if layout and len(content) == struct.calcsize(layout):
        return float(struct.unpack(layout, content)[0])
    if len(numbers) != 1:
        return None
    if element == _HALF:  # its bits are stored as an integer
        return float(struct.unpack("<e", struct.pack("<H", int(numbers[0]) & 0xFFFF))[0])
    return numbers[0]


def _typed_number(window: Window, number: int, kind: int, at: int, length: int) -> list[float]:
    """Give the number of a typed value field (`float_val`, `int64_val`, …) that holds one, packed or not."""
    if number in _TENSOR_FLOATS:
        layout, unpacked = _TENSOR_FLOATS[number]
        size = struct.calcsize(layout)
        if kind == unpacked or (kind == _BYTES and length == size):
            return [float(struct.unpack(layout, _exactly(window, at, size))[0])]
    elif number in _TENSOR_INTEGERS and kind == _VARINT:
        return [float(_signed(at) if number in _SIGNED else at)]
    elif number in _TENSOR_INTEGERS and kind == _BYTES and length:
        value, end = _varint(window, at, at + length)
        if end == at + length:
            return [float(_signed(value) if number in _SIGNED else value)]
    return []


def _element_count(window: Window, start: int, stop: int, budget: _Budget) -> int:
    elements = 1
    for number, kind, at, length in _fields(window, start, stop, budget):
        if number == 2 and kind == _BYTES:
            size = 0
            for inner, inner_kind, value, _ in _fields(window, at, at + length, budget):
                if inner == 1 and inner_kind == _VARINT:
                    size = value
            elements *= size
    return elements


def _fields(window: Window, position: int, stop: int, budget: _Budget) -> Iterator[tuple[int, int, int, int]]:
    """Walk one message: (field number, wire type, value or position of the bytes, their length)."""
    while position < stop:
        budget.left -= 1
        if budget.left < 0:
            raise WireError(f"more than {FIELD_LIMIT} fields in one record")
        key, position = _varint(window, position, stop)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(window, position, stop)
            yield number, kind, value, 0
            continue
        if kind == _BYTES:
            length, position = _varint(window, position, stop)
        elif kind == _FIXED64:
            length = 8
        elif kind == _FIXED32:
            length = 4
        else:
            raise WireError(f"unknown wire type {kind}")
        if length > stop - position:
            raise WireError(f"field {number} wants {length} bytes and {stop - position} are left")
        yield number, kind, position, length
        position += length


def _varint(window: Window, position: int, stop: int) -> tuple[int, int]:
    """Give (value, position after it)."""
    value = 0
    for index, byte in enumerate(window.take(position, min(VARINT_BYTES, stop - position))):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position + index + 1
    raise WireError("a number that does not end")


def _exactly(window: Window, position: int, count: int) -> bytes:
    if count > TAG_LIMIT:
        raise WireError(f"a text field of {count} bytes, at most {TAG_LIMIT} are allowed")
    data = window.take(position, count)
    if len(data) != count:
        raise WireError(f"{count} bytes wanted and {len(data)} are there")
    return data


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
