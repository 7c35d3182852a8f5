"""How a scan tells what it finds: in parts while it goes on, and at the end what only the whole can say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from core_vits.manifest import Problem
from workbench.api import Finding, Severity, Utterance, ranges
from workbench.jobs.curation import CORRECTED, RECORDINGS
from workbench.jobs.curation import EXCLUDED as EXCLUDED_TABLE
from workbench.scan.memo import as_json
from workbench.workers.targets.health_kinds import table_severity
from workbench.workers.targets.health_rules import Rules
from workbench.workers.targets.health_source import Structure, Table
from workbench.workers.targets.health_summary import DROPPED, EXCLUDED, TRAINED, Seen

Part = Callable[[Mapping[str, Any]], None]

_UNUSABLE = frozenset({Severity.BLOCKS, Severity.DROPS})
# What a pipe and a screen take without a pause.
_SECONDS_BETWEEN_PARTS = 0.1
_ROWS_IN_A_PART = 256
_LINES_IN_A_PART = 2_000
# More lines with the same problem are one finding.
_MOST_LINES = 50


class Telling:
    """Hands on what is found, in parts, and remembers what the end needs of it."""

    def __init__(self, part: Part, name: str) -> None:
        self._part = part
        self.name = name
        """Of the table, for subjects."""
        self.seen = Seen()
        self._severities: dict[str, list[Severity]] = {}
        self._findings: list[dict[str, Any]] = []
        self._utterances: list[dict[str, Any]] = []
        self._told = 0.0
        self.parts: Mapping[int, str] = {}
        """Part of the split of each line, where it is known at the end."""

    def begin(self, table: Table) -> None:
        """Tell what is known before the folder of recordings is looked at."""
        problems = table.manifest.problems
        skipped = [{"row": item.line, "why": item.message} for item in problems if item.skipped]
        for begin in range(0, len(skipped), _LINES_IN_A_PART):
            self._part({"skipped": skipped[begin : begin + _LINES_IN_A_PART]})
        self.found(_problem_findings(problems, self.name))
        self.found(_curation_findings(table))
        self._tell()

    def listed(self, dataset: Structure) -> None:
        """Tell what is known before any recording is read."""
        rows = len(dataset.manifest.rows)
        self._part({"table": {"rows": rows, "recordings": len(set(dataset.names.values()))}})

    def found(self, findings: Iterable[Finding]) -> None:
        """Take findings."""
        for finding in findings:
            self.seen.findings[str(finding.severity)] += 1
            self._severities.setdefault(finding.subject, []).append(finding.severity)
            self._findings.append({**finding.as_json(), "level": finding.severity.level})

    def utterance(self, utterance: Utterance, found: Sequence[Finding]) -> None:
        """Take an utterance and what was found about it."""
        self.found(found)
        fate = {"becomes": DROPPED if utterance.dropped else TRAINED, "why": utterance.dropped}
        self._tell_one(_as_json(utterance, _verdict(self._severities.get(utterance.subject, ()))) | fate)

    def excluded(self, utterance: Utterance, why: str) -> None:
        """Take an utterance that its owner excluded; no rule is asked about it."""
        message = f"'{utterance.file}' is excluded{f': {why}' if why else ''}."
        self.found(
            [
                Finding(
                    rule="metadata.excluded",
                    severity=Severity.INFO,
                    subject=utterance.subject,
                    message=message,
                    evidence={"why": why} if why else {},
                )
            ]
        )
        self._tell_one(_as_json(utterance, EXCLUDED) | {"becomes": EXCLUDED, "why": why})

    def _tell_one(self, item: dict[str, Any]) -> None:
        self.seen.add(item)
        self._utterances.append(item)
        late = time.monotonic() - self._told >= _SECONDS_BETWEEN_PARTS
        if late or len(self._utterances) >= _ROWS_IN_A_PART:
            self._tell()

    def end(self, rules: Rules, summarize: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Tell the rest, and give what could be told only now."""
        self._tell()
        verdicts = {}
        for item in self.seen.utterances:
            verdict = _verdict(self._severities.get(f"{self.name}:{item['row']}", ()))
            if verdict != item["verdict"] != EXCLUDED:
                item["verdict"] = verdicts[str(item["row"])] = verdict
        self._tell_late("verdicts", verdicts)
        self._tell_late("parts", {str(line): part for line, part in self.parts.items()})
        return {"summary": summarize(), "kinds": rules.kinds()}

    def _tell_late(self, what: str, of_rows: Mapping[str, str]) -> None:
        """Tell what is known of rows only when all were seen."""
        told = list(of_rows.items())
        for begin in range(0, len(told), _LINES_IN_A_PART):
            self._part({what: dict(told[begin : begin + _LINES_IN_A_PART])})

    def _tell(self) -> None:
        for begin in range(0, max(len(self._findings), 1), _ROWS_IN_A_PART):
            part = {"findings": self._findings[begin : begin + _ROWS_IN_A_PART], "utterances": self._utterances}
            if part["findings"] or part["utterances"]:
                self._part(part)
            self._utterances = []
        self._findings = []
        self._told = time.monotonic()


def _as_json(utterance: Utterance, verdict: str) -> dict[str, Any]:
    seconds, measures, container = utterance.seconds, utterance.measures, utterance.container
    return {
        "row": utterance.row,
        "file": utterance.file,
        "path": None if utterance.path is None else str(utterance.path),
        "text": utterance.text,
        "speaker": utterance.speaker,
        "seconds": None if seconds is None else round(seconds, 3),
        "sample_rate": utterance.sample_rate,
        "channels": utterance.channels,
        "peak": None if measures is None else round(measures.peak, 4),
        "chars_per_second": round(len(utterance.text.strip()) / seconds, 2) if seconds else None,
        "phonemes": " ".join("".join(sentence) for sentence in utterance.phonemes or ()),
        "kind": None if container is None else container.kind,
        "encoding": "" if container is None else container.encoding,
        "measures": None if measures is None else as_json(measures),
        "verdict": verdict,
        "part": None,
    }


def _verdict(severities: Sequence[Severity]) -> str:
    """`drops`, `warns` or `ok`: the worst that was found about a row."""
    found = set(severities)
    if found & _UNUSABLE:
        return str(Severity.DROPS)
    return str(Severity.WARNS if Severity.WARNS in found else Severity.OK)


def _curation_findings(table: Table) -> Iterator[Finding]:
    """Decisions that have no effect."""
    curation = table.curation
    for where, message in curation.problems:
        yield _without_effect(f"{curation.folder.name}/{where}", message)
    decisions = {EXCLUDED_TABLE: curation.excluded, CORRECTED: curation.corrected, RECORDINGS: curation.recordings}
    for name, lines in decisions.items():
        for file in lines:
            if file not in table.files:
                message = f"no row of the table names '{file}', so the line changes nothing. Correct or delete it."
                yield _without_effect(f"{curation.folder.name}/{name}", message)


def _without_effect(subject: str, message: str) -> Finding:
    return Finding(rule="curation.line", severity=Severity.WARNS, subject=subject, message=message)


def _problem_findings(problems: Sequence[Problem], name: str) -> Iterator[Finding]:
    """A finding for each line, or one for all lines where a kind of problem is the whole table's."""
    by_kind: dict[str, list[Problem]] = {}
    for problem in problems:
        by_kind.setdefault(problem.kind, []).append(problem)
    for same in by_kind.values():
        if len(same) <= _MOST_LINES:
            yield from (_problem_finding(problem, name) for problem in same)
        else:
            first = _problem_finding(same[0], name)
            lines = ", ".join(str(problem.line) for problem in same[:3])
            evidence: dict[str, str | int] = {"rows": len(same), "lines": ranges(problem.line for problem in same)}
            message = f"{len(same)} lines ({lines} …) are alike; line {same[0].line} {same[0].message}"
            yield replace(first, subject=name, message=message, evidence=evidence)


def _problem_finding(problem: Problem, name: str) -> Finding:
    return Finding(
        rule=f"metadata.{problem.kind}",
        severity=table_severity(problem.kind, skipped=problem.skipped),
        subject=f"{name}:{problem.line}",
        message=problem.message,
        evidence=problem.facts,
    )
