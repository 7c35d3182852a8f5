"""Rows and the files they name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from core_vits.manifest import escapes
from workbench.api import DatasetFacts, Finding, Severity, Utterance
from workbench_health.gathered import Gathered, Value, worded
from workbench_health.kinds.recordings import KINDS

# What a first row says that names the columns instead of a clip.
_FILE_HEADINGS = frozenset(
    {"audio", "audiofile", "audiofilepath", "clip", "file", "filename", "id", "name", "path", "wav", "wavfilename"}
)
_SPECIAL = frozenset({"directory", "fifo", "device", "socket", "link-loop"})
_NEAR_BY = MappingProxyType(
    {
        "case": ", in other case",
        "unicode": ", in the other Unicode form",
        "spaces": ", with other spaces",
        "suffix": ", with another suffix",
        "folder": ", in another folder",
    }
)
_SHOWN, _LISTED = 3, 100
_TEXT_HEADINGS = frozenset({"normalizedtext", "sentence", "text", "transcript", "transcription", "utterance"})


class RecordingRule:
    """Recordings that are missing, outside the folder of recordings, or named by two rows."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._folder = dataset.folder
        self._first: dict[Path, Utterance] = {}
        self._gathered = Gathered(dataset, KINDS)
        self._meant: set[str] = set()

    def check(self, utterance: Utterance) -> Iterator[Finding]:
        """Look for the recording of one row."""
        if utterance.path is None:
            yield self._missing(utterance)
            return
        first = self._first.setdefault(utterance.path, utterance)
        if first is not utterance:
            kind = "recording.repeated" if self._is_same(first, utterance) else "recording.twice"
            self._gathered.add(
                kind,
                utterance,
                f"'{utterance.file}' is already the recording of line {first.row}",
                {"other": first.row},
            )
        elif utterance.container is not None and utterance.container.link:
            self._meant.add(os.path.relpath(utterance.path.resolve(), self._folder.resolve()))
            self._gathered.add("recording.link", utterance, f"'{utterance.file}' is a symbolic link", {})

    def finish(self) -> Iterator[Finding]:
        """What several rows may share, and recordings without a row."""
        yield from self._gathered.findings()
        # What a row means by another name is no orphan.
        if orphans := [name for name in self._dataset.orphans if name not in self._meant]:
            shown = ", ".join(f"'{name}'" for name in orphans[:_SHOWN]) + (" …" if len(orphans) > _SHOWN else "")
            what = f"no row names {len(orphans)} recording{'s' * (len(orphans) > 1)} of {self._folder.name}/: {shown}"
            evidence: dict[str, Value] = {"recordings": len(orphans), "files": " ".join(orphans[:_LISTED])}
            yield worded(KINDS["recording.orphan"], self._dataset.metadata.name, what, evidence)

    def _is_same(self, first: Utterance, second: Utterance) -> bool:
        """Whether two rows of one recording are one clip to the trainer."""
        given = self._dataset.dataset_type == "phoneme_ids"
        same_ids = not given or first.phoneme_ids == second.phoneme_ids
        return (first.text, first.speaker) == (second.text, second.speaker) and same_ids

    def _missing(self, utterance: Utterance) -> Finding:
        if is_heading(utterance):
            what = f"'{utterance.file}' and '{utterance.text}' name columns"
            return worded(KINDS["recording.header"], utterance.subject, what, {"file": utterance.file})
        if escapes(self._folder, utterance.file):
            message = (
                f"'{utterance.file}' leads out of the folder of recordings, which is not followed; the row is not "
                "trained. Copy the recording into the folder and name it without '..'."
            )
            return _finding("recording.outside", Severity.DROPS, utterance, message)
        if utterance.container is not None and utterance.container.kind in _SPECIAL:
            message = f"'{utterance.file}' is not a regular file; the row is not trained. Put the recording there."
            kind = utterance.container.kind
            return _finding("recording.special", Severity.DROPS, utterance, message, is_a=kind)
        self._meant.add(utterance.near)
        close, by = utterance.near, _NEAR_BY.get(utterance.near_by, "")
        hint = f" (the folder has '{close}'{by})" if close else ""
        message = (
            f"'{utterance.file}' not found in {self._folder.name}/{hint}; the row is not trained. "
            "Rename the file or fix the row."
        )
        evidence = {"close": close, "close_by": utterance.near_by} if close else {}
        return _finding("recording.missing", Severity.DROPS, utterance, message, **evidence)


def is_heading(utterance: Utterance) -> bool:
    """Whether the first row names the columns."""
    file, text = (cell.strip().lower().replace("_", "") for cell in (utterance.file, utterance.text))
    return utterance.row == 1 and utterance.path is None and file in _FILE_HEADINGS and text in _TEXT_HEADINGS


def _finding(rule: str, severity: Severity, utterance: Utterance, message: str, **evidence: str) -> Finding:
    return Finding(rule=rule, severity=severity, subject=utterance.subject, message=message, evidence=evidence)
