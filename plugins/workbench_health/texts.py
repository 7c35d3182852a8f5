"""Texts that are empty, repeated, or hold what a phonemizer reads otherwise than it was said."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterator
from types import MappingProxyType

from core_vits.phonemes import looks_like_ids, looks_phonetic
from workbench.api import DatasetFacts, Finding, Severity, Utterance
from workbench_health.gathered import Gathered, Value
from workbench_health.kinds.texts import KINDS
from workbench_health.recordings import is_heading
from workbench_health.scripts import (
    CYRILLIC_TO_LATIN,
    IDEOGRAPHS,
    LATIN_TO_CYRILLIC,
    is_foreign,
    reads_ideographs,
    script,
    scripts_of,
)
from workbench_health.wording import abbreviations, is_in_capitals, is_unfinished, markup, numbers, stress_marks

_WORD = re.compile(r"[^\W\d_]+")
_NAMED = MappingProxyType(
    {
        "\u00ad": "a soft hyphen",
        "\u200b": "a zero-width space",
        "\u200c": "a zero-width non-joiner",
        "\u200d": "a zero-width joiner",
        "\u2060": "a word joiner",
        "\ufeff": "a byte order mark",
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
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cn", "Zl", "Zp"})
# Phonemizers read single letters of these in any text; MODIFIER are the likes of ʰ.
_EUROPEAN = frozenset({"LATIN", "CYRILLIC", "GREEK", "MODIFIER"})
# A text that is this short may well be spoken twice.
_SHORT_TEXT = 12
# Russian words of one letter; a lone Latin letter in a Cyrillic text is none of a formula when it is one of these.
_LONE = frozenset("acoyk")
# Letters that a row must have before it is called one of another language.
_FEWEST_LETTERS = 5
_FOREIGN_SHARE = 0.8
_SHOWN = 3
# Signs that are read as words, and what a lost letter left; both are told by themselves.
_NO_SYMBOLS = frozenset("№°©®\ufffd")


class TextRule:
    """Looks at the text of each row; remembers all of them for repetitions."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._phonetic = dataset.phoneme_type == "text"
        self._texts: list[str] = []
        self._language = dataset.language.partition("-")[0].lower()
        self._gathered = Gathered(dataset, KINDS)
        self._fix = shlex.join(["python3", "-c", _NORMALIZE, str(dataset.metadata)])
        self._first: dict[tuple[str, str | None], Utterance] = {}

    def check(self, utterance: Utterance) -> Iterator[Finding]:
        """Look at one text."""
        if self._dataset.dataset_type == "phoneme_ids":
            return  # the text is only shown
        text = utterance.text
        if is_heading(utterance):
            return
        if not text.strip():
            message = f"the text of '{utterance.file}' is empty; the row is not trained. Write what is said."
            subject = utterance.subject
            yield Finding(rule="text.empty", severity=Severity.DROPS, subject=subject, message=message)
            return
        self._characters(utterance)
        if not self._phonetic:
            self._letters(utterance)
            self._wording(utterance)
            self._texts.append(text)
        self._repeated(utterance)

    def finish(self) -> Iterator[Finding]:
        """What was found of the rows, and whether the last column holds something else than texts."""
        if looks_like_ids(self._texts):
            what, advice = "phoneme ids", 'Set [dataset] type = "phoneme_ids"'
        elif looks_phonetic(self._texts):
            what, advice = "phonemes (IPA)", 'Set [text] phonemizer = "text"'
        else:
            yield from self._gathered.findings()
            return
        # What was found of the rows is about words, which these are not.
        message = f"the last column seems to hold {what}, which would be read aloud as if they were words. {advice}."
        yield Finding(rule="text.kind", severity=Severity.WARNS, subject=self._dataset.metadata.name, message=message)

    def _characters(self, utterance: Utterance) -> None:
        text = utterance.text
        harmless = _JOINERS if self._language in _LANGUAGES_WITH_JOINERS else frozenset()
        odd = {
            character: _NAMED.get(character, f"U+{ord(character):04X}")
            for character in dict.fromkeys(text)
            if unicodedata.category(character) in _UNSEEN and character not in harmless
        }
        if odd:
            codes = " ".join(f"U+{ord(character):04X}" for character in odd)
            self._gathered.add(
                "text.invisible", utterance, f"the text holds {' and '.join(odd.values())}", {"characters": codes}
            )
        if "\ufffd" in text:
            word = next(word for word in text.split() if "\ufffd" in word)
            self._gathered.add("text.lost", utterance, f"'{word}' holds U+FFFD", {"word": word})
        if not self._phonetic and not unicodedata.is_normalized("NFC", text) and _composes(text):
            what = "the text writes letters as base and accent apart (NFD)"
            self._gathered.add("text.nfd", utterance, what, {}, fix=self._fix)

    def _letters(self, utterance: Utterance) -> None:
        """Letters of other scripts and languages."""
        text, own = utterance.text, scripts_of(self._language)
        letters = {letter: script(letter) for letter in set(text) if letter.isalpha()}
        scripts = set(letters.values())
        if {"LATIN", "CYRILLIC"} <= scripts and (mixed := _mixed_in(_WORD.findall(text))):
            word, what, meant = mixed
            self._gathered.add(
                "text.mixed-script", utterance, f"'{word}' has {what}; write '{meant}'", {"word": word, "meant": meant}
            )
            return
        if own and scripts - own and self._is_foreign(utterance, own):
            return
        others = sorted(letter for letter in letters if is_foreign(letter, self._language))
        if others:
            what = f"the text has letters that {self._language} is not written with: {' '.join(others)}"
            self._gathered.add("text.script", utterance, what, {"letters": " ".join(others)})
        known = bool(own) or reads_ideographs(self._language)
        self._symbols(utterance, scripts - own if known else set())

    def _is_foreign(self, utterance: Utterance, own: frozenset[str]) -> bool:
        """Whether nearly all letters are of another script; what is said of ideographs is said as of symbols."""
        counts = Counter(script(letter) for letter in utterance.text if letter.isalpha())
        foreign = {name: count for name, count in counts.items() if name not in own}
        letters, name = counts.total(), max(foreign, key=lambda item: foreign[item])
        if letters < _FEWEST_LETTERS or sum(foreign.values()) <= _FOREIGN_SHARE * letters or name in IDEOGRAPHS:
            return False
        evidence: dict[str, Value] = {"script": name, "share": round(foreign[name] / letters, 2)}
        what = f"the text is mostly in {name.capitalize()} letters"
        self._gathered.add("text.script", utterance, what, evidence)
        return True

    def _symbols(self, utterance: Utterance, foreign: set[str]) -> None:
        """Emoji, ideographs, and letters of scripts that are neither the language's own nor European."""
        odd = [
            character
            for character in dict.fromkeys(utterance.text)
            if unicodedata.category(character) == "So" and character not in _NO_SYMBOLS
        ]
        known = _EUROPEAN | (IDEOGRAPHS if reads_ideographs(self._language) else frozenset())
        if unread := foreign - known:
            odd += [letter for letter in dict.fromkeys(utterance.text) if script(letter) in unread]
        if odd:
            shown = " ".join(odd[:_SHOWN])
            self._gathered.add("text.symbols", utterance, f"the text holds {shown}", {"characters": shown})

    def _wording(self, utterance: Utterance) -> None:
        """What is not said as it is written."""
        text = utterance.text
        for kind, found in (
            ("text.markup", markup(text)),
            ("text.stress", stress_marks(text)),
            ("text.numbers", numbers(text)),
        ):
            if found:
                self._gathered.add(kind, utterance, f"the text has {_some(found)}", {"found": _some(found)})
                if kind == "text.markup":
                    return  # its signs are no abbreviations, its end is no sentence's
        if found := list(abbreviations(text, self._language)):
            self._gathered.add("text.abbreviation", utterance, f"the text has {_some(found)}", {"found": _some(found)})
        if is_in_capitals(text):
            self._gathered.add("text.capitals", utterance, f"'{_short(text)}' is in capitals", {})
        if is_unfinished(text):
            self._gathered.add(
                "text.unfinished", utterance, f"'{_short(text[::-1])[::-1]}' has no punctuation at its end", {}
            )

    def _repeated(self, utterance: Utterance) -> None:
        said = " ".join(re.findall(r"\w+", utterance.text.casefold()))
        first = self._first.setdefault((said, utterance.speaker), utterance)
        if first is utterance or len(said) < _SHORT_TEXT or first.file == utterance.file:
            return  # a file that two rows name is told by itself
        self._gathered.add(
            "text.repeated", utterance, f"the text is the same as on line {first.row}", {"first": first.row}
        )


def _composes(text: str) -> bool:
    """Whether NFC joins a letter with its accent; a bare stress mark (за́мок) has nothing to be joined to."""
    return len(unicodedata.normalize("NFC", text)) < len(text)


def _mixed_in(words: list[str]) -> tuple[str, str, str] | None:
    """The first word with lookalikes of another script: the word, what is in it, and what was meant."""
    return next(filter(None, map(_mixed, words)), None) or _lone(words)


def _mixed(word: str) -> tuple[str, str, str] | None:
    """See `_mixed_in`."""
    latin = [letter for letter in word if script(letter) == "LATIN"]
    cyrillic = [letter for letter in word if script(letter) == "CYRILLIC"]
    if not latin or not cyrillic or len(latin) + len(cyrillic) != len(word):
        return None
    if all(letter in LATIN_TO_CYRILLIC for letter in latin) and len(latin) <= len(cyrillic):
        meant = "".join(LATIN_TO_CYRILLIC.get(letter, letter) for letter in word)
        return word, f"Latin {' '.join(sorted(set(latin)))} in a Cyrillic word", meant
    if all(letter in CYRILLIC_TO_LATIN for letter in cyrillic):
        meant = "".join(CYRILLIC_TO_LATIN.get(letter, letter) for letter in word)
        return word, f"Cyrillic {' '.join(sorted(set(cyrillic)))} in a Latin word", meant
    return None


def _lone(words: list[str]) -> tuple[str, str, str] | None:
    """A Latin letter that stands where a Cyrillic word of one letter should."""
    lone = next((word for word in words if word in _LONE), None)
    others = [script(word[0]) for word in words if word not in _LONE]
    if lone is None or not others or set(others) != {"CYRILLIC"}:
        return None
    return lone, f"the Latin letter {lone} among Cyrillic words", LATIN_TO_CYRILLIC[lone]


def _some(found: list[str]) -> str:
    shown = list(dict.fromkeys(found))
    return ", ".join(f"'{item}'" for item in shown[:_SHOWN]) + (" …" if len(shown) > _SHOWN else "")


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:29] + "…"
