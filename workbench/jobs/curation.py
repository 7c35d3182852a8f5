"""What the owner of a dataset decided about its rows, beside the table and the recordings, which are never changed.

    <curation>/excluded.csv     file|why|text              rows that are not trained
               corrected.csv    file|text|instead of       texts that are read instead of the table's
               recordings.csv   file|take|how|made from    recordings that are taken instead
               recordings/      mended copies
               journal.jsonl    what was done, so that it can be undone

The tables are UTF-8 with a header, made to be read and edited by hand. A row is known by its `file`, as the metadata
writes it; the third column of an exclusion tells rows of one recording apart and is empty otherwise. Light: nothing is
decoded here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core_vits.manifest import Manifest, Problem, Row, escapes, find_recording

EXCLUDED, CORRECTED, RECORDINGS = "excluded.csv", "corrected.csv", "recordings.csv"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    EXCLUDED: ("file", "why", "text"),
    CORRECTED: ("file", "text", "instead of"),
    RECORDINGS: ("file", "take", "how", "made from"),
}
COPIES = "recordings"
RENAMED = "renamed"
"""How a recording is taken that has another name in the folder of recordings; everything else is a copy."""

Lines = Mapping[str, tuple[str, ...]]
"""The other columns of each row of a table, by its file."""


@dataclass(frozen=True, kw_only=True)
class Curation:
    """All decisions."""

    folder: Path
    excluded: Lines = field(default_factory=dict)
    corrected: Lines = field(default_factory=dict)
    recordings: Lines = field(default_factory=dict)
    problems: tuple[tuple[str, str], ...] = ()
    """Where (`excluded.csv:3`) and what is wrong there; that line has no effect."""

    def why_excluded(self, row: Row) -> str | None:
        """The reason why a row is not trained; None when it is."""
        why, text = (*self.excluded.get(row.file, ()), None, None)[:2]
        return why if why is not None and (not text or text == row.text) else None

    def recording(self, audio_folder: Path, file: str) -> Path | None:
        """The recording of a row, the mended one first; None when there is none."""
        line = self.recordings.get(file)
        original = find_recording(audio_folder, file)
        if line is None:
            return original
        take, how, made_from = line
        if how == RENAMED:
            return original or find_recording(audio_folder, take)
        copy = self.folder / take
        # A copy of a recording that was replaced since holds the old one.
        fits = original is not None and copy.is_file() and made_from == identity(original)
        return copy if fits else original


def identity(path: Path) -> str:
    """Changes when the file does: its size and the time it was written."""
    about = path.stat()
    return f"{about.st_size} {about.st_mtime_ns}"


def read_curation(folder: Path) -> Curation:
    """Read the decisions; a line or a table that can't be read has no effect and is named in `problems`."""
    problems: list[tuple[str, str]] = []
    tables = {name: _read_table(folder, name, problems) for name in COLUMNS}
    return Curation(
        folder=folder,
        excluded=tables[EXCLUDED],
        corrected=tables[CORRECTED],
        recordings=dict(_inside(tables[RECORDINGS], folder, problems)),
        problems=tuple(problems),
    )


def _read_table(folder: Path, name: str, problems: list[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    path, columns = folder / name, COLUMNS[name]
    if not path.is_file():
        return {}
    try:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig")), delimiter="|"))
    except (OSError, ValueError, csv.Error) as error:
        problems.append((name, f"can't be read ({error}), so none of it is used. Mend it, or delete it."))
        return {}
    found = {}
    for number, row in enumerate(rows, 1):
        if not row or (number == 1 and tuple(row) == columns):
            continue
        if len(row) > len(columns) or not row[0]:
            wanted = "|".join(columns)
            problems.append((f"{name}:{number}", f"is not {wanted}, so it is not used. Correct the line."))
            continue
        found[row[0]] = (*row[1:], *("",) * (len(columns) - len(row)))
    return found


def _inside(lines: Lines, folder: Path, problems: list[tuple[str, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Replacements that don't lead out of their folder."""
    for file, line in lines.items():
        if line[1] != RENAMED and escapes(folder, line[0]):
            problems.append((RECORDINGS, f"the copy '{line[0]}' is outside the folder, so it is not used."))
        else:
            yield file, line


def as_table(name: str, lines: Lines) -> bytes:
    """A table as it is written: sorted, so that equal decisions give equal files."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="|", lineterminator="\n")
    writer.writerow(COLUMNS[name])
    writer.writerows((file, *lines[file]) for file in sorted(lines))
    return text.getvalue().encode()


def corrected(manifest: Manifest, curation: Curation) -> Manifest:
    """The table with the corrected texts; excluded rows are still there."""
    if not curation.corrected:
        return manifest
    rows, problems = [], list(manifest.problems)
    for row in manifest.rows:
        text, instead_of = curation.corrected.get(row.file, ("", ""))
        if text and instead_of and instead_of != row.text:
            problems.append(_stale(row))
        rows.append(replace(row, text=text) if text and instead_of in ("", row.text) else row)
    return replace(manifest, rows=tuple(rows), problems=_in_order(problems))


def curated(manifest: Manifest, curation: Curation) -> Manifest:
    """The table as it is trained: texts corrected, excluded rows left out and told among the problems."""
    whole = corrected(manifest, curation)
    excluded = {row.line: why for row in whole.rows if (why := curation.why_excluded(row)) is not None}
    if not excluded:
        return whole
    told = [_excluded(row, excluded[row.line]) for row in whole.rows if row.line in excluded]
    rows = tuple(row for row in whole.rows if row.line not in excluded)
    return replace(whole, rows=rows, problems=_in_order([*whole.problems, *told]))


def _in_order(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.line))


def _excluded(row: Row, why: str) -> Problem:
    return Problem(row.line, "excluded", f"'{row.file}' is excluded{f': {why}' if why else ''}.", skipped=True)


def _stale(row: Row) -> Problem:
    message = (
        f"the text of '{row.file}' was changed after it was corrected in {CORRECTED}; the table's text is read. "
        "Delete the correction, or make it anew."
    )
    return Problem(row.line, "correction", message, skipped=False)
