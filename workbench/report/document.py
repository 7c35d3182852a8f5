"""A report as JSON: raw values for programs, and the sentences beside them."""

from __future__ import annotations

from typing import Any

from workbench import __version__
from workbench.report.frame import frame
from workbench.report.languages import Language
from workbench.report.records import Quantity, Report, Said, Section, Statement, Text

FORMAT = 1
"""Number of this layout; a new one when a field changes its meaning."""


def document(report: Report, language: Language) -> dict[str, Any]:
    """Plain values. `ready` is true, false, or null when something decisive is not known."""
    return {
        "format": FORMAT,
        "program": f"voice-workbench {__version__}",
        "made": report.made,
        "language": language.name,
        "folder": str(report.folder.absolute()),
        "voice": {"name": report.voice, "language": report.language},
        "adopted": report.adopted,
        "scanned": report.scanned,
        "ready": report.ready,
        "answer": language.text(frame(report).answer),
        "reasons": [_statement(reason, language) for reason in report.reasons],
        "sections": [_section(number, section, language) for number, section in enumerate(report.sections, 1)],
    }


def _section(number: int, section: Section, language: Language) -> dict[str, Any]:
    return {
        "number": number,
        "name": section.name,
        "title": language.text(Text(f"section.{section.name}")),
        "verdict": str(section.verdict),
        "facts": [
            {
                "name": fact.name,
                "title": language.text(Text(f"fact.{fact.name}")),
                **_quantity(fact.quantity, language),
                "evidence": language.text(fact.evidence),
            }
            for fact in section.facts
        ],
        "tables": [
            {
                "heads": list(table.heads),
                "rows": [[_quantity(quantity, language) for quantity in row] for row in table.rows],
            }
            for table in section.tables
        ],
        "statements": [_statement(statement, language) for statement in section.statements],
        "commands": [{"command": command.line, "why": language.text(command.why)} for command in section.commands],
    }


def _statement(statement: Statement, language: Language) -> dict[str, Any]:
    return {
        "verdict": str(statement.verdict),
        "key": statement.text.key,
        "values": {name: _raw(value, language) for name, value in statement.text.values.items()},
        "text": language.text(statement.text),
        "evidence": language.text(statement.evidence),
    }


def _quantity(quantity: Quantity, language: Language) -> dict[str, Any]:
    return {
        "value": _raw(quantity.value, language),
        "unit": quantity.unit,
        "shown": language.quantity(quantity),
    }


def _raw(value: Any, language: Language) -> Any:
    return language.text(value) if isinstance(value, Text | Said) else value
