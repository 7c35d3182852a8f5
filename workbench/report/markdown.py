"""A report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from workbench.config import shown
from workbench.errors import EnvironmentProblem
from workbench.report.frame import frame, verdict_lines
from workbench.report.languages import Language
from workbench.report.plain import cell
from workbench.report.records import Report, Section, Statement, Table, Text

_MARKS = {"ok": "✅", "warning": "⚠️", "error": "❌", "unknown": "❔"}
# An underscore between letters, as in most names of files, is none of Markdown's.
_SPECIAL = re.compile(r"[\\*<|\[\]~]|(?<!\w)_|_(?!\w)|^[>#]")


def markdown(report: Report, language: Language) -> str:
    """The document."""
    return "\n".join(_lines(report, language)) + "\n"


def write_markdown(report: Report, language: Language, file: Path) -> Path:
    """Write the document.

    Raises:
        EnvironmentProblem: the file can't be written.
    """
    try:
        file.write_text(markdown(report, language), encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{shown(file)}: can't be written ({error.strerror or error})") from None
    return file


def _lines(report: Report, language: Language) -> Iterator[str]:
    around = frame(report)
    yield f"# {_escaped(language.text(around.title))}"
    yield ""
    for text in around.head:
        yield f"{_escaped(language.text(text))}  "
    yield ""
    yield from _answer(report, language)
    for number, section in enumerate(report.sections, 1):
        title, verdict = language.text(Text(f"section.{section.name}")), language.text(_verdict(section))
        yield ""
        yield f"## {number}. {title} {_MARKS[section.verdict]} {verdict}"
        yield from _section(section, language)
    yield ""
    yield f"## {language.text(Text('conclusion'))}"
    yield ""
    yield from _answer(report, language)


def _verdict(section: Section) -> Text:
    return Text(f"verdict.{section.verdict}")


def _answer(report: Report, language: Language) -> Iterator[str]:
    answer, *reasons = verdict_lines(report, language)
    mark = {True: _MARKS["ok"], False: _MARKS["error"], None: _MARKS["unknown"]}[report.ready]
    yield f"**{mark} {_escaped(answer)}**"
    if reasons:
        yield ""
        yield from (f"- {_escaped(reason.removeprefix('- '))}" for reason in reasons)


def _section(section: Section, language: Language) -> Iterator[str]:
    if section.facts:
        yield ""
        yield from _table(
            [language.text(Text(f"head.{head}")) for head in ("what", "value", "from")],
            [
                [
                    language.text(Text(f"fact.{fact.name}")), language.quantity(fact.quantity),
                    language.text(fact.evidence),
                ]
                for fact in section.facts
            ],
        )  # fmt: skip
    for table in section.tables:
        yield ""
        yield from _table(*_texts(table, language))
    if section.statements:
        yield ""
        yield from (_statement(statement, language) for statement in section.statements)
    for command in section.commands:
        yield ""
        why = _escaped(language.text(command.why))
        yield f"{why[:1].upper()}{why[1:]}:"
        yield ""
        yield from ("```bash", command.line, "```")


def _texts(table: Table, language: Language) -> tuple[list[str], list[list[str]]]:
    heads = [language.text(Text(f"head.{head}")) for head in table.heads]
    return heads, [[cell(quantity, language) for quantity in row] for row in table.rows]


def _table(heads: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(map(_escaped, row))} |" for row in rows)


def _statement(statement: Statement, language: Language) -> str:
    source = language.text(statement.evidence)
    shown = f" ({_escaped(source)})" if source else ""
    return f"- {_MARKS[statement.verdict]} {_escaped(language.text(statement.text))}{shown}"


def _escaped(text: str) -> str:
    """With nothing in it that is taken for Markdown or HTML, but for code between backticks."""
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", text.strip())
