"""What a report takes from a scan of the dataset; nothing else in it knows what a scan looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.report.findings import said_of
from workbench.report.records import Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """A scan in short."""

    seconds: float
    """Of all recordings, decoded."""
    clips: int
    usable: int
    """Clips that can be trained."""
    median: float | None
    """Seconds of a clip."""
    longest: float | None
    speakers: int
    phonemizer: str
    """Name and version; empty where there is none."""
    findings: tuple[tuple[str, str, Said], ...]
    """Severity, rule and what it says where; the worst first."""


def read_scan(found: Mapping[str, Any]) -> Scanned:
    """Take what is needed from what `workbench.workers.targets.health.scan` returns."""
    summary, lengths = found["summary"], found["summary"]["lengths"]
    return Scanned(
        seconds=3600 * float(summary["hours"]),
        clips=len(found["utterances"]),
        usable=int(summary["usable"]),
        median=lengths["median"],
        longest=lengths["max"],
        speakers=int(summary["speakers"]),
        phonemizer=f"{summary.get('phonemizer', '')} {summary.get('phonemizer_version', '')}".strip(),
        findings=tuple(
            (str(item["severity"]), str(item["rule"]), said_of(item, found.get("kinds", {}), where=True))
            for item in found["findings"]
        ),
    )
