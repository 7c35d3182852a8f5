"""Both catalogues say the same, and Russian is Russian."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from workbench.api import Severity
from workbench.report.languages import LANGUAGES, Language, choose_language, language
from workbench.report.records import Quantity, say

ENGLISH, RUSSIAN = language("en"), language("ru")
NO_BREAK = "\N{NO-BREAK SPACE}"


def fields(sentence: str) -> list[tuple[str, str]]:
    """Placeholders, sorted: name, and format without the case of a noun."""
    parts = [(name, spec) for _, name, spec, _ in string.Formatter().parse(sentence) if name is not None]
    return sorted((name, (spec or "").partition(".")[0]) for name, spec in parts)


def test_both_languages_have_the_same_sentences_with_the_same_placeholders() -> None:
    assert set(ENGLISH.sentences) == set(RUSSIAN.sentences)
    differing = {key for key in ENGLISH.sentences if fields(ENGLISH.sentences[key]) != fields(RUSSIAN.sentences[key])}
    assert differing == set()


@pytest.mark.parametrize("one", LANGUAGES.values(), ids=lambda one: one.name)
def test_every_placeholder_has_a_format_that_there_is(one: Language) -> None:
    formats = {
        "", "plain", "bytes", "time", "date", "decimal", "seconds", "hertz", "share", "exact", "short", "first",
    }  # fmt: skip
    used = {
        spec or ""
        for sentence in one.sentences.values()
        for _, name, spec, _ in string.Formatter().parse(sentence)
        if name is not None
    }
    assert used - formats <= set(one.nouns)
    assert set(one.nouns) <= used | {str(severity) for severity in Severity}
    assert {len(forms) for forms in one.nouns.values()} == {1 + max(map(one.plural, range(200)))}


def test_every_sentence_is_used_and_every_key_that_is_used_is_there(repo: Path) -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (repo / "workbench" / "report").rglob("*.py")
        if path.parent.name != "languages"
    )
    said = set(re.findall(r"[\"']((?:[a-z_]+\.)?[a-z_]+)[\"']", source))
    made = ("section.", "verdict.", "head.", "fact.", "kind.", "json.", "scan.", "exports.json_", "health.")
    assert {key for key in ENGLISH.sentences if key not in said and not key.startswith(made)} == set()
    heads = {name for line in re.findall(r"heads=\(([^)]*)\)", source) for name in re.findall(r"\"(\w+)\"", line)}
    assert {f"head.{name}" for name in heads} <= set(ENGLISH.sentences)
    facts = {f"fact.{name}" for name in re.findall(r"Fact\(\s*\"([a-z_.]+)\"", source)}
    assert facts <= set(ENGLISH.sentences)


@pytest.mark.parametrize(
    ("count", "clips"),
    [
        (0, "0 записей"), (1, "1 запись"), (2, "2 записи"), (4, "4 записи"), (5, "5 записей"), (11, "11 записей"),
        (12, "12 записей"), (14, "14 записей"), (21, "21 запись"), (22, "22 записи"), (111, "111 записей"),
        (8397, "8 397 записей"), (8391, "8 391 запись"),
    ],
)  # fmt: skip
def test_russian_nouns_follow_their_numbers(count: int, clips: str) -> None:
    assert RUSSIAN.value(count, "clip") == clips.replace("8 3", f"8{NO_BREAK}3")


@pytest.mark.parametrize(
    ("value", "unit", "english", "russian"),
    [
        (1234.5, "decimal", "1,234.5", "1 234,5"),
        (8397, "", "8,397", "8 397"),
        (202398, "plain", "202398", "202398"),
        (17.5e9, "bytes", "17.5 GB", "17,5 ГБ"),
        (1.349e9, "bytes", "1.35 GB", "1,35 ГБ"),
        (846e6, "bytes", "846 MB", "846 МБ"),
        (999_999_999, "bytes", "1.00 GB", "1,00 ГБ"),
        (348, "bytes", "348 B", "348 Б"),
        (8.5 * 3600, "time", "8.5 h", "8,5 ч"),
        (113 * 3600, "time", "113 h", "113 ч"),
        (273, "time", "4.5 min", "4,5 мин"),
        (40 * 86_400, "time", "40 days", "40 дн."),
        (48.6, "seconds", "48.6 s", "48,6 с"),
        (2e-4, "exact", "0.0002", "0,0002"),
        (0.1, "share", "10 %", "10 %"),
        (22_050, "hertz", "22,050 Hz", "22 050 Гц"),
    ],
)
def test_numbers_are_written_as_the_language_does(value: float, unit: str, english: str, russian: str) -> None:
    assert ENGLISH.value(value, unit) == english
    assert RUSSIAN.value(value, unit).replace(NO_BREAK, " ") == russian


def test_an_unknown_value_is_called_unknown() -> None:
    assert (ENGLISH.quantity(Quantity(None)), RUSSIAN.quantity(Quantity(None))) == ("unknown", "неизвестно")


def test_a_name_with_a_line_end_stays_in_its_line() -> None:
    assert ENGLISH.text(say("quoted", text="a\nb\u2028c")) == "a b c"


@pytest.mark.parametrize(
    ("environ", "voice", "chosen"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "en-US", "ru"),
        ({"LANG": "en_US.UTF-8"}, "ru", "en"),
        ({"LC_ALL": "de_DE.UTF-8", "LANG": "ru_RU.UTF-8"}, "ru", "en"),
        ({"LANG": "C.UTF-8"}, "ru", "ru"),
        ({"LC_ALL": "POSIX"}, "kk", "en"),
        ({}, "ru-RU", "ru"),
        ({}, "en-US", "en"),
    ],
)
def test_the_reader_s_locale_goes_before_the_voice_s_language(environ: dict[str, str], voice: str, chosen: str) -> None:
    assert choose_language(environ, voice).name == chosen
