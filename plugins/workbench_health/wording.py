"""What is written but not said, or said otherwise than it is written: numbers, abbreviations, markup, marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType

_VOWELS = "аеёиоуыэюяіїє"
# Marks such as 'прив+ет': before the stressed vowel, within or at the begin of a word.
_STRESS = re.compile(rf"(?i)(?<=[^\W\d_])\+(?=[^\W\d_])|(?<![\w+])\+(?=[{_VOWELS}])")
_MARKUP = re.compile(
    r"</?[A-Za-z][^<>]{0,80}>"  # <b>, <break time="1s"/>
    r"|&(?:[a-zA-Z]{2,8}|#\d{1,6});"  # &amp;
    r"|\b(?:https?://|www\.)\S+"
    r"|[\w.]+@\w+\.\w+"
    r"|\*\*|__|\[\[|\]\]|\{[^{}]*\}"
    r"|\[[^\[\]]{1,40}\]"  # [laughs]
    r"|\\[nrt](?!\w)"
)
_NUMBER = re.compile(r"\d+")
_SIGNS = re.compile(r"[№%‰§©®°$€£₽&=<>~^\\/@#_*]")
_ABBREVIATIONS = MappingProxyType(
    {
        "ru": r"т\.\s?[едпк]\.|и\s?др\.|и\s?пр\.|г\.|гг\.|в\.|вв\.|ул\.|пр-т|д\.|кв\.|стр\.|руб\.|коп\.|тыс\.|млн|млрд|"
        r"кг|км|см|мм|мин\.|сек\.|им\.|напр\.|проф\.|акад\.|гр\.|св\.|см\.",
        "uk": r"т\.\s?[дпк]\.|та ін\.|р\.|рр\.|вул\.|грн|тис\.|млн|млрд|кг|км|см|мм|ім\.|проф\.",
        "en": r"etc\.|e\.g\.|i\.e\.|approx\.|dept\.|vs\.|[Ff]ig\.|[Nn]o\.\s?\d|kg|km|cm|mm",
        "de": r"z\.\s?B\.|d\.\s?h\.|u\.\s?a\.|usw\.|bzw\.|ca\.|Nr\.|Str\.|kg|km|cm|mm",
    }
)
_CLOSING = " \t\"'»”’“›)]}"
_WORD = re.compile(r"[^\W\d_]+")


def stress_marks(text: str) -> list[str]:
    """Words with a plus before the stressed vowel."""
    return [word for word in text.split() if _STRESS.search(word)]


def markup(text: str) -> list[str]:
    """Tags, entities, addresses, notes in brackets."""
    return [match[0] for match in _MARKUP.finditer(text)]


def numbers(text: str) -> list[str]:
    """Runs of digits."""
    return _NUMBER.findall(text)


def abbreviations(text: str, language: str) -> Iterator[str]:
    """Abbreviations of the language, and signs that stand for words."""
    known = _ABBREVIATIONS.get(language)
    if known is not None:
        # A number before it, or a name after it, or the end of a sentence: the match must be a word of its own.
        yield from (match[0] for match in re.finditer(rf"(?<![\w.])(?:{known})(?!\w)", text))
    yield from _SIGNS.findall(text)


def is_in_capitals(text: str) -> bool:
    """Whether all words are in capitals, and there is more than an abbreviation."""
    words = [word for word in _WORD.findall(text) if len(word) > 1]
    return len(words) > 1 and all(word.isupper() for word in words) and any(len(word) > 4 for word in words)


def is_unfinished(text: str) -> bool:
    """Whether a text ends without a mark that says how its last word is spoken."""
    end = text.rstrip(_CLOSING)
    return end[-1:].isalnum()
