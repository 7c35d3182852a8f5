"""Deciding about rows of a dataset, and undoing it. What is decided stands in tables; see `workbench.jobs.curation`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core_vits.manifest import Row
from workbench.errors import DatasetError
from workbench.jobs.curation import COLUMNS, CORRECTED, EXCLUDED, RECORDINGS, as_table, read_curation

JOURNAL = "journal.jsonl"
_LOCK = ".lock"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One line of one table; None stands for no line."""

    table: str
    file: str
    before: tuple[str, ...] | None
    after: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """One entry of the journal."""

    number: int
    time: float
    """Unix seconds."""
    what: str
    changes: tuple[Change, ...]
    undone: bool = False


class Curator:
    """Changes the decisions about one dataset; every change is journalled and can be undone.

    Each method raises:
        DatasetError: the folder can't be written, or a table in it can't be read and would be lost.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is written before the first decision.

        Args:
            folder: of the curation; need not exist.
        """
        self.folder = folder

    def exclude(self, rows: Sequence[Row], why: str, *, alone: bool = True) -> str:
        """Leave rows out of every training from now on; returns what was done.

        Args:
            rows: of the table.
            why: for whoever reads the table.
            alone: whether these are all rows of their recordings; else the text tells them from the others.
        """
        lines = {row.file: (why, "" if alone else row.text) for row in rows}
        return self._put(EXCLUDED, lines, f"excluded {_rows(len(lines))}: {why}")

    def include(self, files: Sequence[str]) -> str:
        """Train rows again that were excluded."""
        return self._put(EXCLUDED, dict.fromkeys(files), f"included {_rows(len(files))} again")

    def correct(self, row: Row, text: str) -> str:
        """Read another text than the table's.

        Args:
            row: as the table has it.
            text: what is said in the recording, on one line.
        """
        if not text.strip() or any(ord(character) < 32 for character in text):
            raise DatasetError(f"{row.file}: a corrected text must be one line that is not empty")
        return self._put(CORRECTED, {row.file: (text, row.text)}, f"corrected the text of {row.file}")

    def take(self, lines: Mapping[str, tuple[str, str, str]], what: str) -> str:
        """Take other recordings.

        Args:
            lines: by file what to take, how it was made, and what it was made from.
            what: for the journal.
        """
        return self._put(RECORDINGS, dict(lines), what)

    def history(self) -> list[Done]:
        """What was done, oldest first."""
        return _read_journal(self.folder / JOURNAL)

    def undo(self) -> str:
        """Take the last change back that was not undone yet; says which."""
        with self._alone():
            last = next((done for done in reversed(self.history()) if not done.undone), None)
            if last is None:
                raise DatasetError(f"{self.folder}: there is nothing to undo")
            tables = self._tables({change.table for change in last.changes})
            for change in last.changes:
                if tables[change.table].get(change.file) not in (change.after, change.before):
                    raise DatasetError(
                        f"{self.folder / change.table}: the line of '{change.file}' was changed by hand since; "
                        "change it back by hand"
                    )
                _set(tables[change.table], change.file, change.before)
            self._write(tables)
            self._note({"undone": last.number, "time": time.time()})
        return f"undone: {last.what}"

    def _put(self, table: str, lines: Mapping[str, tuple[str, ...] | None], what: str) -> str:
        with self._alone():
            tables = self._tables({table})
            changes = []
            for file, after in lines.items():
                changes.append({"table": table, "file": file, "before": tables[table].get(file), "after": after})
                _set(tables[table], file, after)
            number = max((done.number for done in self.history()), default=0) + 1
            # The journal first: to undo what was noted and not made changes nothing; the reverse could not be undone.
            self._note({"number": number, "time": time.time(), "what": what, "changes": changes})
            self._write(tables)
        return what

    def _tables(self, names: set[str]) -> dict[str, dict[str, tuple[str, ...]]]:
        """
        Raises:
            DatasetError: one can't be read, so that writing it would lose what is in it.
        """
        found = read_curation(self.folder)
        for where, message in found.problems:
            if where.partition(":")[0] in names:
                raise DatasetError(f"{self.folder / where}: {message}")
        tables = {EXCLUDED: found.excluded, CORRECTED: found.corrected, RECORDINGS: found.recordings}
        return {name: dict(tables[name]) for name in COLUMNS if name in names}

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold other processes off; an error of the disk becomes one line."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / _LOCK).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise DatasetError(f"{self.folder}: can't be written ({error.strerror or error})") from error

    def _write(self, tables: Mapping[str, Mapping[str, tuple[str, ...]]]) -> None:
        for name, lines in tables.items():
            temporary = self.folder / f"{name}.{os.getpid()}.tmp"
            try:
                with temporary.open("wb") as file:
                    file.write(as_table(name, lines))
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self.folder / name)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise

    def _note(self, entry: Mapping[str, Any]) -> None:
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _set(table: dict[str, tuple[str, ...]], file: str, line: tuple[str, ...] | None) -> None:
    if line is None:
        table.pop(file, None)
    else:
        table[file] = line


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _read_journal(path: Path) -> list[Done]:
    entries: dict[int, Done] = {}
    undone: set[int] = set()
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that a kill cut short
            entry = json.loads(line)
            if "undone" in entry:
                undone.add(int(entry["undone"]))
                continue
            changes = tuple(
                Change(
                    table=str(change["table"]),
                    file=str(change["file"]),
                    before=None if change["before"] is None else tuple(change["before"]),
                    after=None if change["after"] is None else tuple(change["after"]),
                )
                for change in entry["changes"]
                if change["table"] in COLUMNS
            )
            number = int(entry["number"])
            entries[number] = Done(number=number, time=float(entry["time"]), what=str(entry["what"]), changes=changes)
    return [
        Done(number=done.number, time=done.time, what=done.what, changes=done.changes, undone=done.number in undone)
        for done in entries.values()
    ]
