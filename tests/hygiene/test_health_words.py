"""Every kind of finding has its Russian words, none of them is stale, and what they measure can be written."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

import pytest

from workbench.api import HealthRuleSpec, KindWords, RuleKind
from workbench.host import Host
from workbench.mismatch import russian as mismatch_russian
from workbench.mismatch.kinds import KINDS as MISMATCH
from workbench.report.findings import translated, worded
from workbench.report.languages import language
from workbench.workers.targets import health_russian
from workbench.workers.targets.health_kinds import CACHE, OWN_KINDS
from workbench.workers.targets.health_rules import Rules
from workbench_health import russian

RUSSIAN = language("ru")


def kinds() -> list[RuleKind]:
    """Of our own rules, of the scan, and of comparisons of texts."""
    specs = [registered.spec for registered in Host.load(None).health_rules() if registered.plugin == "health"]
    return [*OWN_KINDS, *CACHE, *MISMATCH, *(kind for spec in specs for kind in spec.kinds)]


def texts() -> Iterator[tuple[str, KindWords]]:
    yield from ((kind.name, kind.words["ru"]) for kind in kinds())


def test_no_kind_lacks_its_russian_words_and_none_of_them_is_stale() -> None:
    assert {kind.name for kind in kinds() if "ru" not in kind.words} == set()
    ours = {spec.name for spec in kinds()}
    assert set(russian.RUSSIAN) - ours == set()
    assert set(mismatch_russian.RUSSIAN) == {kind.name for kind in MISMATCH}
    assert set(health_russian.RUSSIAN) - {kind.name for kind in (*OWN_KINDS, *CACHE)} == set()


def test_the_words_are_russian_sentences() -> None:
    for name, words in texts():
        for sentence in (words.effect, words.fix):
            assert re.match("[А-ЯЁ]|Piper ", sentence), name
            assert sentence.endswith("."), name
        assert re.search("[а-яё]", words.summary), name
        assert not words.summary.endswith("."), name


def test_what_was_measured_has_formats_that_there_are() -> None:
    known = {"", "plain", "seconds", "hertz", "bytes", "share", "exact", "time", *RUSSIAN.nouns}
    for name, words in texts():
        for fact in words.facts:
            fields = [(field, spec) for _, field, spec, _ in string.Formatter().parse(fact) if field is not None]
            assert fields or name == "recording.header", name
            assert {spec for _, spec in fields} <= known, name


def spec(words: dict[str, KindWords]) -> HealthRuleSpec:
    kind = RuleKind(
        name="breath.loud",
        severity=OWN_KINDS[0].severity,
        summary="a loud breath",
        effect="The voice breathes.",
        fix="Cut it.",
        words=words,
    )
    return HealthRuleSpec(name="breath", target="nowhere:Rule", needs=frozenset(), kinds=(kind,))


OWN = {"ru": KindWords(summary="громкий вдох", effect="Голос дышит.", fix="Вырежьте.", facts=("{db} дБ", "нет числа"))}


@pytest.mark.parametrize(
    ("words", "evidence", "expected"),
    [
        ({}, {"db": 12.5}, "12.5 dB of breath. The voice breathes. Cut it."),
        (OWN, {"db": 12.5}, "громкий вдох: 12,5 дБ. Голос дышит. Вырежьте."),
        (OWN, {}, "громкий вдох: нет числа. Голос дышит. Вырежьте."),
    ],
)
def test_a_rule_of_others_may_bring_its_words_and_stays_english_without_them(
    words: dict[str, KindWords], evidence: dict[str, float], expected: str
) -> None:
    rules = Rules(Host.load(None))
    rules._specs = [spec(words)]
    message = "12.5 dB of breath. The voice breathes. Cut it."
    finding = {"rule": "breath.loud", "subject": "metadata.csv:1", "message": message, "evidence": evidence}
    assert worded(finding, rules.kinds(), RUSSIAN) == expected
    report = {"kinds": rules.kinds(), "findings": [finding]}
    assert translated(report, RUSSIAN)["findings"][0]["message"] == expected
    assert translated(report, language("en"))["findings"][0]["message"] == message


def test_what_many_rows_share_is_told_with_their_lines() -> None:
    words = {"ru": KindWords(summary="громкий вдох", effect="Голос дышит.", fix="Вырежьте.", facts=("{db} дБ",))}
    rules = Rules(Host.load(None))
    rules._specs = [spec(words)]
    finding = {"rule": "breath.loud", "subject": "t", "message": "m", "evidence": {"rows": 52, "lines": "1-52"}}
    assert worded(finding, rules.kinds(), RUSSIAN) == "громкий вдох: 52 строки (1-52). Голос дышит. Вырежьте."
