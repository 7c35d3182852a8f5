"""Broad classes of speech sounds."""

from __future__ import annotations

import numpy as np
import pytest

from core_vits.phonemes import PHONEME_ID_MAP
from workbench.mismatch.sounds import CLASSES, COSTS, cost, sounds_of

NAMES = list(CLASSES)
# Clicks, the glottal and epiglottal stops, marks, digits, punctuation.
PASSED_OVER = set("ǀǁǂǃʔʡʘʲʰʷˤˈˌːˑ˞↓↑_^$ !'(),-.:;?0123456789\"#") | {chr(0x327), chr(0x303), chr(0x32A), chr(0x32F)}
PASSED_OVER |= {chr(0x329), chr(0x33A), chr(0x33B), chr(0x31D), chr(0x30A)}


def names_of(*phones: str) -> list[str]:
    return [NAMES[number] for number in sounds_of(phones)]


def test_every_symbol_of_a_voice_has_a_class_or_is_passed_over_knowingly() -> None:
    known = {symbol for symbols in CLASSES.values() for symbol in symbols}
    single = {symbol for symbol in PHONEME_ID_MAP if len(symbol) == 1}
    assert single - known == PASSED_OVER & single


def test_no_symbol_is_in_two_classes() -> None:
    symbols = "".join(CLASSES.values())
    assert len(symbols) == len(set(symbols))


def test_an_affricate_and_a_diphthong_are_two_sounds_however_they_are_written() -> None:
    assert names_of("t͡ʃ") == names_of("t", "ʃ") == ["coronal plosive", "sibilant"]
    assert names_of("aɪ") == names_of("a", "ɪ") == ["open central vowel", "close front vowel"]


@pytest.mark.parametrize("marked", ["ˈa", "aː", "ã", "a̯", "a˞"])
def test_stress_length_and_other_marks_change_nothing(marked: str) -> None:
    assert names_of(marked) == ["open central vowel"]


@pytest.mark.parametrize(("voiceless", "voiced"), ["pb", "td", "kɡ", "fv", "sz", "ʃʒ", "xɣ"])
def test_voicing_is_passed_over(voiceless: str, voiced: str) -> None:
    assert names_of(voiceless) == names_of(voiced)


def test_costs_are_a_symmetric_table_from_nothing_to_one() -> None:
    assert np.array_equal(COSTS, COSTS.T)
    assert np.array_equal(COSTS == 0, np.eye(len(CLASSES), dtype=bool))
    assert COSTS.max() == 1


@pytest.mark.parametrize(
    ("nearer", "further"),
    [
        (("close front vowel", "mid front vowel"), ("close front vowel", "open back vowel")),
        (("labial plosive", "dorsal plosive"), ("labial plosive", "dorsal fricative")),
        (("palatal glide", "close front vowel"), ("palatal glide", "close back vowel")),
        (("lateral", "rhotic"), ("lateral", "sibilant")),
        (("labial nasal", "other nasal"), ("labial nasal", "labial plosive")),
        (("sibilant", "dorsal fricative"), ("sibilant", "mid central vowel")),
    ],
)
def test_sounds_that_are_taken_for_each_other_cost_less(nearer: tuple[str, str], further: tuple[str, str]) -> None:
    assert cost(*nearer) < cost(*further)
