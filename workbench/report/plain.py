"""A report as plain lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workbench.report.frame import frame, verdict_lines
from workbench.report.languages import Language
from workbench.report.records import Quantity, Report, Section, Statement, Table, Text

_MARKS = {"ok": "✓", "warning": "▲", "error": "✗", "unknown": "?"}
_WIDEST = 60


def plain_lines(report: Report, language: Language) -> Iterator[str]:
    """The document, a line at a time."""
    yield language.text(frame(report).title)
    yield from (language.text(text) for text in frame(report).head)
    yield ""
    yield from verdict_lines(report, language)
    for number, section in enumerate(report.sections, 1):
        yield ""
        mark = _MARKS[section.verdict]
        yield f"{mark} {number}. {language.text(_title(section))}"
        yield from (f"  {line}" if line else "" for line in _section(section, language))
    yield ""
    yield from verdict_lines(report, language)


def _title(section: Section) -> Text:
    return Text(f"section.{section.name}")


def _section(section: Section, language: Language) -> Iterator[str]:
    if section.facts:
        rows = [
            (language.text(Text(f"fact.{fact.name}")), language.quantity(fact.quantity), language.text(fact.evidence))
            for fact in section.facts
        ]
        yield from _columns([(name, value, f"[{source}]" if source else "") for name, value, source in rows])
    for table in section.tables:
        yield from _columns(_table(table, language))
    yield from (_statement(statement, language) for statement in section.statements)
    for command in section.commands:
        yield command.line
        yield f"    {language.text(command.why)}"


def _table(table: Table, language: Language) -> list[tuple[str, ...]]:
    heads = tuple(language.text(Text(f"head.{head}")) for head in table.heads)
    return [heads, *(tuple(cell(quantity, language) for quantity in row) for row in table.rows)]


def cell(quantity: Quantity, language: Language) -> str:
    """A cell of a table; a dash where there is nothing to say."""
    return "-" if quantity.value is None else language.quantity(quantity)


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Aligned; a cell that is too wide shifts its own row only."""
    count = max((len(row) for row in rows), default=0)
    widths = [
        max((len(row[column]) for row in rows if len(row[column]) <= _WIDEST), default=0) for column in range(count)
    ]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _statement(statement: Statement, language: Language) -> str:
    source = language.text(statement.evidence)
    return f"{_MARKS[statement.verdict]} {language.text(statement.text)}{f'  [{source}]' if source else ''}"
