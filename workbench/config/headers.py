"""Sample rates from the first bytes of recordings, without decoding anything."""

from __future__ import annotations

from pathlib import Path

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
_LARGEST_HEADER = 64 * 1024


def sample_rate(path: Path) -> int | None:
    """Hz that the header of a WAV or FLAC file claims; None when it can't be told."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_LARGEST_HEADER)
    except OSError:
        return None
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wave_rate(head)
    if head[:4] == b"fLaC" and head[4] & 0x7F == 0 and len(head) >= 21:
        # STREAMINFO: after marker and block header (8 bytes) and block and frame sizes (10) come 20 bits of Hz.
        return (int.from_bytes(head[18:21], "big") >> 4) or None
    return None


def _wave_rate(head: bytes) -> int | None:
    position = 12
    while position + 8 <= len(head):
        size = int.from_bytes(head[position + 4 : position + 8], "little")
        if head[position : position + 4] == b"fmt ":
            return int.from_bytes(head[position + 12 : position + 16], "little") or None
        position += 8 + size + size % 2
    return None
