"""A scan's report put together from the parts in which it comes; standard library only, for whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workbench.api import Severity
from workbench.workers.client import Part, Progress, Worker

TARGET = "workbench.workers.targets.health:scan_in_parts"

_ORDER = {str(severity): place for place, severity in enumerate(Severity)}


class HealthReport:
    """Collects the parts of a scan.

    A part may hold `table` (counts that are known before any recording is read), `skipped` (lines that gave no row),
    `findings` and `utterances`, and, of rows that were told before, `verdicts` that became worse and `parts` of the
    split. The end says what could be told only when all was seen: `summary` and `kinds`.
    """

    def __init__(self) -> None:
        self.table: Mapping[str, Any] = {}
        self.findings: list[Mapping[str, Any]] = []
        self.utterances: list[dict[str, Any]] = []
        self.skipped: list[Mapping[str, Any]] = []
        self._verdicts: dict[str, str] = {}
        self._parts: dict[str, str] = {}

    def add(self, part: Mapping[str, Any]) -> None:
        """Take a part."""
        self.table = part.get("table", self.table)
        self.findings += part.get("findings", ())
        self.utterances += part.get("utterances", ())
        self.skipped += part.get("skipped", ())
        self._verdicts.update(part.get("verdicts", {}))
        self._parts.update(part.get("parts", {}))

    def finish(self, end: Mapping[str, Any]) -> dict[str, Any]:
        """The whole report, the worst findings first."""
        for item in self.utterances:
            item["verdict"] = self._verdicts.get(str(item["row"]), item["verdict"])
            item["part"] = self._parts.get(str(item["row"]))
        self.findings.sort(key=_place)
        return {
            "summary": end["summary"],
            "kinds": end["kinds"],
            "findings": self.findings,
            "utterances": self.utterances,
            "skipped": self.skipped,
        }


def _place(finding: Mapping[str, Any]) -> tuple[int, int, str]:
    digits = str(finding["subject"]).rpartition(":")[2]
    return _ORDER[finding["severity"]], int(digits) if digits.isdecimal() else 0, finding["rule"]


def scan_with(
    worker: Worker,
    *,
    on_progress: Progress | None = None,
    on_part: Callable[[Mapping[str, Any]], None] | None = None,
    **scan: Any,
) -> dict[str, Any]:
    """Scan in a worker.

    Args:
        worker: of the pool `audio`.
        on_progress: called with rows done, rows in all, and what is being done.
        on_part: called with each part as it comes; see `HealthReport`.
        scan: arguments of `workbench.workers.targets.health.scan_in_parts`.

    Raises:
        WorkbenchError: the dataset can't be read at all.
    """
    report = HealthReport()

    def take(part: Mapping[str, Any]) -> None:
        report.add(part)
        if on_part is not None:
            on_part(part)

    taken: Part = take
    return report.finish(worker.call(TARGET, on_progress=on_progress, on_part=taken, **scan))
