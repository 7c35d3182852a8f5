"""What the data pane makes of a scan: groups of findings, rows of a group, the histogram. No drawing here."""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from workbench.tui.format import bar, count, duration
from workbench.tui.panes.picked import Picked

SEVERITIES = {
    "blocks": ("✗", "blocks"),
    "drops": ("✗", "dropped"),
    "warns": ("▲", "warning"),
    "info": ("·", "note"),
    "ok": ("✓", "ok"),
}
"""Glyph and word; the order is the order of the list."""
EDGES = (1.0, 3.0, 6.0, 10.0, 15.0)
"""Seconds; edges of the length histogram."""
_UNUSABLE = frozenset({"blocks", "drops"})
_ROW = re.compile(r":(\d+)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """All findings of one rule with one severity."""

    rule: str
    severity: str
    findings: Sequence[Mapping[str, Any]]
    rows: Set[int]
    """Lines of the metadata that they speak of; empty when they speak of the dataset as a whole."""

    @property
    def glyph(self) -> str:
        """✗ ▲ · ✓"""
        return SEVERITIES.get(self.severity, ("·", ""))[0]

    @property
    def word(self) -> str:
        """The severity for people who see no colour."""
        return SEVERITIES.get(self.severity, ("·", self.severity))[1]


def rows_of(finding: Mapping[str, Any]) -> Sequence[int]:
    """Lines of the metadata that a finding speaks of: a block that is shifted, both rows of a swap, or one."""
    evidence = finding.get("evidence") or {}
    match = _ROW.search(str(finding.get("subject", "")))
    if match is None:
        return ()
    row = int(match[1])
    if "first_line" in evidence and "last_line" in evidence:
        return range(int(evidence["first_line"]), int(evidence["last_line"]) + 1)
    if finding.get("rule") == "mismatch.swapped" and "best_line" in evidence:
        return row, int(evidence["best_line"])
    return (row,)


class ScanIndex:
    """What is shown of a scan, kept up while it goes on: a part costs the same, however many came before it."""

    def __init__(
        self,
        findings: Iterable[Mapping[str, Any]] = (),
        utterances: Iterable[Mapping[str, Any]] = (),
        summary: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            findings: as the scan tells them.
            utterances: likewise, in the order of the table.
            summary: what is told at the end.
        """
        self.summary = summary or {}
        self.utterances: list[Mapping[str, Any]] = []
        self.severities: Counter[str] = Counter()
        """How many findings are how bad."""
        self.lengths: Counter[int] = Counter()
        """Recordings by their length in tenths of a second."""
        self.bins = [0] * (len(EDGES) + 1)
        """Recordings between the edges."""
        self.seconds = 0.0
        self.rates: set[int] = set()
        self.speakers: set[str] = set()
        self._groups: dict[tuple[str, str], tuple[list[Mapping[str, Any]], set[int]]] = {}
        self._by_row: dict[int, list[Mapping[str, Any]]] = {}
        self._rows: set[int] = set()
        self._unusable: set[int] = set()
        self._told = self._dropped = 0
        """Utterances of which it is told what they become, and those of them that are dropped."""
        self._words: dict[int, str] = {}
        """What a filter looks at in each utterance, by its place; made when one is typed. Python's collections look
        through a list of strings, but not through a dictionary."""
        self._typing = threading.Lock()
        self.add(findings, utterances)

    def add(self, findings: Iterable[Mapping[str, Any]], utterances: Iterable[Mapping[str, Any]]) -> None:
        """Take a part."""
        for finding in findings:
            self._add_finding(finding)
        for item in utterances:
            self._add_utterance(item)

    def _add_finding(self, finding: Mapping[str, Any]) -> None:
        severity = str(finding.get("severity", ""))
        self.severities[severity] += 1
        if severity == "ok":
            return
        findings, rows = self._groups.setdefault((severity, str(finding.get("rule", ""))), ([], set()))
        findings.append(finding)
        for row in rows_of(finding):
            rows.add(row)
            self._by_row.setdefault(row, []).append(finding)
            if severity in _UNUSABLE:
                self._unusable.add(row)

    def _add_utterance(self, item: Mapping[str, Any]) -> None:
        self.utterances.append(item)
        self._rows.add(int(item.get("row", -1)))
        if item.get("becomes"):
            self._told += 1
            self._dropped += item["becomes"] == "dropped"
        if item.get("sample_rate"):
            self.rates.add(int(item["sample_rate"]))
        if item.get("speaker"):
            self.speakers.add(str(item["speaker"]))
        if item.get("seconds") is not None:
            seconds = float(item["seconds"])
            self.seconds += seconds
            self.lengths[round(10 * seconds)] += 1
            self.bins[bisect_right(EDGES, seconds)] += 1

    def findings_of(self, row: int) -> Sequence[Mapping[str, Any]]:
        """Findings of a line of the metadata."""
        return self._by_row.get(row, ())

    def groups(self) -> list[Group]:
        """Findings by severity and rule, worst and most frequent first."""
        return in_order(
            [
                Group(rule=rule, severity=severity, findings=findings, rows=rows)
                for (severity, rule), (findings, rows) in self._groups.items()
            ]
        )

    @property
    def unusable(self) -> int:
        """How many rows will not be trained."""
        if self._told:
            return self._dropped
        return len(self._unusable & self._rows)

    def chosen(self, group: Group | None, words: str) -> Picked:
        """Utterances of a group that contain every word in file, text or speaker; for any thread."""
        items = self.utterances
        found: Iterable[int] = range(len(items))
        wanted = words.casefold().split()
        if wanted:
            said = self._searched(len(items))
            found = (at for at in found if all(word in said[at] for word in wanted))
        if group is not None and group.rows:
            found = (at for at in found if items[at].get("row") in group.rows)
        return Picked(items, found)

    def _searched(self, number: int) -> Mapping[int, str]:
        with self._typing:
            for at in range(len(self._words), number):
                item = self.utterances[at]
                said = f"{item.get('file', '')} {item.get('text', '')} {item.get('speaker') or ''}"
                self._words[at] = said.casefold()
        return self._words


def in_order(groups: Sequence[Group]) -> list[Group]:
    """Groups, worst and most frequent first."""
    place = {severity: number for number, severity in enumerate(SEVERITIES)}
    return sorted(groups, key=lambda group: (place.get(group.severity, len(place)), -len(group.findings)))


def facts(scan: ScanIndex, warnings: int, width: int, scanned: str) -> str:
    """Two lines of counts.

    Args:
        scan: to be described.
        warnings: that others than the scan's rules found.
        width: cells.
        scanned: when.
    """
    total = len(scan.utterances)
    usable = total - scan.unusable
    first = [f"{count(total)} utterances", duration(scan.seconds)]
    if scan.rates:
        first.append(" and ".join(f"{rate / 1000:g}" for rate in sorted(scan.rates)[:3]) + " kHz")
    first.append(f"{max(1, len(scan.speakers))} speaker{'s' if len(scan.speakers) > 1 else ''}")
    share = 100 * usable / total if total else 0.0
    second = [f"usable {count(usable)} ({share:.1f} %)"]
    for severity, words in (("blocks", "blocking"), ("drops", "dropped"), ("warns", "warnings")):
        number = scan.severities[severity] + (warnings if severity == "warns" else 0)
        second.append(f"{SEVERITIES[severity][0] if number else '✓'} {words} {count(number)}")
    (first if width >= 100 else second).append(scanned)
    gap = "   " if width >= 100 else "  "
    return f" {'   '.join(first)}\n {gap.join(second)}"


def histogram(scan: ScanIndex, width: int) -> str:
    """Utterances by length in seconds, with shortest, median, 95 % and longest."""
    total = sum(scan.bins)
    if not total:
        return "no recording could be measured"
    names = [f"{low:g}–{high:g}" for low, high in zip((0.0, *EDGES), EDGES, strict=False)] + [f"{EDGES[-1]:g}+"]
    space = max(4, width - 17)
    lines = [
        f" {name:>5} {bar(number / max(scan.bins), space):<{space}} {count(number):>7}"
        for name, number in zip(names, scan.bins, strict=True)
    ]
    tenths = sorted(scan.lengths)
    middle, high = _at(scan, total // 2), _at(scan, min(total - 1, int(total * 0.95)))
    lines.append(f" {tenths[0] / 10:.1f}–{tenths[-1] / 10:.1f} s  median {middle:.1f}  p95 {high:.1f}")
    return "\n".join(lines)


def _at(scan: ScanIndex, place: int) -> float:
    """The length of the recording at a place when they are sorted, seconds."""
    passed = 0
    for tenths in sorted(scan.lengths):
        passed += scan.lengths[tenths]
        if passed > place:
            return tenths / 10
    return 0.0


def coverage(scan: ScanIndex, width: int) -> str:
    """How much of the voice's phoneme table the texts use, rare phonemes first."""
    phonemes = scan.summary.get("phonemes") or {}
    counts = [(number, name) for name, number in (phonemes.get("counts") or {}).items()]
    if not counts:
        return " no phonemizer, no phonemes" if scan.summary else ""
    lines = [f" {phonemes.get('different', len(counts))} phonemes, {scan.summary.get('phonemizer') or 'as given'}"]
    unknown = phonemes.get("unknown") or {}
    listed = "  ".join(f"{name} {number}" for name, number in unknown.items())
    lines.append(f" ▲ not in the voice's table: {listed}" if unknown else " ✓ all are in the voice's table")
    lines.append(" rare first:")
    cell = 10
    rare = [f" {name:<3}{count(number):>5} " for number, name in sorted(counts)]
    per_line = max(1, (width - 1) // cell)
    lines += [f"{''.join(rare[at : at + per_line])}" for at in range(0, len(rare), per_line)]
    return "\n".join(lines)
