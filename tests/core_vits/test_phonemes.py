"""Piper's id map and numbering."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from core_vits.phonemes import (
    PHONEME_ID_MAP,
    espeak_data_fingerprint,
    espeak_voice_names,
    looks_like_ids,
    looks_phonetic,
    phonemes_to_ids,
)


def test_the_id_map_is_the_one_that_piper_writes_into_its_voices(shared: Path) -> None:
    config = json.loads((shared / "fixtures/dataset/config.json").read_text("utf-8"))
    assert {symbol: list(ids) for symbol, ids in PHONEME_ID_MAP.items()} == config["phoneme_id_map"]


def test_the_id_map_has_one_number_a_symbol_and_symbols_in_nfd() -> None:
    numbers = [number for ids in PHONEME_ID_MAP.values() for number in ids]
    assert sorted(numbers) == list(range(166))
    # ç is kept composed by Piper's map, and so by ours; its phonemes arrive as c and U+0327, both of which it has.
    composed = [symbol for symbol in PHONEME_ID_MAP if unicodedata.normalize("NFD", symbol) != symbol]
    assert composed == ["ç"]
    assert "\u0327" in PHONEME_ID_MAP


@pytest.mark.parametrize("name", ["phonemes_piper_phonemize_1.1.0.jsonl", "phonemes_espeakbridge_1.8.0.jsonl"])
def test_ids_of_650_sentences_equal_those_of_piper(shared: Path, name: str) -> None:
    for line in (shared / "data" / name).read_text("utf-8").splitlines():
        record = json.loads(line)
        ids, missing = phonemes_to_ids(record["phonemes"], PHONEME_ID_MAP)
        # The file has one list a sentence.
        assert ids == [number for sentence in record["ids"] for number in sentence], record["id"]
        assert dict(missing) == record["missing"]


def test_each_sentence_stands_between_its_own_marks() -> None:
    ids, missing = phonemes_to_ids([["d", "a"], ["."], []], PHONEME_ID_MAP)
    assert ids == [1, 0, 17, 0, 14, 0, 2, 1, 0, 10, 0, 2, 1, 0, 2]
    assert not missing


def test_phonemes_without_a_number_are_left_out_and_counted() -> None:
    ids, missing = phonemes_to_ids([["a", "☃", "a", "☃"]], PHONEME_ID_MAP)
    assert ids == [1, 0, 14, 0, 14, 0, 2]
    assert missing == {"☃": 2}


def test_a_map_without_marks_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"no _ \$"):
        phonemes_to_ids([["a"]], {"^": [1], "a": [14]})


@pytest.mark.parametrize(
    ("language", "first"),
    [
        ("ru", "ru"),
        ("ru-RU", "ru"),
        ("en_US", "en-us"),
        ("en-AU", "en"),
        ("zh-CN", "cmn"),
        ("en-gb-x-rp",) * 2,
    ],
)
def test_the_first_espeak_voice_of_a_language_is_one_that_exists(language: str, first: str) -> None:
    assert espeak_voice_names(language)[0] == first


def test_the_fingerprint_changes_with_any_dictionary(tmp_path: Path) -> None:
    (tmp_path / "phontab").write_bytes(b"tab")
    (tmp_path / "ru_dict").write_bytes(b"one")
    before = espeak_data_fingerprint(tmp_path)
    assert before == espeak_data_fingerprint(tmp_path)
    (tmp_path / "en_dict").write_bytes(b"two")
    with_english = espeak_data_fingerprint(tmp_path)
    (tmp_path / "en_dict").write_bytes(b"three")
    assert len({before, with_english, espeak_data_fingerprint(tmp_path)}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "Съешь ещё этих мягких французских булок, да выпей чаю.",
        "The quick brown fox jumps over the lazy dog.",
        "Zəfər, jaketini də papağını da götür, bu axşam hava çox soyuq olacaq.",
        "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
        "Bạn có nói được tiếng Việt không?",
        "Èʋegbe nye gbegbɔgblɔ si wodona le Ghana kple Togo.",
        "",
        "1 0 14 0 2",
    ],
)
def test_words_are_not_taken_for_phonemes(text: str) -> None:
    assert not looks_phonetic([text])


@pytest.mark.parametrize("text", ["dˈobrɨj dʲˈenʲ.", "hɛlˈoʊ wˈɜːld", "ɡˈuːtən tˈɑːk", "bɔ̃ʒˈuʁ"])
def test_ipa_is_recognised(text: str) -> None:
    assert looks_phonetic([text])


def test_rows_of_numbers_are_taken_for_ids_when_they_are_most() -> None:
    assert looks_like_ids(["1 0 14 0 2", "1 0 15 0 2", "Да."])
    assert not looks_like_ids(["1 0 14 0 2", "Да.", "Нет."])
    assert not looks_like_ids(["5", "12 7", "10 20 30"])
    assert not looks_like_ids([])
