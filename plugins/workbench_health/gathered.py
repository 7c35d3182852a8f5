"""Findings worded from their kind; what many rows share is told once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workbench.api import DatasetFacts, Finding, RuleKind, Utterance, ranges
from workbench_health.limits import Limits

Value = str | int | float | bool
_SHOWN = 3


def worded(kind: RuleKind, subject: str, what: str, evidence: Mapping[str, Value], fix: str = "") -> Finding:
    """A finding: what is, then what the kind does to a training and what to do.

    Args:
        kind: of the finding.
        subject: where.
        what: the fact, a clause without a full stop.
        evidence: what was measured, and the threshold.
        fix: a command that mends it.
    """
    message = f"{what}. {kind.effect} {kind.fix}"
    return Finding(rule=kind.name, severity=kind.severity, subject=subject, message=message, evidence=evidence, fix=fix)


@dataclass(frozen=True, slots=True)
class _Found:
    utterance: Utterance
    what: str
    evidence: Mapping[str, Value]
    fix: str


class Gathered:
    """Keeps what was found of each row until all are known.

    A few rows with the same kind become a finding each; more than `rows_named` become one, whose evidence lists all
    lines.
    """

    def __init__(self, dataset: DatasetFacts, kinds: Mapping[str, RuleKind]) -> None:
        self._dataset = dataset
        self._kinds = kinds
        self._most = Limits(dataset)["rows_named"]
        self._found: dict[str, list[_Found]] = {}

    def add(self, kind: str, utterance: Utterance, what: str, evidence: Mapping[str, Value], *, fix: str = "") -> None:
        """Keep one row; see `worded`."""
        self._found.setdefault(kind, []).append(_Found(utterance, what, evidence, fix))

    def findings(self) -> Iterator[Finding]:
        """All that was kept, kind by kind, in the order in which each kind was first seen."""
        for name, found in self._found.items():
            kind = self._kinds[name]
            if len(found) > self._most:
                yield self._whole(kind, found)
            else:
                for item in found:
                    yield worded(kind, item.utterance.subject, item.what, item.evidence, item.fix)

    def _whole(self, kind: RuleKind, found: list[_Found]) -> Finding:
        lines = [item.utterance.row for item in found]
        first = ", ".join(map(str, lines[:_SHOWN]))
        what = f"{len(lines)} rows (lines {first} …): {kind.summary}; line {lines[0]}: {found[0].what}"
        evidence: dict[str, Value] = {"rows": len(lines), "lines": ranges(lines)}
        return worded(kind, self._dataset.metadata.name, what, evidence, found[0].fix)
