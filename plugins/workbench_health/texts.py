"""Texts that are empty, repeated, or hold characters that a phonemizer reads wrongly."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Iterator
from types import MappingProxyType

from core_vits.phonemes import looks_like_ids, looks_phonetic
from workbench.api import DatasetFacts, Finding, Severity, Utterance

# Latin letters that look like Cyrillic ones; within a Cyrillic word they are a slip of the keyboard.
_LOOKALIKES = MappingProxyType(dict(zip("ABCEHKMOPTXYaceopxyi", "АВСЕНКМОРТХУасеорхуі", strict=True)))
_WORD = re.compile(r"[^\W\d_]+")
_NAMED = MappingProxyType(
    {
        "\u00ad": "a soft hyphen",
        "\u200b": "a zero-width space",
        "\u200c": "a zero-width non-joiner",
        "\u200d": "a zero-width joiner",
        "\u2060": "a word joiner",
        "\ufeff": "a byte order mark",
        "\ufffd": "a replacement character",
        "\t": "a tab",
    }
)
_NORMALIZE = (
    "import pathlib,sys,unicodedata as u;p=pathlib.Path(sys.argv[1]);"
    "p.write_text(u.normalize('NFC',p.read_text('utf-8')),'utf-8')"
)
# Joiners are letters' business in these scripts.
_JOINERS = frozenset("\u200c\u200d")
_LANGUAGES_WITH_JOINERS = frozenset(
    {"ar", "bn", "fa", "gu", "hi", "kn", "ml", "mr", "ne", "or", "pa", "si", "ta", "te", "ur"}
)
# A text that is this short may well be spoken twice.
_SHORT_TEXT = 12


class TextRule:
    """Looks at the text of each row; remembers all of them for repetitions."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._phonetic = dataset.phoneme_type == "text"
        self._texts: list[str] = []
        self._language = dataset.language.partition("-")[0].lower()
        self._fix = shlex.join(["python3", "-c", _NORMALIZE, str(dataset.metadata)])
        self._first: dict[tuple[str, str | None], Utterance] = {}

    def check(self, utterance: Utterance) -> Iterator[Finding]:
        """Look at one text."""
        if self._dataset.dataset_type == "phoneme_ids":
            return  # the text is only shown
        text = utterance.text
        if not text.strip():
            message = f"the text of '{utterance.file}' is empty; the row is not trained. Write what is said."
            yield _finding("text.empty", Severity.DROPS, utterance, message)
            return
        yield from self._characters(utterance)
        if not self._phonetic:
            yield from _lookalikes(utterance)
            self._texts.append(text)
        yield from self._repeated(utterance)

    def finish(self) -> Iterator[Finding]:
        """Whether the last column holds something else than texts."""
        if looks_like_ids(self._texts):
            what, advice = "phoneme ids", 'Set [dataset] type = "phoneme_ids"'
        elif looks_phonetic(self._texts):
            what, advice = "phonemes (IPA)", 'Set [text] phonemizer = "text"'
        else:
            return
        message = f"the last column seems to hold {what}, which would be read aloud as if they were words. {advice}."
        yield Finding(rule="text.kind", severity=Severity.WARNS, subject=self._dataset.metadata.name, message=message)

    def _characters(self, utterance: Utterance) -> Iterator[Finding]:
        text = utterance.text
        harmless = _JOINERS if self._language in _LANGUAGES_WITH_JOINERS else frozenset()
        odd = {
            character: _NAMED.get(character, f"U+{ord(character):04X}")
            for character in text
            if (character == "\ufffd" or unicodedata.category(character) in {"Cc", "Cf", "Co", "Cn"})
            and character not in harmless
        }
        if odd:
            message = (
                f"the text holds {' and '.join(odd.values())}, which can't be seen and may change how a word is read. "
                "Delete it."
            )
            if "\ufffd" in odd:
                message = "the text holds U+FFFD: a letter was lost when the file was converted. Put the letter back."
            codes = " ".join(f"U+{ord(character):04X}" for character in odd)
            yield _finding("text.invisible", Severity.WARNS, utterance, message, characters=codes)
        if not self._phonetic and not unicodedata.is_normalized("NFC", text) and _composes(text):
            message = (
                "the text writes letters as base and accent apart (NFD), which phonemizers read wrongly: й as и. "
                "Convert the file to NFC."
            )
            yield Finding(
                rule="text.nfd", severity=Severity.WARNS, subject=utterance.subject, message=message, fix=self._fix
            )

    def _repeated(self, utterance: Utterance) -> Iterator[Finding]:
        said = " ".join(re.findall(r"\w+", utterance.text.casefold()))
        first = self._first.setdefault((said, utterance.speaker), utterance)
        if first is utterance or len(said) < _SHORT_TEXT:
            return
        message = (
            f"the text is the same as on line {first.row}: if the split puts one into validation, its loss looks "
            "better than it is. Keep one of them, or correct the text if the recording says something else."
        )
        yield _finding("text.repeated", Severity.INFO, utterance, message, first=str(first.row))


def _composes(text: str) -> bool:
    """Whether NFC joins a letter with its accent; a bare stress mark (за́мок) has nothing to be joined to."""
    return len(unicodedata.normalize("NFC", text)) < len(text)


def _lookalikes(utterance: Utterance) -> Iterator[Finding]:
    for word in _WORD.findall(utterance.text):
        latin = [letter for letter in word if letter in _LOOKALIKES]
        cyrillic = sum("\u0400" <= letter <= "\u052f" for letter in word)
        if latin and cyrillic and len(latin) + cyrillic == len(word):
            letters = " ".join(sorted(set(latin)))
            meant = "".join(_LOOKALIKES.get(letter, letter) for letter in word)
            message = (
                f"'{word}' mixes Cyrillic with Latin ({letters}) and is read in two languages. "
                f"Write '{meant}' in Cyrillic."
            )
            yield _finding("text.mixed-script", Severity.WARNS, utterance, message, word=word)
            return


def _finding(rule: str, severity: Severity, utterance: Utterance, message: str, **evidence: str) -> Finding:
    return Finding(rule=rule, severity=severity, subject=utterance.subject, message=message, evidence=evidence)
