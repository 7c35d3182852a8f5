"""Rows and the files they name."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from core_vits.manifest import escapes
from workbench.api import DatasetFacts, Finding, Severity, Utterance
from workbench_health.gathered import Gathered, worded
from workbench_health.kinds.recordings import KINDS

# What a first row says that names the columns instead of a clip.
_FILE_HEADINGS = frozenset(
    {"audio", "audiofile", "audiofilepath", "clip", "file", "filename", "id", "name", "path", "wav", "wavfilename"}
)
_TEXT_HEADINGS = frozenset({"normalizedtext", "sentence", "text", "transcript", "transcription", "utterance"})


class RecordingRule:
    """Recordings that are missing, outside the folder of recordings, or named by two rows."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._folder = dataset.folder
        self._names: list[str] | None = None
        self._first: dict[Path, Utterance] = {}
        self._gathered = Gathered(dataset, KINDS)

    def check(self, utterance: Utterance) -> Iterator[Finding]:
        """Look for the recording of one row."""
        if utterance.path is None:
            yield self._missing(utterance)
            return
        first = self._first.setdefault(utterance.path, utterance)
        if first is not utterance:
            kind = "recording.repeated" if first.text == utterance.text else "recording.twice"
            self._gathered.add(kind, utterance, f"'{utterance.file}' is already the recording of line {first.row}")
        elif utterance.container is not None and utterance.container.link:
            self._gathered.add("recording.link", utterance, f"'{utterance.file}' is a symbolic link")

    def finish(self) -> Iterator[Finding]:
        """What several rows may share."""
        yield from self._gathered.findings()

    def _missing(self, utterance: Utterance) -> Finding:
        if _is_heading(utterance):
            what = f"'{utterance.file}' and '{utterance.text}' name columns"
            return worded(KINDS["recording.header"], utterance.subject, what, {"file": utterance.file})
        if escapes(self._folder, utterance.file):
            message = (
                f"'{utterance.file}' leads out of the folder of recordings, which is not followed; the row is not "
                "trained. Copy the recording into the folder and name it without '..'."
            )
            return _finding("recording.outside", Severity.DROPS, utterance, message)
        if _is_special(self._folder / utterance.file):
            message = f"'{utterance.file}' is not a regular file; the row is not trained. Put the recording there."
            return _finding("recording.special", Severity.DROPS, utterance, message)
        close = self._close_name(utterance.file)
        hint = f" (the folder has '{close}')" if close else ""
        message = (
            f"'{utterance.file}' not found in {self._folder.name}/{hint}; the row is not trained. "
            "Rename the file or fix the row."
        )
        return _finding("recording.missing", Severity.DROPS, utterance, message, **({"close": close} if close else {}))

    def _close_name(self, file: str) -> str:
        """The file that was probably meant: other case, other Unicode form, other suffix, or a slip."""
        if self._names is None:
            self._names = sorted(_files(self._folder))
        wanted = _plain(file)
        stem = wanted.rpartition(".")[0] or wanted
        for name in self._names:
            if _plain(name) == wanted:
                return name
        for name in self._names:
            if _plain(name).rpartition(".")[0] == stem:
                return name
        # Only names that differ by a letter or two: in a numbered set every name is close to every other.
        digits = [character for character in file if character.isdigit()]
        alike = [name for name in self._names if [character for character in name if character.isdigit()] == digits]
        return next(iter(difflib.get_close_matches(file, alike, n=1, cutoff=0.8)), "")


def _is_heading(utterance: Utterance) -> bool:
    """Whether the first row names the columns."""
    file, text = (cell.strip().lower().replace("_", "") for cell in (utterance.file, utterance.text))
    return utterance.row == 1 and file in _FILE_HEADINGS and text in _TEXT_HEADINGS


def _is_special(path: Path) -> bool:
    """Whether a FIFO, a device or a folder stands where a recording should be."""
    try:
        return path.exists() and not path.is_file()
    except (OSError, ValueError):  # too long a name
        return False


def _files(folder: Path) -> Iterator[str]:
    """Names of the files in a folder and its subfolders, relative to it."""
    for parent, _, names in os.walk(folder):
        inside = Path(parent).relative_to(folder)
        yield from (str(inside / name) for name in names)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()


def _finding(rule: str, severity: Severity, utterance: Utterance, message: str, **evidence: str) -> Finding:
    return Finding(rule=rule, severity=severity, subject=utterance.subject, message=message, evidence=evidence)
