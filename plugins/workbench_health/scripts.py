"""Scripts and alphabets: which letters a language is written with, and which only look as if they were."""

from __future__ import annotations

import functools
import unicodedata
from types import MappingProxyType

# Latin letters that look like Cyrillic ones, and the reverse; within a word of the other script they are a slip.
LATIN_TO_CYRILLIC = MappingProxyType(dict(zip("ABCEHKMOPTXYaceopxyi", "АВСЕНКМОРТХУасеорхуі", strict=True)))
CYRILLIC_TO_LATIN = MappingProxyType({cyrillic: latin for latin, cyrillic in LATIN_TO_CYRILLIC.items()})

_RUSSIAN = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
# Letters of languages that share a script: those of another one are another language's.
_ALPHABETS = MappingProxyType(
    {
        "ru": frozenset(_RUSSIAN + "ё"),
        "uk": frozenset("абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"),
        "be": frozenset("абвгдеёжзійклмнопрстуўфхцчшыьэюя"),
        "bg": frozenset("абвгдежзийклмнопрстуфхцчшщъьюя"),
        "kk": frozenset(_RUSSIAN + "ёәғқңөұүһі"),
    }
)
_CYRILLIC = frozenset({"ru", "uk", "be", "bg", "mk", "kk", "ky", "tt", "ba", "cv"})
_OTHERS = MappingProxyType(
    {
        "el": frozenset({"GREEK"}), "grc": frozenset({"GREEK"}), "he": frozenset({"HEBREW"}),
        "ar": frozenset({"ARABIC"}), "fa": frozenset({"ARABIC"}), "ur": frozenset({"ARABIC"}),
        "hi": frozenset({"DEVANAGARI"}), "mr": frozenset({"DEVANAGARI"}), "ne": frozenset({"DEVANAGARI"}),
        "ka": frozenset({"GEORGIAN"}), "hy": frozenset({"ARMENIAN"}), "sr": frozenset({"CYRILLIC", "LATIN"}),
    }
)  # fmt: skip
_IDEOGRAPHIC = frozenset({"zh", "yue", "cmn", "hak", "ja", "ko"})
IDEOGRAPHS = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL"})
_LATIN_LANGUAGES = """
    af az bs ca cs cy da de en eo es et eu fi fr ga gl hr ht hu id is it la lb lt lv ms mt nb nl no pl pt ro sk sl sq
    sv sw tr uz vi
"""
_LATIN = frozenset(_LATIN_LANGUAGES.split())


def scripts_of(language: str) -> frozenset[str]:
    """Scripts that a language is written in; empty when the tables don't know it."""
    if language in _CYRILLIC:
        return frozenset({"CYRILLIC"})
    if language in _LATIN:
        return frozenset({"LATIN"})
    return _OTHERS.get(language, frozenset())


def reads_ideographs(language: str) -> bool:
    """Whether Chinese characters, kana or hangul are the language's own."""
    return language in _IDEOGRAPHIC


def is_foreign(letter: str, language: str) -> bool:
    """Whether a Cyrillic letter is none of the language's; never for languages without a table."""
    alphabet = _ALPHABETS.get(language)
    return alphabet is not None and script(letter) == "CYRILLIC" and letter.casefold() not in alphabet


@functools.lru_cache(maxsize=4096)
def script(letter: str) -> str:
    """`LATIN`, `CYRILLIC`, `GREEK`, `CJK` and so on; empty for what is no letter."""
    return unicodedata.name(letter, "").partition(" ")[0] if letter.isalpha() else ""
