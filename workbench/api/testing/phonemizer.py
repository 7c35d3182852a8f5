"""The suite for phonemizers."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import ClassVar

import pytest

from workbench.api import Phonemizer
from workbench.api.testing.samples import one_line


class PhonemizerContract:
    """What every phonemizer must do. Give a fixture `phonemizer`, a language and texts in it."""

    language: ClassVar[str]
    texts: ClassVar[Sequence[str]]
    unknown_language: ClassVar[str] = "xx-nowhere"
    """A language that the phonemizer must refuse; empty when it takes any."""

    @pytest.fixture
    def phonemizer(self) -> Iterator[Phonemizer]:
        """The phonemizer to be tested."""
        pytest.fail("the subclass must define the fixture 'phonemizer'")

    def test_it_has_a_version_for_cache_keys(self, phonemizer: Phonemizer) -> None:
        assert one_line(phonemizer.version)

    def test_each_text_gives_sentences_of_single_code_points_in_nfd(self, phonemizer: Phonemizer) -> None:
        result = phonemizer.phonemize(self.texts, language=self.language)
        assert len(result) == len(self.texts)
        for text, sentences in zip(self.texts, result, strict=True):
            phonemes = [phoneme for sentence in sentences for phoneme in sentence]
            assert phonemes, f"{text!r} gave no phonemes"
            for phoneme in phonemes:
                assert len(phoneme) == 1, f"{phoneme!r} is not one code point"
                assert unicodedata.normalize("NFD", phoneme) == phoneme

    def test_the_same_text_gives_the_same_phonemes_alone_and_in_company(self, phonemizer: Phonemizer) -> None:
        together = phonemizer.phonemize(self.texts, language=self.language)
        alone = [phonemizer.phonemize([text], language=self.language)[0] for text in self.texts]
        assert alone == together

    def test_the_id_map_holds_the_marks_and_nearly_all_phonemes(self, phonemizer: Phonemizer) -> None:
        id_map = phonemizer.phoneme_id_map(self.language)
        assert {"_", "^", "$"} <= set(id_map)
        for phoneme, ids in id_map.items():
            assert all(isinstance(number, int) and number >= 0 for number in ids), f"{phoneme!r} has the ids {ids}"
        result = phonemizer.phonemize(self.texts, language=self.language)
        used = {phoneme for sentences in result for sentence in sentences for phoneme in sentence}
        assert used - set(id_map) == set()

    def test_no_text_gives_no_result_and_empty_text_no_phonemes(self, phonemizer: Phonemizer) -> None:
        assert phonemizer.phonemize([], language=self.language) == []
        (sentences,) = phonemizer.phonemize([""], language=self.language)
        assert all(len(sentence) == 0 for sentence in sentences)

    def test_a_language_it_does_not_speak_is_one_clear_line(self, phonemizer: Phonemizer) -> None:
        if self.unknown_language:
            with pytest.raises(ValueError, match=r".") as caught:
                phonemizer.phonemize(["a"], language=self.unknown_language)
            assert one_line(str(caught.value))

    def test_strange_text_gives_phonemes_or_one_clear_line(self, phonemizer: Phonemizer) -> None:
        for text in ("a\0b", "\u200b", "\U0001f600", " ", "\u202e", "a" * 5000):
            try:
                phonemizer.phonemize([text], language=self.language)
            except ValueError as error:
                assert one_line(str(error)), f"{text[:10]!r}: {error}"  # noqa: PT017 - raising is optional

    def test_it_can_be_closed_twice(self, phonemizer: Phonemizer) -> None:
        phonemizer.close()
        phonemizer.close()
