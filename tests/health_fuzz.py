"""Broken recordings and broken tables by the thousand, made from whole ones; the same number gives the same one."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import numpy as np
import soundfile

from core_vits.audio import AudioError, read_recording
from core_vits.manifest import ManifestError, read_metadata
from workbench.scan.decoding import examine

FORMATS = (
    ("wav", "WAV", "PCM_16"),
    ("wav", "WAV", "PCM_24"),
    ("wav", "WAV", "FLOAT"),
    ("wav", "WAV", "IMA_ADPCM"),
    ("flac", "FLAC", "PCM_16"),
    ("ogg", "OGG", "VORBIS"),
    ("opus", "OGG", "OPUS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
    ("aiff", "AIFF", "PCM_16"),
)
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)
LONGEST_LINE = 200


def whole_recordings(samples: np.ndarray, rate: int) -> list[tuple[str, bytes]]:
    """Suffix and bytes of a recording in every format."""
    made = []
    for suffix, name, subtype in FORMATS:
        file = io.BytesIO()
        soundfile.write(file, samples, rate, format=name, subtype=subtype)
        made.append((suffix, file.getvalue()))
    return made


def flip(data: bytearray, chance: random.Random, within: int) -> bytearray:
    for _ in range(chance.choice((1, 2, 8, 64))):
        data[chance.randrange(min(within, len(data)))] = chance.randrange(256)
    return data


def widen(data: bytearray, chance: random.Random) -> bytearray:
    """Write a number that is much too high or low over four bytes of the header."""
    at = chance.randrange(max(1, min(120, len(data)) - 4))
    data[at : at + 4] = bytes(chance.choice(INTERESTING) for _ in range(4))
    return data


def cut(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randrange(len(data))]


def swap(data: bytearray, chance: random.Random) -> bytearray:
    begin, end = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
    return data[:begin] + data[end:] + data[begin:end]


def repeat(data: bytearray, chance: random.Random) -> bytearray:
    begin = chance.randrange(len(data))
    return data[:begin] + data[begin : begin + chance.randrange(500)] * chance.choice((2, 20)) + data[begin:]


MUTATIONS: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    lambda data, chance: flip(data, chance, 64),
    lambda data, chance: flip(data, chance, 400),
    lambda data, chance: flip(data, chance, len(data)),
    widen,
    cut,
    swap,
    repeat,
)


def broken_recording(number: int, whole: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Suffix and bytes of a recording that was damaged once or twice."""
    chance = random.Random(number)
    suffix, data = chance.choice(whole)
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 1, 2))):
        damaged = chance.choice(MUTATIONS)(damaged, chance) or bytearray(b"\0")
    return suffix, bytes(damaged)


def check_recording(folder: Path, number: int, whole: list[tuple[str, bytes]]) -> str:
    """Examine a broken recording; its problem, in one line, empty when it can be trained all the same.

    Raises:
        AssertionError: what is said of it is no line, contradicts itself, or is not what the trainer says.
    """
    suffix, data = broken_recording(number, whole)
    file = folder / f"{number}.{suffix}"
    file.write_bytes(data)
    trained = True
    try:
        found = examine(str(folder), file.name)
        read_recording(file)
    except AudioError:
        trained = False
    finally:
        file.unlink()
    problem, measures = found.container.problem, found.measures
    assert trained == (not problem), (
        f"recording {number}: the trainer {'takes' if trained else 'refuses'} it, {problem!r}"
    )
    assert problem == " ".join(problem.split())
    assert problem or measures is not None, f"recording {number}: neither measures nor a problem"
    if measures is not None:
        assert all(value == value for value in measures.as_json().values()), f"recording {number}: NaN"
        assert measures.seconds > 0
    return problem


TABLE = "\n".join(f"clip_{number:03}.wav|Это предложение номер {number}." for number in range(30)).encode() + b"\n"
TABLE_PIECES = (
    b'"', b"|", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\t", b"../../etc/passwd|a",
    b'"""', b"\xd0", b"\x1b[2J", b"\x85", "\u2028".encode(), b"x" * 5000, b"/dev/zero|a\n", b"|" * 300,
    "e\u0301".encode(), b"\n\n\n", b".|.\n", b"wavs|\n", b"-1|" + b"9" * 5000 + b"\n",
)  # fmt: skip
TABLE_SETTINGS = MappingProxyType(
    {
        "plain": {},
        "quoting": {"quoting": True},
        "speakers": {"multi_speaker": True},
        "ids": {"phoneme_ids": True},
        "tabs": {"delimiter": "\t", "quoting": True},
    }
)


def broken_table(number: int) -> bytes:
    """A table of metadata that was damaged a few times."""
    chance = random.Random(number)
    data = bytearray(TABLE)
    for _ in range(chance.choice((1, 2, 5, 20))):
        at = chance.randrange(len(data) + 1)
        if chance.random() < 0.7:
            data[at:at] = chance.choice(TABLE_PIECES)
        elif data:
            data = chance.choice(MUTATIONS[2:])(data, chance) or bytearray(b"\n")
    return bytes(data)


def check_table(folder: Path, number: int) -> int:
    """Read a broken table; the number of problems that were told, each with a line that the file has.

    Raises:
        AssertionError: a line became neither a row nor a problem, or a problem is no line.
    """
    data = broken_table(number)
    file = folder / f"{number}.csv"
    file.write_bytes(data)
    chance = random.Random(number)
    try:
        manifest = read_metadata(file, **TABLE_SETTINGS[chance.choice(list(TABLE_SETTINGS))])  # type: ignore[arg-type]
    except ManifestError as error:
        refusal = str(error)
        manifest = None
    finally:
        file.unlink()
    if manifest is None:
        assert "\n" not in refusal
        return 1
    lines = len(data.removeprefix(b"\xef\xbb\xbf").splitlines())
    for problem in manifest.problems:
        assert 1 <= problem.line <= lines, f"table {number}: {problem}"
        assert "\n" not in problem.message
        assert len(problem.message) < 10 * LONGEST_LINE
    told = {row.line for row in manifest.rows} | {problem.line for problem in manifest.problems}
    swallowed = any(problem.kind == "swallowed" for problem in manifest.problems)
    assert swallowed or told >= set(range(1, lines + 1)), f"table {number}: a line vanished"
    return len(manifest.problems)
