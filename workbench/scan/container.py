"""What a file is, by its kind, its first bytes and its size. Nothing outside the dataset's folder is opened."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from core_vits.manifest import escapes
from workbench.api import Container

HEAD_BYTES = 4096
_LFS = b"version https://git-lfs"
_SPECIAL = MappingProxyType(
    {
        stat.S_IFDIR: ("directory", "is a folder"),
        stat.S_IFIFO: ("fifo", "is a pipe"),
        stat.S_IFCHR: ("device", "is a device"),
        stat.S_IFBLK: ("device", "is a device"),
        stat.S_IFSOCK: ("socket", "is a socket"),
    }
)
_MAGIC = (
    (b"fLaC", "flac"), (b".snd", "au"), (b"caff", "caf"), (b"riff\x2e\x91\xcf\x11", "w64"), (b"ID3", "mp3"),
    (b"\x1a\x45\xdf\xa3", "matroska"), (b"#!AMR", "amr"), (b"wvpk", "wavpack"), (b"MAC ", "ape"),
)  # fmt: skip


class NotOpenedError(Exception):
    """A file that is not opened; `container` says what it is."""

    def __init__(self, container: Container) -> None:
        super().__init__(container.problem)
        self.container = container


@dataclass(frozen=True, slots=True)
class Opened:
    """A regular file, open for reading."""

    descriptor: int
    path: str
    """Without links."""
    status: os.stat_result
    link: bool


def open_inside(root: str, name: str) -> Opened:
    """Open a file of the folder for reading, if it is a regular file that lies inside.

    Args:
        root: the folder's real path.
        name: relative to it, without `..`.

    Raises:
        NotOpenedError: it is something else; that is not opened, for a pipe would wait for a writer, and a device may
            do anything.
    """
    path = os.path.join(root, name)  # noqa: PTH118 - a hundred thousand of them
    try:
        status = os.lstat(path)
        link = stat.S_ISLNK(status.st_mode)
        # A folder on the way may be a link as well; the real path tells, a system call for each part of it.
        real = os.path.realpath(path, strict=True) if link or "/" in name else path
        if real != path:
            if not real.startswith(root.rstrip("/") + "/"):
                raise NotOpenedError(_refused("outside", "leads out of the folder of recordings", link=link))
            status = os.lstat(real)
        if not stat.S_ISREG(status.st_mode):
            kind, what = _SPECIAL.get(stat.S_IFMT(status.st_mode), ("unreadable", "is no regular file"))
            raise NotOpenedError(_refused(kind, what, link=link))
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        if number == errno.ELOOP:
            raise NotOpenedError(_refused("link-loop", "is a link that leads in a circle", link=True)) from None
        reason = getattr(error, "strerror", None) or "it can't be opened"
        raise NotOpenedError(_refused("unreadable", f"can't be decoded: {reason.lower()}")) from None
    # Between looking and opening it may have become another.
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise NotOpenedError(_refused("unreadable", "is no regular file", link=link))
    return Opened(descriptor, real, status, link)


def look(root: str, folder: Path, name: str) -> Container | None:
    """What stands where a row names a recording and none was found; None when nothing does.

    Args:
        root: the folder's real path.
        folder: the folder.
        name: as the row has it.
    """
    if escapes(folder, name):
        return _refused("outside", "leads out of the folder of recordings")
    if not os.path.lexists(os.path.join(root, name)):  # noqa: PTH118
        return None
    try:
        os.close(open_inside(root, name).descriptor)
    except NotOpenedError as refused:
        return refused.container
    return None


def _refused(kind: str, what: str, *, link: bool = False) -> Container:
    return Container(kind=kind, link=link, problem=f"{what}. Put the recording there.")


def kind_of(head: bytes) -> str:
    """What a file is by its first bytes; see `Container.kind`."""
    if not head:
        return "empty"
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[:4] == b"OggS":
        return "opus" if b"OpusHead" in head[:80] else "ogg"
    if head[4:8] == b"ftyp":
        return "mp4"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(_LFS):
        return "lfs-pointer"
    # An MPEG frame: eleven bits set, then version, layer, bit rate and sample rate, none of them with a reserved value.
    frame = int.from_bytes(head[:4], "big")
    layer, bit_rate, rate = frame >> 17 & 3, frame >> 12 & 15, frame >> 10 & 3
    return "mp3" if frame >> 21 == 0x7FF and layer and bit_rate not in (0, 15) and rate != 3 else "unknown"


@dataclass(frozen=True, slots=True)
class Wave:
    """Where a WAV of 16-bit samples has them."""

    sample_rate: int
    channels: int
    offset: int
    """Bytes before the first sample."""
    promised: int
    """Samples of one channel by the header."""
    frames: int
    """Samples of one channel that are there."""


def plain_wave(head: bytes, size: int) -> Wave | None:
    """The usual WAV, whose samples need no decoder; None for any other, whatever is odd about it."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE" or head[12:16] != b"fmt " or len(head) < 44:
        return None
    length = int.from_bytes(head[16:20], "little")
    if length not in (16, 18, 40) or int.from_bytes(head[20:22], "little") != 1:
        return None
    channels, rate = int.from_bytes(head[22:24], "little"), int.from_bytes(head[24:28], "little")
    block, bits = int.from_bytes(head[32:34], "little"), int.from_bytes(head[34:36], "little")
    if bits != 16 or not 1 <= channels <= 8 or block != 2 * channels or not 1_000 <= rate <= 400_000:
        return None
    position = 20 + length
    while position + 8 <= len(head):
        name, bytes_ = head[position : position + 4], int.from_bytes(head[position + 4 : position + 8], "little")
        position += 8
        if name == b"data":
            if bytes_ == 0 or bytes_ >= 0x7FFF_0000 or bytes_ % block:
                return None
            there = max(0, min(bytes_, size - position)) // block
            return Wave(rate, channels, position, bytes_ // block, there)
        if not name.isalnum():
            return None
        position += bytes_ + bytes_ % 2
    return None
