"""What the recordings of a folder claim: the first bytes of each file, nothing decoded.

A header says how long a recording is. Whether as many bytes are there, a table of sizes can't show: both are added up
and compared.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_HEAD_BYTES = 4096
_MOST_FILES = 200_000
_UNKNOWN_LENGTHS = frozenset({0, 0x7FFFFFFF, 0xFFFFFFFF})
"""Of a data chunk: what programs write that do not know the length yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """All files of the folder of the recordings together."""

    folder: Path
    files: int = 0
    bytes: int = 0
    """Of all files."""
    wavs: int = 0
    """Files with a WAV header: of these, bytes and length must fit each other."""
    wav_bytes: int = 0
    promised_bytes: int = 0
    """Of samples, by the headers."""
    wav_seconds: float = 0.0
    seconds: float = 0.0
    """By the headers of WAV and FLAC files."""
    formats: Mapping[tuple[int, int, int], int] = field(default_factory=dict)
    """Files by sample rate, channels and bits, the most frequent first."""
    unreadable: int = 0

    @property
    def byte_rate(self) -> float:
        """Bytes of a second of sound in the most frequent format; 0 where there is none."""
        rate, channels, bits = next(iter(self.formats), (0, 0, 0))
        return rate * channels * bits / 8

    @property
    def seconds_by_size(self) -> float | None:
        """How long all WAV files would be if each byte were sound."""
        return self.wav_bytes / self.byte_rate if self.byte_rate else None

    @property
    def fit(self) -> bool:
        """Whether the files are as large as their headers say, give or take 2 % and a header each."""
        return abs(self.wav_bytes - self.promised_bytes) <= 0.02 * self.promised_bytes + _HEAD_BYTES * self.wavs


def read_recordings(folder: Path) -> Recordings:
    """Look at every file of a folder (about 12,000 a second); subfolders and what is no regular file are left out."""
    files = size = wavs = wav_bytes = promised = unreadable = 0
    seconds = wav_seconds = 0.0
    formats: Counter[tuple[int, int, int]] = Counter()
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if entry.is_file() and not entry.name.startswith(".")][:_MOST_FILES]
    except (OSError, ValueError):
        return Recordings(folder=folder)
    for entry in found:
        try:
            length = entry.stat().st_size
            head = _read_head(entry.path)
        except OSError:
            unreadable += 1
            continue
        files += 1
        size += length
        packed = _flac(head)
        if packed is not None:
            formats[packed[:3]] += 1
            seconds += packed[3] / packed[0]
        about = _wav(head, length)
        if about is None:
            continue
        rate, channels, bits, data = about
        wavs += 1
        wav_bytes += length
        promised += data
        wav_seconds += data / (rate * channels * bits / 8)
        formats[rate, channels, bits] += 1
    return Recordings(
        folder=folder, files=files, bytes=size, wavs=wavs, wav_bytes=wav_bytes, promised_bytes=promised,
        wav_seconds=wav_seconds, seconds=seconds + wav_seconds, formats=dict(formats.most_common()),
        unreadable=unreadable,
    )  # fmt: skip


def _read_head(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe that took the file's place must not be waited for
    try:
        return os.pread(descriptor, _HEAD_BYTES, 0)
    finally:
        os.close(descriptor)


def _flac(head: bytes) -> tuple[int, int, int, int] | None:
    """Sample rate, channels, bits and samples of a channel that a FLAC header claims; None for what is none."""
    if head[:4] != b"fLaC" or len(head) < 26:
        return None
    # From byte 18: 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of samples.
    packed = int.from_bytes(head[18:26], "big")
    rate, samples = packed >> 44, packed & (1 << 36) - 1
    return (rate, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, samples) if rate else None


def _wav(head: bytes, length: int) -> tuple[int, int, int, int] | None:
    """Sample rate, channels, bits and bytes of samples that a header claims; None for what is no WAV file."""
    if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
        return None
    rate = channels = bits = 0
    position = 12
    while position + 8 <= len(head):
        name, size = head[position : position + 4], int.from_bytes(head[position + 4 : position + 8], "little")
        if name == b"fmt " and position + 24 <= len(head):
            channels = int.from_bytes(head[position + 10 : position + 12], "little")
            rate = int.from_bytes(head[position + 12 : position + 16], "little")
            bits = int.from_bytes(head[position + 22 : position + 24], "little")
        if name == b"data":
            known = size not in _UNKNOWN_LENGTHS or length <= position + 8
            return (rate, channels, bits, size if known else length - position - 8) if rate * channels * bits else None
        position += 8 + size + size % 2
    return None
