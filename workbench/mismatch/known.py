"""What the last comparisons say of a workspace's rows as they are now, for everybody who shows findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core_vits.file_stamp import Stamp, stamp_of
from workbench.api import Severity
from workbench.mismatch.kept import ASKED, HEARD, Utterance, current, read_kept
from workbench.mismatch.kinds import KINDS, UNUSABLE

_EXCLUDED = "excluded"
"""Verdict of a scan about a row that is not trained."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What one judge found, as far as it holds."""

    kind: str
    """`workbench.mismatch.kept.HEARD` or `ASKED`."""
    by: str
    """Recogniser with its version, or checkpoint with its run."""
    time: float
    """Unix seconds."""
    clips: int
    """Rows that are as they were when they were judged."""
    changed: int
    """Rows that are new or have changed since, or that a checkpoint's run never had."""
    outdated: int
    """Findings that no longer hold, though a row of theirs is still there to be judged."""
    findings: Sequence[Mapping[str, Any]]
    """`Finding.as_json`; a note on the changed rows is the last."""
    suspicion: Mapping[int, float]
    """See `workbench.mismatch.kept.Current`."""

    @property
    def unusable(self) -> bool:
        """Whether the judge could not judge this dataset."""
        return any(finding["rule"] == UNUSABLE.name for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Plain values, without the findings."""
        return {
            "judge": "recognizer" if self.kind == HEARD else "voice",
            "by": self.by,
            "time": self.time,
            "rows": self.clips,
            "changed": self.changed,
            "outdated": self.outdated,
        }


def known_of(cache: Path, table: str, rows: Iterable[Utterance]) -> list[Known]:
    """What is kept of a workspace and still holds; the recogniser first.

    Args:
        cache: the workspace's cache folder.
        table: name of the metadata file.
        rows: that would be judged now; asked for only where something is kept.
    """
    kept = [(kind, found) for kind in (HEARD, ASKED) if (found := read_kept(cache, kind)) is not None]
    now = list(rows) if kept else []
    known = []
    for kind, found in kept:
        held = current(kind, found, now, table)
        if held.clips or held.changed:
            known.append(
                Known(
                    kind=kind, by=found.by, time=found.time, clips=held.clips, changed=held.changed,
                    outdated=held.outdated, findings=held.findings, suspicion=held.suspicion,
                )
            )  # fmt: skip
    return known


def rows_of_scan(utterances: Iterable[Mapping[str, Any]]) -> Iterator[Utterance]:
    """Rows that a judge would look at now.

    Args:
        utterances: as a scan tells them.
    """
    for item in utterances:
        if item.get("verdict") != _EXCLUDED:
            path = Path(str(item["path"])) if item.get("path") else None
            yield Utterance(row=int(item["row"]), file=str(item["file"]), text=str(item["text"]), stamp=stamp_now(path))


def stamp_now(recording: Path | None) -> Stamp | None:
    """A recording's stamp; None where there is none."""
    try:
        return stamp_of(recording.stat()) if recording is not None else None
    except OSError:
        return None


def with_comparisons(report: Mapping[str, Any], known: Sequence[Known]) -> dict[str, Any]:
    """A scan's report together with what comparisons found.

    Args:
        report: as `workbench.workers.targets.health.scan` returns it.
        known: of the same rows.
    """
    added = [{**finding, "level": Severity(finding["severity"]).level} for one in known for finding in one.findings]
    order = list(Severity)
    findings = sorted([*report["findings"], *added], key=lambda finding: order.index(Severity(finding["severity"])))
    return {
        **report,
        "kinds": {**report["kinds"], **{kind.name: kind.as_json("mismatch") for kind in KINDS}},
        "findings": findings,
        "comparisons": [one.as_json() for one in known],
    }
