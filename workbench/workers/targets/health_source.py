"""What the rules of a scan are asked about: the rows, their recordings measured and their texts phonemized."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core_vits.file_stamp import Stamp, stamp_of
from core_vits.manifest import Manifest, ManifestError, Row
from workbench.api import Container as Special
from workbench.config import Workspace
from workbench.errors import DatasetError
from workbench.executors import executor
from workbench.jobs.curation import corrected, read_curation
from workbench.jobs.dataset import read_table_as_written
from workbench.scan.container import look
from workbench.scan.decoding import Examined, examine
from workbench.scan.listing import Listing, below
from workbench.scan.memo import MeasureMemo
from workbench.workers.targets.frontend import FrontEnd, Spoken, TextFrontEnd
from workbench.workers.targets.health_work import ROWS_IN_A_BLOCK, Block, Done, Work
from workbench.workers.targets.process_front import use_front

Progress = Callable[[float, float, str], None]

# The first rows come at once.
_FIRST_BLOCK = 8
# Below this, starting processes takes longer than they save.
_WORTH_PROCESSES = 150
# What a process needs for its pieces; some of it is imported late here, for a scan that has nothing to measure.
_PRELOAD = (Work.__module__, "workbench.scan.periods", "workbench.scan.spectra")
# More would wait for the rules, which are asked here.
_MOST_PROCESSES = 8


class Table:
    """The rows as they are written, and what their owner decided about them; nothing of the recordings."""

    def __init__(self, workspace: Workspace) -> None:
        """
        Args:
            workspace: names table and folder.

        Raises:
            DatasetError: table or folder can't be read.
        """
        self.curation = read_curation(workspace.curation)
        self.written = _manifest(workspace)
        self.manifest = corrected(self.written, self.curation)
        """All rows, the excluded ones as well, with the corrected texts."""
        self.files = dict.fromkeys(row.file for row in self.manifest.rows)
        """Names in the table, each once, in its order."""


class Structure:
    """What is known before any recording is opened: rows, and the files that they mean."""

    def __init__(self, workspace: Workspace, table: Table, *, memo_part: str = "") -> None:
        """
        Args:
            workspace: names the folder.
            table: its rows.
            memo_part: see `MeasureMemo`.
        """
        self.folder = workspace.audio_folder
        self.curation, self.manifest = table.curation, table.manifest
        self.root = os.path.realpath(self.folder)
        made = (workspace.runs, workspace.cache, workspace.voices, workspace.curation)
        self.listing = Listing(self.folder, skip=made)
        self.names = {file: name for file in table.files if (name := self.listing.name_of(file)) is not None}
        """Recording of each name in the table that has one, relative to the folder, without the copies."""
        self.copies: dict[str, Path] = {}
        """Mended copies that are taken instead."""
        originals = set(self.names.values())
        self._take_others(table.files)
        self.orphans = self.listing.orphans(originals.union(self.names.values()))
        """Recordings that no row means."""
        self.memo = MeasureMemo(workspace.cache / "measures", memo_part)

    def _take_others(self, files: Container[str]) -> None:
        for file in self.curation.recordings:
            if file not in files:
                continue
            taken = self.curation.recording(self.folder, file)
            self.names.pop(file, None)
            if taken is not None and taken.is_relative_to(self.curation.folder):
                self.copies[file] = taken
            elif taken is not None:
                self.names[file] = below(self.folder, taken)

    def path(self, file: str) -> Path | None:
        """The recording of a name in the table; None where there is none."""
        name = self.names.get(file)
        return self.copies.get(file) if name is None else self.folder / name

    def special(self, file: str) -> Special | None:
        """What stands where a recording was not found."""
        return look(self.root, self.folder, file)


def _manifest(workspace: Workspace) -> Manifest:
    try:
        manifest = read_table_as_written(workspace)
    except ManifestError as error:
        raise DatasetError(str(error)) from None
    if not workspace.audio_folder.is_dir():
        raise DatasetError(
            f"{workspace.dataset.audio}: there is no such folder of recordings. Correct [dataset] audio."
        )
    if not os.access(workspace.audio_folder, os.R_OK | os.X_OK):
        raise DatasetError(f"{workspace.dataset.audio}: the folder can't be read. Correct its permissions.")
    return manifest


@dataclass(frozen=True, slots=True)
class _RowsBlock:
    """Rows that are judged one after the other, and what must be worked out for them first."""

    rows: Sequence[Row]
    known: Mapping[str, Examined]
    work: Block


class Source:
    """Rows with what was examined and phonemized of them, from the memos where it is known."""

    def __init__(self, dataset: Structure, front: FrontEnd | None, work: Work, executor_name: str) -> None:
        self._dataset = dataset
        self._front = front
        self._work = work
        texts = front if isinstance(front, TextFrontEnd) else None
        self._texts = texts
        use_front(front)
        rows = dataset.manifest.rows
        new_texts = len(texts.unknown(rows)) if texts is not None else 0
        worth = max(len(dataset.names) - len(dataset.memo), new_texts) >= _WORTH_PROCESSES
        processes = _MOST_PROCESSES if worth else 1
        self._executor = executor(executor_name, at_once=processes, preload=_PRELOAD)
        self._used: dict[str, Stamp | None] = {}
        self._examined: dict[str, Examined] = {}
        # What no later row names is let go: of a hundred thousand recordings it would be some hundred megabytes.
        self._wanted = Counter(dataset.names[row.file] for row in rows if row.file in dataset.names)

    def close(self) -> None:
        """Let processes go."""
        self._executor.close()
        use_front(None)

    def rows(self, progress: Progress | None) -> Iterator[tuple[Row, Examined | None, Spoken | None]]:
        """Each row with its recording, None where there is none, and its phonemes, None without a phonemizer."""
        rows = self._dataset.manifest.rows
        blocks: list[_RowsBlock] = []  # filled as blocks are handed out, emptied as they come back
        done = self._executor.run(self._work, self._hand_out(rows, blocks), self._work.lost, first_here=True)
        at = 0
        for worked in done:
            block = blocks.pop(0)
            self._learn(block, worked)
            spoken = self._front.read(block.rows) if self._front is not None else [None] * len(block.rows)
            for row, words in zip(block.rows, spoken, strict=True):
                if progress is not None:
                    progress(at, len(rows), "recordings")
                copy = self._dataset.copies.get(row.file)
                yield row, self._take(self._dataset.names.get(row.file)) if copy is None else self._copy(copy), words
                at += 1
        if progress is not None:
            progress(len(rows), len(rows), "recordings")
        self._dataset.memo.tidy((name, stamp) for name, stamp in self._used.items() if stamp is not None)

    def _take(self, name: str | None) -> Examined | None:
        if name is None:
            return None
        self._wanted[name] -= 1
        return self._examined[name] if self._wanted[name] else self._examined.pop(name)

    def measure(self, part: slice, progress: Progress | None) -> tuple[int, int]:
        """Measure some of the recordings and remember it; how many were measured, and how many were known."""
        names = sorted(set(self._dataset.names.values()))[part]
        new = [name for name in names if self._remembered(name) is None]
        blocks = [Block(tuple(new[at : at + ROWS_IN_A_BLOCK])) for at in range(0, len(new), ROWS_IN_A_BLOCK)]
        measured = 0
        for done in self._executor.run(self._work, blocks, self._work.lost):
            self._dataset.memo.add(done.examined)
            measured += len(done.examined)
            if progress is not None:
                progress(measured, len(new), "recordings")
        return measured, len(names) - len(new)

    def _hand_out(self, rows: Sequence[Row], blocks: list[_RowsBlock]) -> Iterator[Block]:
        begin, asked, spoken = 0, set[str](), set[str]()
        while begin < len(rows):
            part = rows[begin : begin + (ROWS_IN_A_BLOCK if begin else _FIRST_BLOCK)]
            begin += len(part)
            names = dict.fromkeys(self._dataset.names[row.file] for row in part if row.file in self._dataset.names)
            new = [name for name in names if name not in asked]
            asked.update(new)
            known = {name: item for name in new if (item := self._remembered(name)) is not None}
            texts = self._texts.unknown(part) if self._texts is not None else []
            fresh = tuple(text for text in texts if text not in spoken)
            spoken.update(fresh)
            block = _RowsBlock(part, known, Block(tuple(name for name in new if name not in known), fresh))
            blocks.append(block)
            yield block.work

    def _remembered(self, name: str) -> Examined | None:
        try:
            status = os.lstat(os.path.join(self._dataset.root, name))  # noqa: PTH118 - a hundred thousand of them
        except OSError:
            return None
        self._used[name] = stamp_of(status)
        return self._dataset.memo.known(name, stamp_of(status))

    def _copy(self, path: Path) -> Examined | None:
        """A mended copy, which does not lie in the folder of recordings; there are few."""
        name = os.fspath(path)
        known = self._remembered(name)
        if known is None:
            known = examine(os.path.realpath(path.parent), path.name)
            self._dataset.memo.add({name: known})
        return known

    def _learn(self, block: _RowsBlock, worked: Done) -> None:
        self._examined.update(block.known)
        self._examined.update(worked.examined)
        self._dataset.memo.add(worked.examined)
        if self._texts is not None:
            self._texts.learn(worked.sentences)
