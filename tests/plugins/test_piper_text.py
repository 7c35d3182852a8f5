"""The phonemizer `text`: for texts that hold phonemes."""

from __future__ import annotations

import pytest

import workbench_piper
from workbench.api.testing import PhonemizerContract
from workbench_piper.text import TextPhonemizer, create


class TestPhonemizer(PhonemizerContract):
    language = "ru"
    texts = ("dˈobrɨj dʲˈenʲ.", "kak dʲɪlˈa? da!", "ɡaˈɾu, sˈã")
    unknown_language = ""

    @pytest.fixture
    def phonemizer(self) -> TextPhonemizer:  # type: ignore[override]  # there is nothing to take down
        return create()


def test_a_text_is_one_sentence_and_each_code_point_of_its_nfd_a_phoneme() -> None:
    assert create().phonemize(["ã b! c.", "é"], language="xx") == [
        [["a", "\u0303", " ", "b", "!", " ", "c", "."]],
        [["e", "\u0301"]],
    ]


def test_it_must_be_named_and_says_what_piper_calls_its_phonemes() -> None:
    (spec,) = (item for item in workbench_piper.plugin.workbench_register_phonemizers() if item.name == "text")
    assert not spec.automatic
    assert (spec.phoneme_type, spec.languages, spec.available) == ("text", frozenset({"*"}), None)
