"""Phonemes that stand in the text: each code point is one, as Piper's phoneme type `text` reads it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from core_vits.phonemes import PHONEME_ID_MAP


def create(_settings: object = None) -> TextPhonemizer:
    """The backend; it has no settings."""
    return TextPhonemizer()


class TextPhonemizer:
    """Implements `workbench.api.Phonemizer` for texts in IPA; a text is one sentence, whatever its punctuation."""

    version = "text 1"

    def phonemize(self, texts: Sequence[str], *, language: str) -> list[list[list[str]]]:
        """The code points of each text in NFD: utterance > sentence > phoneme.

        Raises:
            ValueError: a text has a NUL character.
        """
        if any("\0" in text for text in texts):
            raise ValueError("the text has a NUL character. Delete it.")
        return [[list(unicodedata.normalize("NFD", text))] for text in texts]

    def phoneme_id_map(self, language: str) -> Mapping[str, Sequence[int]]:
        """Piper's map of IPA; the same for every language."""
        return PHONEME_ID_MAP

    def close(self) -> None:
        """There is nothing to give back."""
