"""What the health check prints, in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.report.languages import language
from workbench.report.scan_lines import count_line, finding_lines, health_lines

ENGLISH, RUSSIAN = language("en"), language("ru")
SUMMARY = {
    "metadata": "metadata.csv", "rows": 12_345, "clips": 12_344, "usable": 12_000, "dropped": 344, "excluded": 1,
    "hours": 12.3456, "usable_hours": 11.0, "speakers": 0, "language": "ru", "sample_rate": 22_050,
    "sample_rates": {"22050": 3}, "phonemizer": "espeak", "phonemizer_version": "1.52", "lengths": {"min": 1.0},
}  # fmt: skip


def finding(severity: str, line: int = 3, fix: str = "") -> dict[str, Any]:
    return {"severity": severity, "rule": "x.y", "subject": f"metadata.csv:{line}", "message": "is odd", "fix": fix}


def lines(words: Any, *findings: dict[str, Any], **more: Any) -> list[str]:
    return list(health_lines({"summary": SUMMARY, "findings": findings, **more}, words, 30))


def test_english_lines_are_what_they_always_were() -> None:
    assert lines(ENGLISH, finding("drops", fix="rm it"), finding("info")) == [
        "drops   metadata.csv:3: is odd  [fix: rm it]", "info    metadata.csv:3: is odd",
        "metadata: metadata.csv", "rows: 12345", "clips: 12344", "usable: 12000", "dropped: 344", "excluded: 1",
        "hours: 12.35", "usable hours: 11", "speakers: 0", "language: ru", "sample rate: 22050", "phonemizer: espeak",
        "phonemizer version: 1.52", "findings: 1 drops, 1 info",
    ]  # fmt: skip


def test_russian_lines_have_russian_labels_and_numbers() -> None:
    assert lines(RUSSIAN, finding("drops", fix="rm it"), finding("warns"), comparisons=[]) == [
        "потеря     metadata.csv:3: is odd  [исправить: rm it]", "замечание  metadata.csv:3: is odd",
        "таблица: metadata.csv", "строк в таблице: 12345", "прочитано строк: 12344", "пригодны для обучения: 12000",
        "не попадут в обучение: 344", "исключены вами: 1", "длительность записей, ч: 12,35", "из неё пригодно, ч: 11",
        "дикторов: 0", "язык голоса: ru", "частота дискретизации голоса, Гц: 22050", "фонемизатор: espeak",
        "версия фонемизатора: 1.52", "записи и тексты: не сравнивались; это делает `workbench mismatch`",
        "находки: 1 потеря, 1 замечание",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "находки: нет"), (1, "находки: 1 замечание"), (2, "находки: 2 замечания"), (5, "находки: 5 замечаний"),
        (11, "находки: 11 замечаний"), (21, "находки: 21 замечание"), (22, "находки: 22 замечания"),
    ],
)  # fmt: skip
def test_findings_are_counted_in_russian(count: int, told: str) -> None:
    assert count_line([finding("warns")] * count, RUSSIAN) == told


@pytest.mark.parametrize(
    ("rows", "told"), [(1, "сравнены: 1 строка ("), (2, "сравнены: 2 строки ("), (5, "сравнены: 5 строк (")]
)
def test_compared_rows_are_counted_in_russian(rows: int, told: str) -> None:
    one = {"rows": rows, "by": "hama 1.7.0", "time": 1.8e9, "changed": 4}
    (line,) = [line for line in lines(RUSSIAN, comparisons=[one]) if line.startswith("записи и тексты сравнены")]
    assert told in line
    assert line.endswith("; новых и изменившихся с тех пор: 4")


def test_no_more_findings_of_a_severity_are_shown_than_wanted() -> None:
    many = [finding("warns", line) for line in range(1, 8)]
    assert list(finding_lines(many, ENGLISH, 5))[-1] == "warns   … and 2 more (--all prints them)"
    assert list(finding_lines(many, RUSSIAN, 5))[-1] == "замечание  … и ещё 2 (все выводит --all)"
    assert len(list(finding_lines(many, RUSSIAN, None))) == 7
