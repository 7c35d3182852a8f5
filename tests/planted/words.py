"""Defects of tables and texts, as people make them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from planted.dataset import Line, Plant, Planted

_TO_LATIN = str.maketrans("оеарсх", "oeapcx")
_ANOTHER_SENTENCE = " И ещё одно предложение, которое никто не говорил, стоит здесь по ошибке."


def _plant(name: str, *kinds: str, whole: bool = False) -> Callable[[Callable[[Planted], Line]], Plant]:
    return lambda do: Plant(name, frozenset(kinds), do, whole)


def _text(name: str, kind: str, change: Callable[[str], str], suits: Callable[[str], bool] = bool) -> Plant:
    """Changes the text of one row that suits."""

    def do(planted: Planted) -> Line:
        line = planted.take(lambda line: suits(line.text))
        line.text = change(line.text)
        return line

    return Plant(name, frozenset({kind}), do)


def _raw(name: str, kind: str, change: Callable[[Line], bytes]) -> Plant:
    """Changes the bytes of one line."""

    def do(planted: Planted) -> Line:
        line = planted.take()
        line.raw = change(line)
        return line

    return Plant(name, frozenset({kind}), do)


def _inside(text: str, what: str) -> str:
    """Put something into the middle of the longest word."""
    word = max(text.split(), key=len)
    half = len(word) // 2
    return text.replace(word, word[:half] + what + word[half:], 1)


def _has_word(letters: str) -> Callable[[str], bool]:
    return lambda text: any(sum(letter in letters for letter in word) >= 2 for word in text.split())


def _has_words(text: str) -> bool:
    return len(text.split()) > 3 and max(map(len, text.split())) > 5


def _latin(text: str) -> str:
    word = next(word for word in text.split() if sum(letter in "оеарсх" for letter in word) >= 2)
    at = next(index for index, letter in enumerate(word) if letter in "оеарсх")
    return text.replace(word, word[:at] + word[at].translate(_TO_LATIN) + word[at + 1 :], 1)


def _nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _stress(text: str) -> str:
    word = next(word for word in text.split() if _vowels_inside(word))
    at = next(index for index, letter in enumerate(word) if index and letter in "аеиоуыэюя")
    return text.replace(word, word[:at] + "+" + word[at:], 1)


def _vowels_inside(word: str) -> bool:
    return word[:1].isalpha() and any(letter in "аеиоуыэюя" for letter in word[1:])


@_plant("byte order mark", "metadata.bom")
def bom(planted: Planted) -> Line:
    planted.head = b"\xef\xbb\xbf"
    planted.free = [line for line in planted.free if line is not planted.lines[0]]
    return planted.lines[0]


@_plant("blank line", "metadata.blank")
def blank(planted: Planted) -> Line:
    return planted.insert(Line("", "", b""), planted.take())


@_plant("heading", "recording.header")
def heading(planted: Planted) -> Line:
    return planted.insert(Line("file_name", "transcription"))


@_plant("file named twice", "recording.twice")
def twice(planted: Planted) -> Line:
    line = planted.take()
    return planted.insert(Line(line.file, "Совсем другое предложение, которого здесь нет."), line)


@_plant("row repeated", "recording.repeated")
def repeated(planted: Planted) -> Line:
    line = planted.take()
    return planted.insert(Line(line.file, line.text), line)


@_plant("text of another row", "text.repeated")
def same_text(planted: Planted) -> Line:
    first, second = sorted((planted.take(), planted.take()), key=planted.number)
    second.text = first.text
    return second


@_plant("text of two rows", "length.pace", "length.text")
def too_much_text(planted: Planted) -> Line:
    line = planted.take()
    line.text += _ANOTHER_SENTENCE * (1 + len(line.text) // len(_ANOTHER_SENTENCE))
    return line


@_plant("text of a page", "length.text")
def page_of_text(planted: Planted) -> Line:
    line = planted.take()
    line.text += _ANOTHER_SENTENCE * 12
    return line


WORDS = (
    heading,  # the first, for it moves all lines
    bom,
    blank,
    twice,
    repeated,
    same_text,
    too_much_text,
    page_of_text,
    _raw("quote left open", "metadata.quote", lambda line: f'{line.file}|"{line.text}'.encode()),
    _raw("delimiter in the text", "metadata.extra-columns", lambda line: line.as_bytes().replace(b" ", b" | ", 1)),
    _raw("no text column", "metadata.columns", lambda line: line.file.encode()),
    _raw("no file", "metadata.file", lambda line: f"|{line.text}".encode()),
    _raw("Windows-1251", "metadata.encoding", lambda line: f"{line.file}|{line.text}".encode("cp1251", "replace")),
    _raw("NUL", "metadata.control", lambda line: line.as_bytes() + b"\0"),
    _text("empty text", "text.empty", lambda _: " "),
    _text("only punctuation", "phonemes.none", lambda _: "…"),
    _text("zero-width space", "text.invisible", lambda text: _inside(text, "\u200b")),
    _text("soft hyphen", "text.invisible", lambda text: _inside(text, "\u00ad")),
    _text("control character", "text.invisible", lambda text: text.replace(" ", " \x07", 1)),
    _text("byte order mark in a text", "text.invisible", lambda text: "\ufeff" + text),
    _text("lost letter", "text.lost", lambda text: _inside(text, "\ufffd")),
    _text("NFD", "text.nfd", _nfd, lambda text: "й" in text),
    _text("Latin letter in a word", "text.mixed-script", _latin, _has_word("оеарсх")),
    _text("Latin c as a word", "text.mixed-script", lambda text: text + " И c ним."),
    _text("Cyrillic letter in a Latin word", "text.mixed-script", lambda text: text.rstrip(".") + ", wоrld."),
    _text("English row", "text.script", lambda _: "The quick brown fox jumps over the lazy dog."),
    _text("Ukrainian row", "text.script", lambda _: "Її подруга їхала потягом, і ніхто не знав цього."),
    _text("emoji", "text.symbols", lambda text: text + " 😀"),
    _text("Chinese", "text.symbols", lambda text: text.replace(" ", " 日本 ", 1)),
    _text("Arabic letters", "text.symbols", lambda text: text.replace(" ", " سلام ", 1)),
    _text("tags", "text.markup", lambda text: f"<b>{text}</b>"),
    _text("entity", "text.markup", lambda text: text.replace(" ", "&nbsp;", 1)),
    _text("note in brackets", "text.markup", lambda text: text + " [смех]"),
    _text("address", "text.markup", lambda text: text + " https://example.org"),
    _text("stress with plus", "text.stress", _stress, lambda text: any(map(_vowels_inside, text.split()))),
    _text("digits", "text.numbers", lambda text: text.replace(" ", " 1923 ", 1)),
    _text("abbreviation", "text.abbreviation", lambda text: text.rstrip(".") + ", и т.д."),
    _text("sign", "text.abbreviation", lambda text: text.replace(" ", " № ", 1)),
    _text("capitals", "text.capitals", str.upper, _has_words),
    _text("no full stop", "text.unfinished", lambda text: text.rstrip(' .!?…:;,—–-"»') + " конец"),
)  # fmt: skip
"""Each of them is found on its line."""
