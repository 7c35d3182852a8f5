"""Hears the recordings of a dataset and says which don't fit their texts.

A worker runs it; it can be called directly as well. An hour of speech takes about five minutes, so it runs beside
everything else: its threads give way to all other work, and whoever cancels it loses nothing that was heard.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core_vits.manifest import ManifestError, Row
from workbench.api import Finding, Severity
from workbench.config import Workspace, load_workspace
from workbench.errors import DatasetError
from workbench.host import Host
from workbench.jobs.curation import read_curation
from workbench.jobs.dataset import read_table
from workbench.mismatch.judgement import Judgement, judge
from workbench.mismatch.kept import HEARD, Judged, keep, stamp_before
from workbench.mismatch.report import Line, findings_of
from workbench.mismatch.sounds import sounds_of
from workbench.workers.targets.frontend import front_end
from workbench.workers.targets.hearing import Hearing, Phones, Progress

_TEXTS_AT_ONCE = 32


def listen(
    workspace_file: str, recognizer: str = "auto", threads: int = 1, progress: Progress | None = None
) -> dict[str, Any]:
    """Compare every recording of a workspace with its text.

    Args:
        workspace_file: `workbench.toml` or its folder.
        recognizer: name of the phone recogniser; `auto`: the best that works here.
        threads: that hear at the same time.
        progress: called with recordings done, recordings in all, and what is being done with the time that is left.

    Returns:
        `summary` (counts, limit, speed), `findings` (`Finding.as_json`, the worst first) and `clips` (`row`, `file`,
        `verdict`, `distance`, `best_row`, `best_distance`, `heard`, `expected`).

    Raises:
        DatasetError: the table can't be read.
        ConfigError: the workspace can't be read.
        PluginError: no recogniser or no phonemizer works here.
    """
    workspace = load_workspace(Path(workspace_file))
    host = Host.load(workspace)
    registered = host.recognizer(recognizer)
    try:
        rows = read_table(workspace).rows
    except ManifestError as error:
        raise DatasetError(str(error)) from None
    curation = read_curation(workspace.curation)
    hearing = Hearing(workspace, host, registered, threads)
    recordings = [curation.recording(workspace.audio_folder, row.file) for row in rows]
    began = time.time()
    try:
        if progress is not None:
            progress(0, 0, "phonemizing the texts")
        expected = _expected(workspace, host, rows)
        heard = hearing.hear(recordings, progress)
    finally:
        hearing.close()
    lines = [
        Line(row=row.line, file=row.file, text=row.text, heard=" ".join(one or ()), expected="".join(text or ()))
        for row, one, text in zip(rows, heard, expected, strict=True)
    ]
    if progress is not None:
        progress(len(rows), len(rows), "comparing")
    judgement = judge(
        [None if one is None else sounds_of(one) for one in heard],
        [None if text is None else sounds_of(text) for text in expected],
    )
    found = _worst_first(findings_of(judgement, lines, Path(workspace.dataset.metadata).name))
    findings = [finding.as_json() for finding in found]
    judged = (
        Judged(
            row=row.line, file=row.file, text=row.text, stamp=stamp_before(path, began), suspicion=clip.distance
        )
        for row, path, clip in zip(rows, recordings, judgement.clips, strict=True)
    )  # fmt: skip
    keep(workspace.cache, HEARD, hearing.called, findings, judged, read=began)
    return {
        "summary": {**_summary(judgement), **hearing.summary()},
        "findings": findings,
        "clips": [_as_json(judgement, place, lines) for place in range(len(lines))],
    }


def _expected(workspace: Workspace, host: Host, rows: Sequence[Row]) -> list[Phones | None]:
    """Phones of each row's text; None where it has none."""
    front = front_end(workspace, host)
    try:
        parts = [front.read(rows[begin : begin + _TEXTS_AT_ONCE]) for begin in range(0, len(rows), _TEXTS_AT_ONCE)]
    finally:
        front.close()
    return [
        None if spoken.error else tuple(phoneme for sentence in spoken.sentences for phoneme in sentence)
        for part in parts
        for spoken in part
    ]


def _summary(judgement: Judgement) -> dict[str, Any]:
    counts = {str(verdict): count for verdict, count in judgement.counts.items()}
    return {
        "clips": len(judgement.clips),
        **counts,
        "median_distance": None if judgement.median is None else round(judgement.median, 3),
        "threshold": round(judgement.limit, 3),
        "judged": not judgement.unusable,
    }


def _worst_first(found: Sequence[Finding]) -> list[Finding]:
    order = list(Severity)
    return sorted(found, key=lambda finding: order.index(finding.severity))


def _as_json(judgement: Judgement, place: int, lines: Sequence[Line]) -> Mapping[str, Any]:
    clip, line = judgement.clips[place], lines[place]
    match = clip.match
    return {
        "row": line.row,
        "file": line.file,
        "verdict": str(clip.verdict),
        "distance": None if clip.distance is None else round(clip.distance, 3),
        "best_row": None if match is None else lines[match.index].row,
        "best_distance": None if match is None else round(match.distance, 3),
        "heard": line.heard,
        "expected": line.expected,
    }
