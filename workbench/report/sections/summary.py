"""9. The summary: a line for each section before it."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.report.records import Quantity, Section, Table, say, worst


def summary(sections: Sequence[Section]) -> Section:
    """Verdicts, and the first statement that each stands on."""
    rows = tuple(
        (
            Quantity(say(f"section.{section.name}")), Quantity(say(f"verdict.{section.verdict}")),
            Quantity(_because(section), "first"),
        )
        for section in sections
    )  # fmt: skip
    return Section(
        name="summary",
        tables=(Table(heads=("section", "verdict", "because"), rows=rows),),
        of_others=worst({section.verdict for section in sections}),
    )


def _because(section: Section) -> object:
    found = [item for item in section.statements if item.verdict == section.verdict]
    return found[0].text if found else ""
