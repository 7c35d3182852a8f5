"""Phonemes by piper-phonemize, which carries its own eSpeak NG and data."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path

import piper_phonemize

from core_vits.phonemes import PHONEME_ID_MAP, espeak_data_fingerprint, espeak_voice_names

# The fork has wheels for newer Pythons under the same import name.
_DISTRIBUTIONS = ("piper-phonemize", "piper-phonemize-fix")


def create(_settings: object = None) -> PiperPhonemizer:
    """The backend; the plugin has no settings."""
    return PiperPhonemizer()


class PiperPhonemizer:
    """Implements `workbench.api.Phonemizer`."""

    def __init__(self) -> None:
        self._voices: dict[str, str] = {}
        data = Path(piper_phonemize.__file__).parent / "espeak-ng-data"
        self.version = f"{_distribution()} {espeak_data_fingerprint(data)}"

    def phonemize(self, texts: Sequence[str], *, language: str) -> list[list[list[str]]]:
        """Phonemes of each text: utterance > sentence > phoneme.

        Raises:
            ValueError: there is no voice for the language, or a text has a NUL character.
        """
        voice = self._voice(language)
        return [self._utterance(text, voice) for text in texts]

    def phoneme_id_map(self, language: str) -> Mapping[str, Sequence[int]]:
        """Piper's map; the same for every language."""
        return PHONEME_ID_MAP

    def close(self) -> None:
        """Nothing to give back: the engine lives as long as its process."""

    def _voice(self, language: str) -> str:
        """The first eSpeak NG voice for the language that exists."""
        if language not in self._voices:
            for name in espeak_voice_names(language):
                try:
                    piper_phonemize.phonemize_espeak("a", name)
                except RuntimeError:
                    continue
                self._voices[language] = name
                break
            else:
                raise ValueError(f"piper-phonemize has no voice for '{language}'. Name one in [text] espeak_voice.")
        return self._voices[language]

    @staticmethod
    def _utterance(text: str, voice: str) -> list[list[str]]:
        if "\0" in text:  # the engine would leave out the rest of the text
            raise ValueError("the text has a NUL character. Delete it.")
        sentences: list[list[str]] = piper_phonemize.phonemize_espeak(text, voice)
        # After a text that ends in `..` the engine keeps a dot back and would speak it ("dot") before the next one; an
        # empty text takes it away. Not after each text: a call costs some milliseconds, most of them for the voice.
        if len(ending := text.rstrip()[-2:]) == 2 and not any(map(str.isalnum, ending)):
            piper_phonemize.phonemize_espeak("", voice)
        return sentences


def _distribution() -> str:
    for name in _DISTRIBUTIONS:
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return "piper-phonemize of unknown version"
