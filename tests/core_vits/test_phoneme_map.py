"""Phoneme maps of the user's own, and phonemes that count as one."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from core_vits.phoneme_map import Clusters, PhonemeMapError, read_phoneme_map
from core_vits.phonemes import PHONEME_ID_MAP, phonemes_to_ids

MARKS = '"_": 0, "^": 1, "$": [2]'


def written(folder: Path, text: str) -> Path:
    path = folder / "phonemes.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_ids_and_lists_of_ids_are_read(tmp_path: Path) -> None:
    found = read_phoneme_map(written(tmp_path, f'{{{MARKS}, "a": 14, "aɪ": [14, 74]}}'))
    assert found.ids == {"_": (0,), "^": (1,), "$": (2,), "a": (14,), "aɪ": (14, 74)}
    assert found.warnings == ()
    assert phonemes_to_ids([["a", "aɪ"]], found.ids) == ([1, 0, 14, 0, 14, 74, 0, 2], {})


def test_the_map_inside_a_whole_voice_configuration_is_found(tmp_path: Path) -> None:
    config = {
        "audio": {"sample_rate": 22_050},
        "phoneme_id_map": {key: list(ids) for key, ids in PHONEME_ID_MAP.items()},
    }
    assert read_phoneme_map(written(tmp_path, json.dumps(config))).ids == dict(PHONEME_ID_MAP)


def test_a_byte_order_mark_is_no_hindrance(tmp_path: Path) -> None:
    assert read_phoneme_map(written(tmp_path, f"\ufeff{{{MARKS}}}")).ids["^"] == (1,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "has no '_' (between phonemes), '^' (begin of a sentence), '$' (end of a sentence)"),
        ('{"_": 0, "^": 1}', "has no '$' (end of a sentence), which every sentence needs"),
        (f'{{{MARKS}, "a": 256}}', "'a' has the id 256; a voice has the ids 0 to 255"),
        (f'{{{MARKS}, "a": [3, -1]}}', "'a' has the id -1"),
        (f'{{{MARKS}, "a": true}}', "'a' has the value true; an id or a list of ids is wanted"),
        (f'{{{MARKS}, "a": 1.0}}', "'a' has the value 1.0"),
        (f'{{{MARKS}, "a": "14"}}', "'a' has the value \"14\""),
        (f'{{{MARKS}, "a": []}}', "'a' has the value []"),
        (f'{{{MARKS}, "a": [[1]]}}', "'a' has the value [[1]]"),
        (f'{{{MARKS}, "a": null}}', "'a' has the value null"),
        (f'{{{MARKS}, "": 4}}', "a symbol is empty"),
        (f'{{{MARKS}, "a": 4, "a": 5}}', "'a' stands there twice"),
        (" " * 1_000_001, "is larger than 1 MB"),
    ],
)
def test_what_is_no_map_is_one_line_that_names_file_and_symbol(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PhonemeMapError) as caught:
        read_phoneme_map(written(tmp_path, text), name="my/phonemes.json")
    assert str(caught.value).startswith("my/phonemes.json: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_pipe_and_bytes_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(PhonemeMapError, match="can't be read"):
        read_phoneme_map(tmp_path / "phonemes.json")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PhonemeMapError, match="not a regular file"):
        read_phoneme_map(tmp_path / "pipe")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe{}")
    with pytest.raises(PhonemeMapError, match="is not JSON"):
        read_phoneme_map(tmp_path / "bytes")


def test_symbols_with_the_same_id_are_told_but_usable(tmp_path: Path) -> None:
    found = read_phoneme_map(written(tmp_path, f'{{{MARKS}, "a": 14, "b": 15, "ɑ": [14]}}'))
    assert found.ids["ɑ"] == found.ids["a"]
    assert len(found.warnings) == 1
    assert "a ɑ have the same id 14" in found.warnings[0]


# --- clusters ---


def test_neighbours_are_merged_the_longest_cluster_first_from_the_left() -> None:
    clusters = Clusters([("a", "ɪ"), ("a", "ɪ", "ə"), ("ɪ", "ə"), ("a", "ɪ")])
    assert clusters.all == (("a", "ɪ"), ("a", "ɪ", "ə"), ("ɪ", "ə"))
    assert clusters.merge("faɪə aɪt ɪəɪ") == ("f", "aɪə", " ", "aɪ", "t", " ", "ɪə", "ɪ")
    assert clusters.merge("aa") == ("a", "a")
    assert clusters.merge("") == ()
    assert Clusters([]).merge(["a", "ɪ"]) == ("a", "ɪ")


def test_merging_loses_no_phoneme_and_leaves_no_cluster_apart() -> None:
    chance = random.Random(3)
    for _ in range(300):
        clusters = Clusters("".join(chance.choices("abc", k=chance.randint(2, 4))) for _ in range(chance.randint(1, 4)))
        phonemes = chance.choices("abcd", k=chance.randint(0, 20))
        merged = clusters.merge(phonemes)
        assert "".join(merged) == "".join(phonemes)
        known = {"".join(cluster) for cluster in clusters.all}
        at = 0
        for symbol in merged:
            longest = max((item for item in known if "".join(phonemes[at:]).startswith(item)), key=len, default="")
            assert symbol == (longest or phonemes[at])
            at += len(symbol)


def test_a_map_that_lacks_a_merged_symbol_is_told() -> None:
    clusters = Clusters([("a", "ɪ"), ("o", "j"), ("e", "j")])
    assert clusters.without_id(PHONEME_ID_MAP) == ["ej", "oj"]
    assert Clusters([("a", "ɪ"), ("o", "ʊ")]).without_id(PHONEME_ID_MAP) == []
