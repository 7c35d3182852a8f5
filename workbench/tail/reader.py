"""Reading one TensorBoard event file as it grows: framing, checks, and getting past damage.

A record is: length (8 bytes, little endian), masked CRC-32C of those 8 bytes, data, masked CRC-32C of the data.
The offset is only ever moved past whole records, so a half-written one is simply read again at the next poll.

What is checked. The length's CRC: always (a dictionary lookup; lengths repeat). The data's CRC: for records up to 256
bytes, which is every scalar, in batches. Longer data is checked only when something behind it does not fit: hashing a
gigabyte of clips to draw a curve would be most of the work.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

import numpy as np

from workbench.errors import RunError
from workbench.tail.crc import BATCH_LIMIT, masked_batch, masked_crc32c
from workbench.tail.series import AudioEntry, EventStore
from workbench.tail.wire import BytesWindow, Event, FileWindow, WireError, parse_event, simple_scalar_layout

HEADER_BYTES = 12
FOOTER_BYTES = 4

BIG_RECORD = 65_536
"""Bytes. A longer record that does not lie in the chunk at hand is indexed by small reads and skipped by seek."""

RECORD_LIMIT = 64 * 1024 * 1024
"""Bytes. A longer record is not looked into."""

CHUNK = 1024 * 1024
"""Bytes read at once: about 20 000 scalars, 25 ms of work, so a poll can keep to its budget."""

_CHUNK_AFTER_SKIP = 128 * 1024
"""Bytes. Where clips lie close together most of a large chunk would be read twice."""

_SEARCH_WINDOW = 128 * 1024
"""Bytes looked through at once for the start of a record: zeros are all candidates, at 60 bytes of scratch each."""

_VECTOR_FROM = 64
"""Records. Below this the pure Python CRC is faster than numpy's fixed price."""

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_DOUBLE = struct.Struct("<d")
_FLOAT = struct.Struct("<f")

_ZEROS = "zeros where a record should start (a crash of the machine, or a full disk)"
_BAD_LENGTH = "the length field is damaged"
_BAD_DATA = "the checksum of the data is wrong"


@dataclass(slots=True)
class _Batch:
    """Whole records of one chunk, by position in it."""

    starts: list[int]
    stops: list[int]
    end: int
    """Position after the last whole record."""
    obstacle: str
    """Why framing ended: "" (the data end), "header" (not a record), "big" (a long record reaches over the chunk)."""

    def drop_last(self) -> None:
        """Leave the last record to a later look."""
        self.end = self.starts.pop() - HEADER_BYTES
        self.stops.pop()


class RecordReader:
    """Reads one stretch of one event file into a store, a chunk at a time.

    Args:
        store: where points, clips and problems go.
        offset: first byte to read.
        stop: end of the stretch (a known start of a record); None to follow the end of the file.
        find_start: the offset is anywhere, look for the first record after it and call nothing before it damaged.
    """

    def __init__(
        self, store: EventStore, offset: int = 0, stop: int | None = None, *, find_start: bool = False
    ) -> None:
        self.store = store
        self.offset = offset
        self.stop = stop
        self.tail_problem: str = ""
        """Reason for a badge that the next bytes may still clear: nothing good was found up to the end of the file."""
        self.entry: int | None = None if find_start else 0
        """Where the first record was found; 0 when it was known."""
        self._search_from: int | None = offset if find_start else None
        self._may_come_late = False
        self._unverified: int | None = None
        """Offset of the record just read, when its data was not checked or was wrong."""
        self._known_lengths: dict[int, int] = {}
        self._chunk = CHUNK

    @property
    def searching(self) -> bool:
        """True while no start of a record is known."""
        return self._search_from is not None

    def read(self, descriptor: int, size: int) -> bool:
        """Read one chunk.

        Args:
            descriptor: the open file.
            size: bytes the file has now.

        Returns:
            True if something was left to read after this chunk.
        """
        end = size if self.stop is None else min(size, self.stop)
        if self._search_from is not None and not self._resynchronise(descriptor, self._search_from, end):
            return self._search_from + HEADER_BYTES <= end
        before = self.offset
        data = os.pread(descriptor, min(self._chunk, end - self.offset), self.offset)
        batch = self._frame(data)
        bad = _bad_checksums(data, batch)
        self.tail_problem = ""
        if batch.starts and batch.starts[-1] in bad and before + batch.end == size:
            # The very end of the file: a network file system may still show zeros where data are on their way.
            self.tail_problem = _BAD_DATA
            batch.drop_last()
        self._decode(data, batch, bad)
        self.offset += batch.end
        if batch.obstacle == "header":
            self._meet_bad_header(descriptor, data[batch.end : batch.end + HEADER_BYTES])
            return True
        if batch.obstacle == "big":
            self._chunk = _CHUNK_AFTER_SKIP
            length = _HEADER.unpack_from(data, batch.end)[0]
            return self._skip_big_record(descriptor, length, size) and self.offset < end
        self._chunk = min(CHUNK, 2 * self._chunk)
        return self.offset > before and before + len(data) < end

    def _frame(self, data: bytes) -> _Batch:
        """Find the whole records of a chunk."""
        starts: list[int] = []
        stops: list[int] = []
        known = self._known_lengths
        position, size = 0, len(data)
        obstacle = ""
        while position + HEADER_BYTES <= size:
            length, checksum = _HEADER.unpack_from(data, position)
            if known.get(length) != checksum:
                if masked_crc32c(data[position : position + 8]) != checksum:
                    obstacle = "header"
                    break
                if length <= BIG_RECORD:
                    known[length] = checksum
            start = position + HEADER_BYTES
            stop = start + length
            if stop + FOOTER_BYTES > size:
                obstacle = "big" if length > BIG_RECORD else ""
                break
            starts.append(start)
            stops.append(stop)
            position = stop + FOOTER_BYTES
        return _Batch(starts, stops, position, obstacle)

    def _decode(self, data: bytes, batch: _Batch, bad: set[int]) -> None:
        """Take the numbers out of whole records but the bad ones; the inner loop of the package."""
        if not batch.starts:
            return
        layouts = self.store.layouts
        wall_time = 0.0
        for start, stop in zip(batch.starts, batch.stops, strict=True):
            if start in bad:
                self.store.add_problem(self.offset + start - HEADER_BYTES, _BAD_DATA, self.offset + stop + FOOTER_BYTES)
                continue
            # torch writes wall time, step, one simple value, always in this layout: the bytes between step and value
            # are then equal for all events of a tag, and one dictionary lookup replaces the parsing.
            if 20 < stop - start <= BATCH_LIMIT and data[start] == 0x09:
                position = start + 9
                step = 0
                if data[position] == 0x10:
                    step = data[position + 1]
                    position += 2
                    if step > 0x7F:
                        step &= 0x7F
                        for shift in (7, 14, 21, 28):
                            byte = data[position]
                            position += 1
                            step |= (byte & 0x7F) << shift
                            if byte < 0x80:
                                break
                        else:
                            position = stop  # a step beyond 35 bits (or negative): no layout matches, parse it
                appenders = layouts.get(data[position : stop - 4])
                if appenders is not None:
                    add_step, add_wall_time, add_value = appenders
                    (wall_time,) = _DOUBLE.unpack_from(data, start + 1)
                    add_step(step)
                    add_wall_time(wall_time)
                    add_value(_FLOAT.unpack_from(data, stop - 4)[0])
                    continue
            self._take_event(data, start, stop)
        self.store.saw(wall_time)
        last_start, last_stop = batch.starts[-1], batch.stops[-1]
        doubtful = last_start in bad or last_stop - last_start > BATCH_LIMIT
        self._unverified = self.offset + last_start - HEADER_BYTES if doubtful else None

    def _take_event(self, data: bytes, start: int, stop: int) -> None:
        """Decode a record that is not one of the known scalars."""
        record = self.offset + start - HEADER_BYTES
        try:
            event = parse_event(BytesWindow(data, stop), start, stop, self.store.plugins)
        except WireError as error:
            stored = _CHECKSUM.unpack_from(data, stop)[0]
            reason = f"not a TensorBoard event ({error})" if masked_crc32c(data[start:stop]) == stored else _BAD_DATA
            self.store.add_problem(record, reason, self.offset + stop + FOOTER_BYTES)
            return
        self._keep(event, self.offset)

    def _keep(self, event: Event, base: int) -> None:
        """Store the scalars and clips of an event; `base` is the file offset of the window they were found in."""
        store = self.store
        store.saw(event.wall_time)
        for scalar in event.scalars:
            column = store.column(scalar.tag)
            if scalar.simple:
                store.layouts[simple_scalar_layout(scalar.raw_tag)] = column.appenders
            add_step, add_wall_time, add_value = column.appenders
            add_step(event.step)
            add_wall_time(event.wall_time)
            add_value(scalar.value)
        for clip in event.audio:
            store.audio.append(
                AudioEntry(
                    tag=clip.tag,
                    step=event.step,
                    wall_time=event.wall_time,
                    sample_rate=clip.sample_rate,
                    channels=clip.channels,
                    frames=clip.frames,
                    content_type=clip.content_type,
                    path=store.path,
                    offset=base + clip.offset,
                    length=clip.length,
                )
            )

    def _skip_big_record(self, descriptor: int, length: int, size: int) -> bool:
        """Index the big record at the offset without loading it; False while it isn't all there."""
        start = self.offset + HEADER_BYTES
        stop = start + length
        if stop + FOOTER_BYTES > (size if self.stop is None else self.stop):
            return False
        if length > RECORD_LIMIT:
            reason = f"a record of {length / 2**20:.0f} MiB was skipped, at most {RECORD_LIMIT / 2**20:.0f} are read"
            self.store.add_problem(self.offset, reason, stop + FOOTER_BYTES)
        else:
            try:
                self._keep(parse_event(FileWindow(descriptor, stop), start, stop, self.store.plugins), 0)
            except WireError as error:
                self.store.add_problem(self.offset, f"not a TensorBoard event ({error})", stop + FOOTER_BYTES)
        self._unverified = self.offset
        self.offset = stop + FOOTER_BYTES
        return True

    def _meet_bad_header(self, descriptor: int, header: bytes) -> None:
        """Start looking for the next record, behind the last one that is known to be good."""
        self.tail_problem = _BAD_LENGTH if any(header) else _ZEROS
        self._may_come_late = True
        record, self._unverified = self._unverified, None
        if record is not None and not _data_is_intact(descriptor, record, self.offset):
            # Its length swallowed what was written after it, so good records may lie inside.
            self.store.forget_from(record)
            self.offset = record
            self.tail_problem = _BAD_DATA
            self._may_come_late = False
        self._search_from = self.offset + 1

    def _resynchronise(self, descriptor: int, search_from: int, end: int) -> bool:
        """Look for the next record in one chunk; True when reading can go on at `offset`."""
        if self._may_come_late and _is_header(os.pread(descriptor, HEADER_BYTES, self.offset)):
            # A network file system shows zeros before the data arrives: no damage after all.
            self._search_from, self.tail_problem = None, ""
            return True
        window = os.pread(descriptor, min(_SEARCH_WINDOW, end - search_from), search_from)
        found = find_header(window)
        if found is None and self.stop is not None and search_from + len(window) >= end:
            found = self.stop - search_from
        if found is None:
            self._search_from = search_from + max(0, len(window) - HEADER_BYTES + 1)
            return False
        resumed_at = search_from + found
        if self.tail_problem:
            self.store.add_problem(self.offset, self.tail_problem, resumed_at)
        if self.entry is None:
            self.entry = resumed_at
        self.offset = resumed_at
        self._search_from, self.tail_problem = None, ""
        return True


def _data_is_intact(descriptor: int, record: int, next_record: int) -> bool:
    """Check the data of one record, however long it is."""
    data = os.pread(descriptor, next_record - record - HEADER_BYTES, record + HEADER_BYTES)
    if len(data) < FOOTER_BYTES:
        return False
    stored = int.from_bytes(data[-FOOTER_BYTES:], "little")
    return masked_crc32c(data[:-FOOTER_BYTES]) == stored


def _bad_checksums(data: bytes, batch: _Batch) -> set[int]:
    """Give the starts of the short records whose data does not match its CRC."""
    if len(batch.starts) < _VECTOR_FROM:
        return {
            start
            for start, stop in zip(batch.starts, batch.stops, strict=True)
            if stop - start <= BATCH_LIMIT and masked_crc32c(data[start:stop]) != _CHECKSUM.unpack_from(data, stop)[0]
        }
    starts = np.array(batch.starts, np.int64)
    stops = np.array(batch.stops, np.int64)
    short = stops - starts <= BATCH_LIMIT
    starts, stops = starts[short], stops[short]
    octets = np.frombuffer(data, np.uint8)
    stored = np.zeros(len(stops), np.uint32)
    for index in range(FOOTER_BYTES):
        stored |= octets[stops + index].astype(np.uint32) << np.uint32(8 * index)
    wrong = stored != masked_batch(octets, stops, stops - starts)
    return set(starts[wrong].tolist())


def _is_header(header: bytes) -> bool:
    return len(header) == HEADER_BYTES and masked_crc32c(header[:8]) == int.from_bytes(header[8:], "little")


def find_header(window: bytes) -> int | None:
    """Give the position of the first record header in `window`: a plausible length with its CRC."""
    octets = np.frombuffer(window, np.uint8)
    if len(octets) < HEADER_BYTES:
        return None
    count = len(octets) - HEADER_BYTES + 1
    # A length of at most 64 MiB has these bytes empty; what is left is few enough to hash.
    plausible = octets[3 : 3 + count] <= RECORD_LIMIT >> 24
    for index in range(4, 8):
        plausible &= octets[index : index + count] == 0
    candidates = np.flatnonzero(plausible)
    if not len(candidates):
        return None
    expected = masked_batch(octets, candidates + 8, np.full(len(candidates), 8, np.int64))
    stored = np.zeros(len(candidates), np.uint32)
    for index in range(4):
        stored |= octets[candidates + 8 + index].astype(np.uint32) << np.uint32(8 * index)
    matches = candidates[expected == stored]
    return int(matches[0]) if len(matches) else None


def read_audio(entry: AudioEntry) -> bytes:
    """Fetch the encoded bytes (WAV) of one clip.

    Raises:
        RunError: if the file is gone or no longer holds the clip.
    """
    try:
        descriptor = os.open(entry.path, os.O_RDONLY)
    except OSError as error:
        raise RunError(f"{entry.path}: the clip can't be read: {error.strerror}. Was the run deleted?") from error
    try:
        data = os.pread(descriptor, entry.length, entry.offset)
    except OSError as error:
        raise RunError(f"{entry.path}: the clip at byte {entry.offset} can't be read: {error.strerror}.") from error
    finally:
        os.close(descriptor)
    if len(data) != entry.length:
        raise RunError(
            f"{entry.path}: {len(data)} of the clip's {entry.length} bytes are left. Was the file replaced? Look again."
        )
    return data
