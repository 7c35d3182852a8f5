"""What the data pane makes of a scan: groups of findings, rows of a group, the histogram. No drawing here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from workbench.tui.format import bar, count, duration
from workbench.tui.services import ScanResult

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
_ROW = re.compile(r":(\d+)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """All findings of one rule with one severity."""

    rule: str
    severity: str
    findings: Sequence[Mapping[str, Any]]
    rows: frozenset[int]
    """Lines of the metadata that they speak of; empty when they speak of the dataset as a whole."""

    @property
    def glyph(self) -> str:
        """✗ ▲ · ✓"""
        return SEVERITIES.get(self.severity, ("·", ""))[0]

    @property
    def word(self) -> str:
        """The severity for people who see no colour."""
        return SEVERITIES.get(self.severity, ("·", self.severity))[1]


def row_of(finding: Mapping[str, Any]) -> int | None:
    """The metadata line that a finding speaks of."""
    match = _ROW.search(str(finding.get("subject", "")))
    return int(match[1]) if match else None


def groups(scan: ScanResult) -> list[Group]:
    """Findings by severity and rule, worst and most frequent first."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for finding in scan.findings:
        found.setdefault((str(finding.get("severity", "")), str(finding.get("rule", ""))), []).append(finding)
    order = [*SEVERITIES]
    made = [
        Group(
            rule=rule,
            severity=severity,
            findings=findings,
            rows=frozenset(row for row in map(row_of, findings) if row is not None),
        )
        for (severity, rule), findings in found.items()
        if severity != "ok"
    ]
    made.sort(key=lambda group: (order.index(group.severity) if group.severity in order else 9, -len(group.findings)))
    return made


def rows_with(scan: ScanResult) -> dict[int, list[Mapping[str, Any]]]:
    """Findings of each metadata line."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for finding in scan.findings:
        row = row_of(finding)
        if row is not None and finding.get("severity") != "ok":
            found.setdefault(row, []).append(finding)
    return found


def chosen(scan: ScanResult, group: Group | None, words: str) -> list[Mapping[str, Any]]:
    """Utterances of a group that contain every word in file, text or speaker."""
    wanted = words.casefold().split()
    return [
        utterance
        for utterance in scan.utterances
        if (group is None or not group.rows or utterance.get("row") in group.rows)
        and all(
            word
            in f"{utterance.get('file', '')} {utterance.get('text', '')} {utterance.get('speaker') or ''}".casefold()
            for word in wanted
        )
    ]


def severity_count(scan: ScanResult, severity: str) -> int:
    """How many findings are that bad."""
    return sum(finding.get("severity") == severity for finding in scan.findings)


def unusable_rows(scan: ScanResult) -> set[int]:
    """Metadata lines that will not be trained."""
    told = {int(item["row"]): item["becomes"] for item in scan.utterances if item.get("becomes")}
    if told:
        return {row for row, becomes in told.items() if becomes == "dropped"}
    return {
        row
        for finding in scan.findings
        if finding.get("severity") in {"blocks", "drops"} and (row := row_of(finding)) is not None
    }


def facts(scan: ScanResult, width: int, scanned: str) -> str:
    """Two lines of counts."""
    lengths = [float(item["seconds"]) for item in scan.utterances if item.get("seconds") is not None]
    rates = sorted({int(item["sample_rate"]) for item in scan.utterances if item.get("sample_rate")})
    speakers = {item.get("speaker") for item in scan.utterances} - {None, ""}
    total = len(scan.utterances)
    unusable = len(unusable_rows(scan) & {int(item.get("row", -1)) for item in scan.utterances})
    first = [f"{count(total)} utterances", duration(sum(lengths))]
    if rates:
        first.append(" and ".join(f"{rate / 1000:g}" for rate in rates[:3]) + " kHz")
    first.append(f"{max(1, len(speakers))} speaker{'s' if len(speakers) > 1 else ''}")
    share = 100 * (total - unusable) / total if total else 0.0
    second = [f"usable {count(total - unusable)} ({share:.1f} %)"]
    for severity, words in (("blocks", "blocking"), ("drops", "dropped"), ("warns", "warnings")):
        number = severity_count(scan, severity)
        second.append(f"{SEVERITIES[severity][0] if number else '✓'} {words} {count(number)}")
    (first if width >= 100 else second).append(scanned)
    gap = "   " if width >= 100 else "  "
    return f" {'   '.join(first)}\n {gap.join(second)}"


def histogram(scan: ScanResult, width: int) -> str:
    """Utterances by length in seconds, with shortest, median, 95 % and longest."""
    lengths = sorted(float(item["seconds"]) for item in scan.utterances if item.get("seconds") is not None)
    if not lengths:
        return "no recording could be measured"
    edges = [0.0, *EDGES, float("inf")]
    numbers = [sum(low <= length < high for length in lengths) for low, high in pairwise(edges)]
    names = [f"{low:g}–{high:g}" for low, high in zip(edges, EDGES, strict=False)] + [f"{EDGES[-1]:g}+"]
    space = max(4, width - 17)
    lines = [
        f" {name:>5} {bar(number / max(numbers), space):<{space}} {count(number):>7}"
        for name, number in zip(names, numbers, strict=True)
    ]
    middle, high = lengths[len(lengths) // 2], lengths[min(len(lengths) - 1, int(len(lengths) * 0.95))]
    lines.append(f" {lengths[0]:.1f}–{lengths[-1]:.1f} s  median {middle:.1f}  p95 {high:.1f}")
    return "\n".join(lines)


def coverage(scan: ScanResult, width: int) -> str:
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
