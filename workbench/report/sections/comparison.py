"""Do recordings say their texts: what comparisons found, and how to make one."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from workbench.api import Severity, ranges
from workbench.jobs.rundir import PREPARED
from workbench.jobs.runs import OURS
from workbench.mismatch.kept import HEARD, lines_of
from workbench.mismatch.kinds import KINDS, UNUSABLE
from workbench.mismatch.known import Known
from workbench.report.findings import said_of
from workbench.report.places import named
from workbench.report.records import Command, Fact, Quantity, Said, Statement, Text, Verdict, say
from workbench.report.situation import Situation

_WORDS = {kind.name: kind.as_json() for kind in KINDS}


def comparison_facts(here: Situation) -> Iterator[Fact]:
    """Who compared how many rows, and when."""
    for known in here.comparisons:
        value = say("value.compared", count=known.clips, by=known.by)
        yield Fact("heard" if known.kind == HEARD else "asked", Quantity(value), say("evidence.kept", date=known.time))
    if not here.comparisons:
        yield Fact("heard", Quantity(None), say("evidence.compare_tells"))


def comparison(here: Situation) -> Iterator[Statement]:
    """What each judge found, a statement for each kind of finding with all its lines."""
    for known in here.comparisons:
        evidence = say("evidence.judged", by=known.by, date=known.time)
        found = [item for item in known.findings if item["severity"] == Severity.WARNS]
        for rule, count in Counter(item["rule"] for item in found).most_common():
            of_rule = [item for item in found if item["rule"] == rule]
            lines = ranges(line for item in of_rule for line in _lines(item))
            text = say("compared.warns", rule=rule, count=count, lines=lines, example=_said(of_rule[0]))
            yield Statement(Verdict.WARNING, text, evidence)
        unusable = [item for item in known.findings if item["rule"] == UNUSABLE.name]
        if unusable:
            yield Statement(Verdict.UNKNOWN, say("compared.unusable", example=_said(unusable[0])), evidence)
        elif known.outdated:
            yield Statement(Verdict.UNKNOWN, say("compared.outdated", count=known.outdated), evidence)
        elif known.clips and not found:
            yield Statement(Verdict.OK, say("compared.clean", count=known.clips), evidence)


def comparing(here: Situation) -> Iterator[Command]:
    """How to compare, where nobody has, or where rows have changed since a recogniser listened."""
    line, heard = f"workbench mismatch{here.option}", _heard(here)
    if not here.rows_with_recording:
        return
    if here.comparisons:
        if heard is not None and (heard.changed or heard.outdated):
            why = say("do.compare_again", count=heard.changed) if heard.changed else say("do.compare")
            yield Command(line, _with_what_is_missing(here, why))
    elif here.no_recognizer and (voice := _voice(here)):
        asked = f"workbench mismatch --checkpoint {shlex.quote(voice)}{here.option}"
        yield Command(asked, say("do.compare_voice", reason=here.no_recognizer))
    else:
        yield Command(line, _with_what_is_missing(here, say("do.compare")))


def _with_what_is_missing(here: Situation, why: Text) -> Text:
    return say("do.compare_first", what=why, reason=here.no_recognizer) if here.no_recognizer else why


def _heard(here: Situation) -> Known | None:
    return next((known for known in here.comparisons if known.kind == HEARD), None)


def _voice(here: Situation) -> str:
    """The best checkpoint of the latest run whose prepared clips are known."""
    for run in here.runs:
        if run.kind == OURS and run.best is not None and (run.folder / PREPARED).is_file():
            return named(run.best.file)
    return ""


def _lines(finding: Mapping[str, Any]) -> set[int]:
    """The lines that a finding is about: of a swap both, of a block all, else its own."""
    evidence, lines = finding["evidence"], lines_of(finding)
    if "first_line" in evidence:
        return set(range(min(lines), max(lines) + 1))
    if "best_line" in evidence and finding["rule"] != "mismatch.swapped":
        return lines - {int(evidence["best_line"])}
    return lines


def _said(finding: Mapping[str, Any]) -> Said:
    return said_of(finding, _WORDS, where=True)
