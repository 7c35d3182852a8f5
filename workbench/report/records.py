"""What a report is made of, before it is put into words: sections of facts and statements, each with its evidence."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from core_vits.errors import in_one_line

_LONGEST_COMMAND = 4000
"""Characters."""


class Verdict(StrEnum):
    """What was found of a section or a statement; the first is the worst."""

    ERROR = "error"
    """Training can't start, or would waste what is already there."""
    WARNING = "warning"
    """Training can start; something should be looked at."""
    UNKNOWN = "unknown"
    """Nothing here could measure it."""
    OK = "ok"


def worst(verdicts: Collection[Verdict]) -> Verdict:
    """The worst of them; ok where there is none."""
    return next((verdict for verdict in Verdict if verdict in verdicts), Verdict.OK)


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence or a name by its key in the catalogue of a language, with the values in it."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    """Numbers in base units (bytes, seconds, Unix time), texts as they are, or another `Text`."""


def say(key: str, **values: Any) -> Text:
    """A text by its key."""
    return Text(key, values)


@dataclass(frozen=True, slots=True)
class Form:
    """A format that is in no catalogue, with its values."""

    form: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What another part of the program says, in English and in the languages that it knows."""

    english: str
    others: Mapping[str, Text] = field(default_factory=dict)
    """By the name of the language."""
    where: str = ""
    """What it is about."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured value and how it is written: a format of `workbench.report.languages`."""

    value: Any
    """None: it is not known."""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One measured value."""

    name: str
    """Its title is `fact.<name>` in the catalogue."""
    quantity: Quantity
    evidence: str | Text
    """Where it was read: `train_resume.sh:14`, a command; of an unknown value, what would tell."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One conclusion."""

    verdict: Verdict
    text: Text
    evidence: str | Text = ""
    decisive: bool = False
    """Of an unknown one: whether nobody can call the project ready without it."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of values."""

    heads: tuple[str, ...]
    """Titles are `head.<name>`."""
    rows: tuple[tuple[Quantity, ...], ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A command to type, and why."""

    line: str
    """One line, whatever names of files are in it."""
    why: Text

    def __post_init__(self) -> None:
        object.__setattr__(self, "line", in_one_line(self.line, _LONGEST_COMMAND))


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One of the eleven."""

    name: str
    """Its title is `section.<name>`."""
    facts: tuple[Fact, ...] = ()
    tables: tuple[Table, ...] = ()
    statements: tuple[Statement, ...] = ()
    commands: tuple[Command, ...] = ()
    of_others: Verdict | None = None
    """Of a section that sums up others: the worst of theirs."""

    @property
    def verdict(self) -> Verdict:
        """The worst of its statements; what decides and is not known goes before what is to be looked at."""
        found = {statement.verdict for statement in self.statements}
        if Verdict.ERROR not in found and any(statement.decisive for statement in self.statements):
            return Verdict.UNKNOWN
        return self.of_others or worst(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it."""

    folder: Path
    made: float
    """Unix seconds."""
    voice: str
    language: str
    """Of the voice."""
    adopted: bool
    """Whether the folder has a workspace file."""
    scanned: bool
    """Whether every recording was decoded."""
    sections: tuple[Section, ...]

    @property
    def reasons(self) -> tuple[Statement, ...]:
        """Why it is not ready, or not known to be: each statement that says so."""
        statements = [statement for section in self.sections for statement in section.statements]
        errors = [statement for statement in statements if statement.verdict == Verdict.ERROR]
        return tuple(errors or [item for item in statements if item.verdict == Verdict.UNKNOWN and item.decisive])

    @property
    def warnings(self) -> int:
        """How many things should be looked at."""
        return sum(item.verdict == Verdict.WARNING for section in self.sections for item in section.statements)

    @property
    def ready(self) -> bool | None:
        """Whether training can start; None when something decisive is not known."""
        if not self.reasons:
            return True
        return False if self.reasons[0].verdict == Verdict.ERROR else None
