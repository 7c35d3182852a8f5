"""Defects of files: where they are, what they are, what their headers say."""

from __future__ import annotations

import os
import struct
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from planted.dataset import Line, Plant, Planted


def _file(name: str, *kinds: str, whole: bool = False) -> Callable[[Callable[[Planted, Line], None]], Plant]:
    """Damages the recording of one row."""

    def decorate(damage: Callable[[Planted, Line], None]) -> Plant:
        def do(planted: Planted) -> Line:
            line = planted.take()
            damage(planted, line)
            return line

        return Plant(name, frozenset(kinds), do, whole)

    return decorate


def wav(data: bytes, *, rate: int, channels: int = 1, bits: int = 16, tag: int = 1, extra: bytes = b"") -> bytes:
    """A WAV of raw samples, with chunks of one's own between the format and the samples."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + extra + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def pcm(planted: Planted, line: Line) -> bytes:
    """16-bit samples of a recording."""
    return np.rint(planted.samples(line) * 32767).astype("<i2").tobytes()


@_file("missing", "recording.missing")
def missing(planted: Planted, line: Line) -> None:
    planted.path(line).unlink()


@_file("other case", "recording.missing")
def case(planted: Planted, line: Line) -> None:
    line.file = line.file.upper()


@_file("other Unicode form", "recording.missing")
def unicode_form(planted: Planted, line: Line) -> None:
    here = planted.path(line)
    name = f"мой {here.stem}.wav"
    here.rename(here.with_name(unicodedata.normalize("NFD", name)))
    line.file = name


@_file("other suffix", "recording.missing")
def suffix(planted: Planted, line: Line) -> None:
    line.file = Path(line.file).with_suffix(".mp3").name


@_file("spaces in the name", "recording.missing")
def spaces(planted: Planted, line: Line) -> None:
    line.file = f" {line.file}"


@_file("absolute path", "recording.outside")
def absolute(planted: Planted, line: Line) -> None:
    line.file = str(planted.path(line).absolute())


@_file("path that escapes", "recording.outside")
def escaping(planted: Planted, line: Line) -> None:
    here = planted.path(line)
    here.rename(planted.folder / here.name)
    line.file = f"../{here.name}"


@_file("link within", "recording.link")
def link(planted: Planted, line: Line) -> None:
    here = planted.path(line)
    target = here.with_name(f"take_{here.name}")
    here.rename(target)
    here.symlink_to(target.name)


@_file("link that escapes", "recording.outside")
def escaping_link(planted: Planted, line: Line) -> None:
    here = planted.path(line)
    target = planted.folder / here.name
    here.rename(target)
    here.symlink_to(target)


@_file("pipe", "recording.special")
def pipe(planted: Planted, line: Line) -> None:
    planted.path(line).unlink()
    os.mkfifo(planted.path(line))


@_file("folder", "recording.special")
def folder(planted: Planted, line: Line) -> None:
    planted.path(line).unlink()
    planted.path(line).mkdir()


@_file("orphan", "recording.orphan", whole=True)
def orphan(planted: Planted, line: Line) -> None:
    planted.write(Line(f"orphan_{line.file}", ""), planted.samples(line)[::-1])


@_file("LFS pointer", "audio.unusable")
def lfs_pointer(planted: Planted, line: Line) -> None:
    planted.put(line, b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123456\n")


@_file("empty file", "audio.unusable")
def empty(planted: Planted, line: Line) -> None:
    planted.put(line, b"")


@_file("zero bytes", "audio.unusable")
def zeros(planted: Planted, line: Line) -> None:
    planted.put(line, bytes(planted.path(line).stat().st_size))


@_file("text instead of sound", "audio.unusable")
def web_page(planted: Planted, line: Line) -> None:
    planted.put(line, b"<!doctype html><title>404</title>Not found")


@_file("truncated", "audio.unusable")
def truncated(planted: Planted, line: Line) -> None:
    data = planted.path(line).read_bytes()
    planted.put(line, data[: len(data) * 3 // 5])


@_file("header without samples", "audio.unusable")
def no_samples(planted: Planted, line: Line) -> None:
    planted.write(line, np.zeros(0))


@_file("not a number", "audio.unusable")
def not_a_number(planted: Planted, line: Line) -> None:
    samples = planted.samples(line)
    samples[1000:1010] = np.nan
    planted.write(line, samples, subtype="FLOAT")


@_file("header of half the length", "audio.header")
def half_length(planted: Planted, line: Line) -> None:
    data = pcm(planted, line)
    whole = bytearray(wav(data, rate=planted.source.rate))
    whole[40:44] = struct.pack("<I", len(data) // 4 * 2)
    planted.put(line, bytes(whole))


@_file("8 bits", "audio.8-bit")
def eight_bits(planted: Planted, line: Line) -> None:
    planted.write(line, planted.samples(line), subtype="PCM_U8")


@_file("MP3 named WAV", "audio.extension")
def mp3_as_wav(planted: Planted, line: Line) -> None:
    planted.write(line, planted.samples(line), format="MP3", subtype="MPEG_LAYER_III")


@_file("FLAC named WAV", "audio.extension")
def flac_as_wav(planted: Planted, line: Line) -> None:
    planted.write(line, planted.samples(line), format="FLAC")


@_file("MP3", "audio.lossy")
def mp3(planted: Planted, line: Line) -> None:
    samples, here = planted.samples(line), planted.path(line)
    here.unlink()
    line.file = here.with_suffix(".mp3").name
    planted.write(line, samples, format="MP3", subtype="MPEG_LAYER_III")


@_file("stereo", "audio.channels", whole=True)
def stereo(planted: Planted, line: Line) -> None:
    samples = planted.samples(line)
    planted.write(line, np.stack([samples, samples], 1))


@_file("opposed channels", "audio.silent")
def opposed(planted: Planted, line: Line) -> None:
    samples = planted.samples(line)
    planted.write(line, np.stack([samples, -samples], 1) * 0.9)


@_file("nearly opposed channels", "audio.antiphase")
def nearly_opposed(planted: Planted, line: Line) -> None:
    samples = planted.samples(line)
    planted.write(line, np.stack([samples, -0.7 * samples], 1))


@_file("lower rate", "audio.rate")
def lower_rate(planted: Planted, line: Line) -> None:
    import soxr

    rate = planted.source.rate // 2
    planted.write(line, soxr.resample(planted.samples(line), planted.source.rate, rate), rate)


@_file("header of twice the rate", "length.pace", "signal.pitch")
def rate_lie(planted: Planted, line: Line) -> None:
    import soxr

    doubled = soxr.resample(planted.samples(line), planted.source.rate, 2 * planted.source.rate)
    planted.write(line, doubled, planted.source.rate)


FILES = (
    missing, case, unicode_form, suffix, spaces, absolute, escaping, link, escaping_link, pipe, folder, orphan,
    lfs_pointer, empty, zeros, web_page, truncated, no_samples, not_a_number, half_length, eight_bits, mp3_as_wav,
    flac_as_wav, mp3, stereo, opposed, nearly_opposed, lower_rate, rate_lie,
)  # fmt: skip
"""Each of them is found on its line."""


def can_write_mp3() -> bool:
    """Whether this machine's libsndfile makes MP3s."""
    return "MP3" in soundfile.available_formats()
