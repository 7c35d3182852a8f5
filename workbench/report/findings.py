"""What the health check found, in the language of a report: worded by whoever made the rule, or else in English."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from workbench.report.languages import Language
from workbench.report.records import Form, Said, Text, say

Kinds = Mapping[str, Mapping[str, Any]]
"""As a scan gives them: `summary`, `effect`, `fix` and `words` of each kind, by its name."""


def said_of(finding: Mapping[str, Any], kinds: Kinds, *, where: bool = False) -> Said:
    """The message of a finding, before a language is chosen; with the place that it is about, if that is wanted."""
    words = kinds.get(finding["rule"], {}).get("words", {})
    evidence = finding.get("evidence", {})
    made = {name: _text(own, evidence) for name, own in words.items()}
    return Said(english=finding["message"], others=made, where=str(finding["subject"]) if where else "")


def worded(finding: Mapping[str, Any], kinds: Kinds, language: Language) -> str:
    """The message of a finding in a language."""
    return language.text(said_of(finding, kinds))


def translated(report: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """A scan's report with the messages of the findings and the words of their kinds in a language."""
    kinds = report["kinds"]
    return {
        **report,
        "kinds": {name: {**kind, **_shown(kind, language)} for name, kind in kinds.items()},
        "findings": [{**item, "message": worded(item, kinds, language)} for item in report["findings"]],
    }


def _shown(kind: Mapping[str, Any], language: Language) -> dict[str, str]:
    words = kind["words"].get(language.name, {})
    return {name: words[name] for name in ("summary", "effect", "fix") if name in words}


def _text(words: Mapping[str, Any], evidence: Mapping[str, Any]) -> Text:
    """`summary: fact. effect fix`, as far as there is a fact."""
    values = {name: words[name] for name in ("summary", "effect", "fix")}
    fact = next((form for form in words["facts"] if _fields(form) <= set(evidence)), None)
    if fact is not None:
        return say("finding.measured", **values, fact=Form(fact, evidence))
    if "lines" in evidence and "rows" in evidence:
        return say("finding.rows", **values, rows=evidence["rows"], lines=evidence["lines"])
    return say("finding.bare", **values)


def _fields(form: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(form) if name is not None}
