"""The table of recordings and texts, read so that nothing disappears unseen.

Piper reads the same table with Python's csv defaults, where one opening quote swallows all rows below it, a blank line
ends the program and a byte order mark hides the first recording. Here every line becomes either a row or a problem with
its line number, often both.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from core_vits.phonemes import NUM_SYMBOLS


class ManifestError(ValueError):
    """The table as a whole can't be read; the message is one line."""


@dataclass(frozen=True, slots=True)
class Row:
    """One clip of the table."""

    line: int
    """1-based line of the file on which the row begins."""
    file: str
    """First column, as written."""
    text: str
    """Last column, as written; of a table of phoneme ids the last but one, which may be missing and is empty then."""
    speaker: str | None = None
    phoneme_ids: tuple[int, ...] = ()
    """Last column of a table of phoneme ids."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something on a line that the writer of the table hardly meant."""

    line: int
    kind: str
    """One of `_KINDS`: `blank`, `bom`, `columns`, `control`, `encoding`, `extra-columns`, `file`, `ids`, and so on."""
    message: str
    skipped: bool
    """Whether the line gave no row."""
    facts: Mapping[str, str | int] = field(default_factory=dict)
    """What the message tells, by name."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All rows that can be used, and all that is wrong with the table."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    path: Path


# Longest row that is read; a longer one is a table without line ends or another kind of file.
_LONGEST_ROW_BYTES = 1_000_000
# Tried in order when there is no file of the name that a row has; Piper tries `.wav` only.
RECORDING_SUFFIXES = (".wav", ".flac")

# What each kind of problem says, and whether the line gives no row.
_KINDS: Mapping[str, tuple[str, bool]] = MappingProxyType(
    {
        "blank": ("is blank, which stops Piper; it was skipped. Delete the line.", True),
        "bom": (
            "begins with a byte order mark, which Piper takes for a part of the file name; it was left out here. "
            "Save the file as UTF-8 without it.",
            False,
        ),
        "columns": ("has {count} column(s), wanted is {wanted}; it was skipped. Complete the row.", True),
        "control": ("has a NUL character; the row was skipped. Delete the character.", True),
        "encoding": ("byte {byte} is not UTF-8{guess}; the row was skipped. Save the file as UTF-8.", True),
        "extra-columns": (
            "has {count} columns where most rows have {usual}; only the last, '{text}', is taken as text. "
            "Remove the delimiter from the text.",
            False,
        ),
        "file": ("names no recording, wanted is {wanted}; it was skipped. Complete the row.", True),
        "ids": (
            "{what}, wanted are numbers from 0 to {highest} between spaces; it was skipped. {advice}",
            True,
        ),
        "long": ("has {bytes} bytes, which is no row of a table; it was skipped. Check that this is the file.", True),
        "quote": (
            "a column begins with a double quote that is not closed; Piper would join the following rows to it. "
            "Write « » or “ ” instead.",
            False,
        ),
        "swallowed": (
            "a column begins with a double quote; lines {first} to {last} became one "
            "row, which was skipped. Close the quote, or set [dataset] quoting = false.",
            True,
        ),
    }
)


def _problem(line: int, kind: str, **facts: str | int) -> Problem:
    message, skipped = _KINDS[kind]
    return Problem(line, kind, message.format(**facts), skipped, facts)


def read_metadata(
    path: Path,
    *,
    delimiter: str = "|",
    quoting: bool = False,
    multi_speaker: bool = False,
    phoneme_ids: bool = False,
    name: str = "",
) -> Manifest:
    """Read `file|text` or `file|speaker|…|text` rows; the last column is the text, as Piper takes it.

    Args:
        path: UTF-8 text, with or without byte order mark, any line ends.
        delimiter: one character.
        quoting: whether `"` groups text as in CSV; else it is a character like any other.
        multi_speaker: whether the second column names the speaker.
        phoneme_ids: whether the last column holds phoneme ids, and the one before it the text.
        name: what errors call the table; its path if not given.

    Raises:
        ManifestError: there is no such file, it is empty, not text, or not a regular file.
    """
    data = _read_bytes(path, name or str(path))
    problems: list[Problem] = []
    if data.startswith(codecs.BOM_UTF8):
        data = data.removeprefix(codecs.BOM_UTF8)
        problems.append(_problem(1, "bom"))
    lines = list(_decoded(data.splitlines(), problems))
    records = _quoted(lines, delimiter, problems) if quoting else _plain(lines, delimiter, problems)
    rows: list[tuple[Row, int]] = []
    for line, columns in records:
        kind = _lacks(columns, multi_speaker)
        if kind:
            names = ["file", *(["speaker"] if multi_speaker else []), "text", *(["ids"] if phoneme_ids else [])]
            problems.append(_problem(line, kind, count=len(columns), wanted=delimiter.join(names)))
            continue
        row = Row(line, columns[0], columns[-1], columns[1] if multi_speaker else None)
        if phoneme_ids:
            if wrong := _wrong_ids(row.text):
                problems.append(_problem(line, "ids", highest=NUM_SYMBOLS - 1, **wrong))
                continue
            # Without a text column, the one before the ids is the file or the speaker, which Piper shows as the text.
            text = columns[-2] if len(columns) > (3 if multi_speaker else 2) else ""
            row = replace(row, text=text, phoneme_ids=tuple(map(int, row.text.split())))
        rows.append((row, len(columns)))
    # A text that is cut short spoils nothing where ids are trained.
    problems += () if phoneme_ids else _extra_columns(rows)
    problems.sort(key=lambda problem: problem.line)
    return Manifest(tuple(row for row, _ in rows), tuple(problems), path)


def _read_bytes(path: Path, name: str) -> bytes:
    if not path.exists():
        raise ManifestError(f"{name}: there is no such file. Create it, or correct [dataset] metadata.")
    if not path.is_file():  # a FIFO would block the reader for ever
        raise ManifestError(f"{name}: is not a regular file. Name the table of recordings in [dataset] metadata.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{name}: can't be read: {error.strerror}. Check its permissions.") from None
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ManifestError(f"{name}: is UTF-16, UTF-8 is wanted. Convert it: iconv -f UTF-16 -t UTF-8.")
    if not data.strip():
        raise ManifestError(f"{name}: is empty. Write one row a clip: file|text.")
    return data


def _decoded(lines: Sequence[bytes], problems: list[Problem]) -> Iterator[tuple[int, str]]:
    """Lines that are text, with their numbers."""
    for number, raw in enumerate(lines, 1):
        if len(raw) > _LONGEST_ROW_BYTES:
            problems.append(_problem(number, "long", bytes=len(raw)))
            continue
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            problems.append(_problem(number, "encoding", byte=error.start + 1, guess=_guessed(raw)))
            continue
        if "\0" in text:
            problems.append(_problem(number, "control"))
        elif not text.strip():
            problems.append(_problem(number, "blank"))
        else:
            yield number, text


# Tried on lines that are mostly Cyrillic.
_CYRILLIC_ENCODINGS = MappingProxyType({"cp1251": "Windows-1251", "koi8-r": "KOI8-R", "cp866": "DOS 866"})


def _guessed(raw: bytes) -> str:
    """What a line that is not UTF-8 probably is: read rightly, most of its letters are small ones of one script."""
    best, most = "", 0.5
    for encoding, name in _CYRILLIC_ENCODINGS.items():
        letters = [letter for letter in raw.decode(encoding, "replace") if not letter.isascii()]
        small = sum("а" <= letter <= "я" or letter == "ё" for letter in letters)
        if small > most * len(letters):
            best, most = name, small / len(letters)
    few = sum(byte > 127 for byte in raw) * 4 < len(raw)
    return f" but {best}" if best and not few else ""


def _plain(
    lines: Iterable[tuple[int, str]], delimiter: str, problems: list[Problem]
) -> Iterator[tuple[int, list[str]]]:
    for number, text in lines:
        columns = text.split(delimiter)
        if '"' in text and any(map(_opens_quote, columns)):
            problems.append(_problem(number, "quote"))
        yield number, columns


def _opens_quote(column: str) -> bool:
    return column.startswith('"') and (len(column) == 1 or not column.endswith('"'))


def _quoted(
    lines: Sequence[tuple[int, str]], delimiter: str, problems: list[Problem]
) -> Iterator[tuple[int, list[str]]]:
    """Rows as the csv module groups them; a row that runs over several lines is reported and left out."""
    csv.field_size_limit(max(csv.field_size_limit(), sum(len(text) + 1 for _, text in lines)))
    reader = csv.reader((text + "\n" for _, text in lines), delimiter=delimiter)
    begin = 0
    for columns in reader:
        first, last = lines[begin][0], lines[reader.line_num - 1][0]
        begin = reader.line_num
        if first == last:
            yield first, columns
        else:
            problems.append(_problem(first, "swallowed", first=first, last=last))


def _lacks(columns: Sequence[str], multi_speaker: bool) -> str:
    """The kind of problem of a row without text or file; empty when it has both."""
    if len(columns) < (3 if multi_speaker else 2):
        return "columns"
    return "" if columns[0].strip() else "file"


def _wrong_ids(column: str) -> dict[str, str]:
    """Facts for the problem of a column that does not hold phoneme ids; empty when it does."""
    numbers = column.split()
    advice = "Complete the row."
    if not numbers:
        return {"what": "has no phoneme ids", "advice": advice}
    for number in numbers:
        if not (number.isascii() and number.isdecimal()):
            advice = 'Correct it, or set [dataset] type = "text" if the last column holds texts.'
            return {"what": f"'{number[:40]}' is no phoneme id", "advice": advice}
        # By length first: Python refuses to read thousands of digits.
        if len(number) > 9 or int(number) >= NUM_SYMBOLS:
            advice = f"A voice has {NUM_SYMBOLS} symbols; use a map with smaller ids."
            return {"what": f"the phoneme id {number[:40]} is too high", "advice": advice}
    return {}


def _extra_columns(rows: Sequence[tuple[Row, int]]) -> Iterator[Problem]:
    """Rows that have more columns than most: there, a delimiter inside the text has cut it short.

    A table that has one more column in every row (`file|text|normalized text`) is as its writer meant it.
    """
    counts = Counter(count for _, count in rows)
    usual = max(counts, key=lambda count: (counts[count], -count), default=0)
    for row, count in rows:
        if count > usual:
            text = row.text if len(row.text) <= 40 else row.text[:39] + "…"
            yield _problem(row.line, "extra-columns", count=count, usual=usual, text=text)


def speaker_ids(
    rows: Iterable[Row], *, by_clips: bool = False, known: Mapping[str, int] = MappingProxyType({})
) -> dict[str, int]:
    """Number the speakers of a table.

    Args:
        rows: by appearance, all rows of the table, for Piper counts a speaker whose recordings are missing as well; by
            number of clips, the rows that have a recording.
        by_clips: by falling number of clips, as Piper's first version did, the first to appear first where two have
            as many; else by first appearance.
        known: ids that a checkpoint was trained with. They stay as they are, also of speakers that the table lacks, and
            new speakers get the lowest numbers that are free.

    Returns:
        Id of each speaker, in the order of the ids.
    """
    clips = Counter(row.speaker for row in rows if row.speaker is not None)
    names = [name for name, _ in clips.most_common()] if by_clips else list(clips)
    taken = set(known.values())
    free = (number for number in itertools.count() if number not in taken)
    ids = {**known, **{name: next(free) for name in names if name not in known}}
    return dict(sorted(ids.items(), key=lambda item: item[1]))


def split_sizes(clips: int, validation_split: float, test_clips: int) -> tuple[int, int, int]:
    """Clips for training, validation and test: Piper's arithmetic (1.8), which keeps at least one for training."""
    validation = int(clips * validation_split)
    test = min(test_clips, max(0, clips - validation - 1))
    return clips - validation - test, validation, test


BUCKETS, RANDOM = "buckets", "random"
"""Ways to make batches, as `[training] batching` names them; see `core_vits.batching`."""


def batches_per_epoch(clips: int, batch_size: int, processes: int = 1) -> int:
    """Batches of an epoch, in whichever way they are made.

    Every process gets as many, and nothing is dropped.
    """
    clips_of_each = -(-clips // processes)
    return -(-clips_of_each // batch_size)


def find_recording(audio_folder: Path, file: str) -> Path | None:
    """The recording of a row: the name as written, else with `.wav`, else with `.flac`; a regular file or None.

    What lies outside the folder is never found; `escapes` tells that case from a missing file.
    """
    for name in (file, *(file + suffix for suffix in RECORDING_SUFFIXES)):
        # A link may have the suffix that the name lacks.
        if escapes(audio_folder, name):
            return None
        # Paths as objects would take half of the time in which a start looks for 10,000 recordings.
        if os.path.isfile(f"{audio_folder}/{name}"):  # noqa: PTH113
            return audio_folder / name
    return None


def escapes(audio_folder: Path, file: str) -> bool:
    """Whether a name leads out of the folder of recordings: absolute, by `..`, or through a symbolic link."""
    if "/" not in file and file != ".." and not os.path.islink(f"{audio_folder}/{file}"):  # noqa: PTH114 - see above
        return False
    name = PurePosixPath(file)
    if name.is_absolute() or ".." in name.parts:
        return True
    path = audio_folder / file
    try:
        # Only a link can lead out now; without one, resolving would cost a system call a path component.
        if not any(part.is_symlink() for part in (path, *path.parents[: len(name.parts) - 1])):
            return False
        return not path.resolve().is_relative_to(audio_folder.resolve())
    except (OSError, RuntimeError):  # too long a name, or links that run in a circle
        return False
