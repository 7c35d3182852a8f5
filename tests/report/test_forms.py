"""The same report as Markdown, as lines and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from report_story import make_story

from workbench.report import Report
from workbench.report.document import document
from workbench.report.languages import LANGUAGES, Language, language
from workbench.report.markdown import markdown
from workbench.report.plain import plain_lines
from workbench.report.records import Command, Section, Statement, Verdict, say

from .conftest import Make

NAMES = [
    "dataset", "configuration", "checkpoints", "dependencies", "environment", "scripts", "model", "logs", "summary",
    "recommendations", "remarks",
]  # fmt: skip
both = pytest.mark.parametrize("one", LANGUAGES.values(), ids=lambda one: one.name)


@pytest.fixture
def report(make: Make, tmp_path: Path) -> Report:
    """Of a small story."""
    return make(make_story(tmp_path / "felix", clips=20))


@both
def test_markdown_has_the_eleven_sections_in_order_and_the_answer_at_both_ends(report: Report, one: Language) -> None:
    text = markdown(report, one)
    titles = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert [title.split(".")[0] for title in titles] == [*map(str, range(1, 12)), one.sentences["conclusion"]]
    assert [one.sentences[f"section.{name}"] in title for name, title in zip(NAMES, titles, strict=False)] == [
        True
    ] * 11
    assert text.startswith(f"# {one.text(say('title', voice='felix_mirage'))}\n")
    answer = one.sentences["not_ready"]
    assert text.index(answer) < text.index("## 1.")
    assert text.rindex(answer) > text.index(f"## {one.sentences['conclusion']}")


@both
def test_each_table_of_the_markdown_has_rows_as_wide_as_its_head(report: Report, one: Language) -> None:
    width = 0
    tables = 0
    for line in markdown(report, one).splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        tables += width == 0
        width = width or cells
        assert cells == width, line
    assert tables > 10


@both
def test_every_fact_and_statement_says_where_it_is_from(report: Report, one: Language) -> None:
    for section in report.sections:
        assert [fact.name for fact in section.facts if not one.text(fact.evidence)] == []
        assert [item.text.key for item in section.statements if not one.text(item.evidence)] == []


def test_names_can_not_become_markup(report: Report) -> None:
    hostile = Statement(Verdict.WARNING, say("quoted", text="a|b <script> *x* [y](z) \n# title _under_"), "_x_")
    command = Command("echo 'a\n```\n# b'", say("do.plan"))
    section = Section(name="dataset", statements=(hostile,), commands=(command,))
    text = markdown(_with(report, section), language("en"))
    assert r"a\|b \<script> \*x\* \[y\](z) # title \_under\_ (\_x\_)" in text
    assert text.count("\n```") == 2
    assert all(line.count("\n") == 0 for line in plain_lines(_with(report, section), language("en")))


def _with(report: Report, section: Section) -> Report:
    import dataclasses

    return dataclasses.replace(report, sections=(section,))


def test_the_json_has_its_layout_and_raw_values(report: Report) -> None:
    answer = json.loads(json.dumps(document(report, language("ru"))))
    assert set(answer) == {
        "format", "program", "made", "language", "folder", "voice", "adopted", "scanned", "ready", "answer", "reasons",
        "sections",
    }  # fmt: skip
    assert (answer["format"], answer["language"], answer["ready"], answer["adopted"]) == (1, "ru", False, False)
    assert [section["name"] for section in answer["sections"]] == NAMES
    assert [section["number"] for section in answer["sections"]] == list(range(1, 12))
    for section in answer["sections"]:
        _check_section(section)
    facts = {fact["name"]: fact for fact in answer["sections"][0]["facts"]}
    assert facts["rows"]["value"] == 20
    assert facts["usable"] == {
        "name": "usable", "title": "записей, пригодных для обучения", "value": None, "unit": "", "shown": "неизвестно",
        "evidence": "скажет `workbench health`",
    }  # fmt: skip


def _check_section(section: dict[str, Any]) -> None:
    assert set(section) == {"number", "name", "title", "verdict", "facts", "tables", "statements", "commands"}
    assert section["verdict"] in list(Verdict)
    for fact in section["facts"]:
        assert set(fact) == {"name", "title", "value", "unit", "shown", "evidence"}
        assert isinstance(fact["value"], str | int | float | None)
    for item in section["statements"]:
        assert set(item) == {"verdict", "key", "values", "text", "evidence"}
    for table in section["tables"]:
        assert {len(row) for row in table["rows"]} <= {len(table["heads"])}
    for command in section["commands"]:
        assert set(command) == {"command", "why"}


def test_what_the_json_says_is_the_same_in_both_languages_but_for_the_words(report: Report) -> None:
    def values(one: Language) -> list[Any]:
        answer = document(report, one)
        return [
            (section["name"], section["verdict"], [fact["name"] for fact in section["facts"]])
            for section in answer["sections"]
        ]

    assert values(language("en")) == values(language("ru"))


@both
def test_the_lines_for_a_terminal_say_the_same(report: Report, one: Language) -> None:
    text = "\n".join(plain_lines(report, one))
    heads = re.findall(r"^[✓▲✗?] (\d+)\. ", text, flags=re.MULTILINE)
    assert heads == [*map(str, range(1, 12))]
    assert text.count(one.sentences["not_ready"]) == 2
