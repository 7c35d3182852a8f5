"""What looks odd and is in order: nothing may be said of it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from planted.dataset import Line, Planted
from planted.files import pcm, wav


def _file(damage: Callable[[Planted, Line], None]) -> Callable[[Planted], Line]:
    def do(planted: Planted) -> Line:
        line = planted.take()
        damage(planted, line)
        return line

    return do


def _text(change: Callable[[str], str]) -> Callable[[Planted], Line]:
    def do(planted: Planted) -> Line:
        line = planted.take()
        line.text = change(line.text)
        return line

    return do


def _extensible(planted: Planted, line: Line) -> None:
    planted.write(line, planted.samples(line), format="WAVEX")


def _chunks(planted: Planted, line: Line) -> None:
    odd = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    data = wav(pcm(planted, line), rate=planted.source.rate, extra=odd)
    planted.put(line, data + b"id3 " + struct.pack("<I", 6) + b"\0" * 6)


def _flac(planted: Planted, line: Line) -> None:
    samples, here = planted.samples(line), planted.path(line)
    here.unlink()
    line.file = here.with_suffix(".flac").name
    planted.write(line, samples, format="FLAC")


def _without_suffix(planted: Planted, line: Line) -> None:
    line.file = Path(line.file).stem


def _in_a_folder(planted: Planted, line: Line) -> None:
    here = planted.path(line)
    (here.parent / "part 2").mkdir(exist_ok=True)
    here.rename(here.parent / "part 2" / here.name)
    line.file = f"part 2/{here.name}"


def _24_bits(planted: Planted, line: Line) -> None:
    planted.write(line, planted.samples(line), subtype="PCM_24")


def _floats(planted: Planted, line: Line) -> None:
    planted.write(line, planted.samples(line), subtype="FLOAT")


def _streamed(planted: Planted, line: Line) -> None:
    """A length that a program which writes to a pipe can't know."""
    data = bytearray(wav(pcm(planted, line), rate=planted.source.rate))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    planted.put(line, bytes(data))


def _crlf(planted: Planted) -> Line:
    planted.end = b"\r\n"
    return planted.take()


def _stressed(text: str) -> str:
    at = next(index for index, letter in enumerate(text) if letter in "аоеиуыэюя")
    return text[: at + 1] + "\u0301" + text[at + 1 :]


BENIGN = {
    "extensible header": _file(_extensible),
    "odd chunks": _file(_chunks),
    "FLAC": _file(_flac),
    "name without suffix": _file(_without_suffix),
    "folder with a space": _file(_in_a_folder),
    "24 bits": _file(_24_bits),
    "floats": _file(_floats),
    "streamed": _file(_streamed),
    "CRLF": _crlf,
    "stress as U+0301": _text(_stressed),
    "dialogue": _text(lambda text: f"— {text}"),
    "quotation marks": _text(lambda text: f"«{text[:-1]}»."),
    "ellipsis": _text(lambda text: text.replace(" ", "… ", 1)),
    "no-break space": _text(lambda text: text.replace(" ", "\u00a0", 1)),
    "foreign name": _text(lambda text: text.replace(" ", " Pink Floyd ", 1)),
    "abbreviation in capitals": _text(lambda text: text.replace(" ", " США ", 1)),
    "straight quotes inside": _text(lambda text: text.replace(" ", ' "так" ', 1)),
    "apostrophe": _text(lambda text: text.replace(" ", " д'Артаньян ", 1)),
    "hyphen": _text(lambda text: text.replace(" ", " кое-где ", 1)),
}
