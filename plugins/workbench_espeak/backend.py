"""Phonemes as Piper makes them, by eSpeak NG: IPA a clause, its punctuation after it, one code point a phoneme."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from core_vits.phonemes import PHONEME_ID_MAP, espeak_data_fingerprint, espeak_voice_names
from workbench_espeak.clauses import clause_endings
from workbench_espeak.library import EspeakLibrary, find_library, open_library

# `(en)` where the engine reads a foreign word by the rules of its language.
_LANGUAGE_FLAG = re.compile(r"\([^)]+\)")


def create(_settings: object = None) -> EspeakPhonemizer:
    """The backend on the library that is installed; the plugin has no settings."""
    return EspeakPhonemizer(open_library(*find_library()))


class EspeakPhonemizer:
    """Implements `workbench.api.Phonemizer`."""

    def __init__(self, library: EspeakLibrary) -> None:
        self._library = library
        self._voices: dict[str, str] = {}
        self.version = f"espeak-ng {library.version} {espeak_data_fingerprint(library.data)}"

    def phonemize(self, texts: Sequence[str], *, language: str) -> list[list[list[str]]]:
        """Phonemes of each text: utterance > sentence > phoneme.

        Raises:
            ValueError: the engine has no voice for the language, or a text has a NUL character.
        """
        with self._library.lock:
            self._choose(language)
            return [self._utterance(text) for text in texts]

    def phoneme_id_map(self, language: str) -> Mapping[str, Sequence[int]]:
        """Piper's map; the same for every language."""
        return PHONEME_ID_MAP

    def close(self) -> None:
        """Nothing to give back: the engine lives as long as its process."""

    def _choose(self, language: str) -> None:
        """Each time: another backend of this process may have chosen another voice of the same engine."""
        names = [self._voices[language]] if language in self._voices else espeak_voice_names(language)
        chosen = next((name for name in names if self._library.set_voice(name)), None)
        if chosen is None:
            raise ValueError(f"eSpeak NG has no voice for '{language}'. List its voices: espeak-ng --voices.")
        self._voices[language] = chosen

    def _utterance(self, text: str) -> list[list[str]]:
        if "\0" in text:
            raise ValueError("the text has a NUL character. Delete it.")
        clauses = list(self._library.clauses(text))
        sentences: list[list[str]] = []
        sentence_open = False
        for (ipa, _), ending in zip(clauses, clause_endings([consumed for _, consumed in clauses]), strict=True):
            if not sentence_open:
                sentences.append([])
            sentences[-1] += unicodedata.normalize("NFD", _LANGUAGE_FLAG.sub("", ipa))
            sentences[-1] += ending.punctuation
            if ending.punctuation and ending.punctuation in ",:;":
                sentences[-1] += " "
            sentence_open = not ending.sentence
        return sentences
