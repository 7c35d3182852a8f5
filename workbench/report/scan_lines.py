"""What a scan of the dataset found, as plain lines for a terminal in a language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workbench.api import Severity
from workbench.report.languages import Language
from workbench.report.records import say


def health_lines(report: Mapping[str, Any], language: Language, limit: int | None) -> Iterator[str]:
    """Findings by severity, then the summary and a count of the findings.

    Args:
        report: of a scan, its messages in the language already.
        language: of labels and numbers.
        limit: findings of one severity to show; None shows all.
    """
    yield from finding_lines(report["findings"], language, limit)
    yield from _summary(report["summary"], language)
    yield from _comparisons(report, language)
    yield count_line(report["findings"], language)


def finding_lines(findings: Sequence[Mapping[str, Any]], language: Language, limit: int | None) -> Iterator[str]:
    """A line for each finding, the worst first."""
    width = max(len(_word(severity, language)) for severity in Severity if severity != Severity.OK)
    for severity in Severity:
        head = f"{_word(severity, language):{width}}"
        chosen = [finding for finding in findings if finding["severity"] == severity]
        for finding in chosen[:limit]:
            fix = language.text(say("health.fix", command=finding["fix"])) if finding.get("fix") else ""
            yield f"{head}  {finding['subject']}: {finding['message']}{f'  {fix}' if fix else ''}"
        if limit is not None and len(chosen) > limit:
            yield f"{head}  {language.text(say('health.more', count=len(chosen) - limit))}"


def count_line(findings: Sequence[Mapping[str, Any]], language: Language) -> str:
    """How many findings of each severity there are."""
    counts = Counter(finding["severity"] for finding in findings)
    told = ", ".join(language.value(counts[severity], str(severity)) for severity in Severity if counts[severity])
    return language.text(say("health.findings", told=told or language.text(say("value.none"))))


def progress_words(language: Language) -> tuple[str, str]:
    """Title of the progress of a scan, and what is counted in it."""
    return language.text(say("health.progress")), language.text(say("health.recordings"))


def _word(severity: Severity, language: Language) -> str:
    return language.nouns[str(severity)][0] if severity != Severity.OK else str(severity)


def _summary(summary: Mapping[str, Any], language: Language) -> Iterator[str]:
    for name, value in summary.items():
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            shown = round(value, 2) if isinstance(value, float) else value
            yield language.text(say(f"health.{name}", value=shown))


def _comparisons(report: Mapping[str, Any], language: Language) -> Iterator[str]:
    """Who compared recordings with their texts, and when; nothing where nobody could have."""
    for one in report.get("comparisons", ()):
        yield language.text(
            say("health.compared", count=one["rows"], by=one["by"], date=one["time"], changed=one["changed"])
        )
    if report.get("comparisons") == []:
        yield language.text(say("health.not_compared"))
