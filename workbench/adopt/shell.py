"""Read a shell script as commands and words. Nothing is executed, and nothing is looked up: `variables` does that.

shlex would lose what matters here: whether a `$NAME` stood in single quotes, and on which line a word began.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from typing import Literal

TRAINERS = ("piper.train", "piper_train", "piper-train")
_OPERATOR = re.compile(r"<<<|<<-?|[<>]&|>>|>\||<>|<|>")
_NAME = re.compile(r"[A-Za-z_]\w*|[0-9]|[@*#?$!-]")
_PLAIN = re.compile(r"[^\s#\\'\"$`<>;|&()]+")
_PLAIN_IN_QUOTES = re.compile(r"[^\"\\$`]+")
_ARRAY = re.compile(r"[A-Za-z_]\w*\+?=")
# A backslash that should continue the line, but has blanks or a comment behind it.
_BROKEN_CONTINUATION = re.compile(r"\\[ \t]+(?:#[^\n]*)?\r?(?:\n|\Z)")
_NEXT_IS_OPTION = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?=--?[A-Za-z])")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a word."""

    text: str
    """Of a text itself; of a variable what stands between the braces; of a substitution the commands."""
    kind: Literal["text", "variable", "substitution"] = "text"
    quoted: bool = False
    """Whether blanks in its value stay one word."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it is written, with the line it begins on."""

    pieces: tuple[Piece, ...]
    line: int
    array: tuple[Word, ...] | None = None
    """Words between the brackets of `NAME=(…)`."""

    @property
    def literal(self) -> str:
        """The word as far as it is plain text."""
        return "".join(piece.text for piece in self.pieces if piece.kind == "text")


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command."""

    words: tuple[Word, ...]
    conditional: bool
    """Whether `&&`, `||` or a pipe stands before it."""


@dataclass(frozen=True, slots=True)
class Script:
    """All commands of a text, in its order, whatever `if` or loop they stand in."""

    commands: tuple[Command, ...]
    loose_lines: tuple[int, ...]
    """Lines that were read as going on although the shell would have ended the command there."""
    unclosed: int | None
    """Line of a quote or bracket that is never closed."""


def parse(text: str, first_line: int = 1) -> Script:
    """Split a text into commands.

    Args:
        text: a script, or a command line.
        first_line: number of its first line.
    """
    parser = _Parser(text, first_line)
    parser.run()
    return Script(tuple(parser.commands), tuple(dict.fromkeys(parser.loose)), parser.unclosed)


class _Parser:
    def __init__(self, text: str, first_line: int) -> None:
        self.text = text
        self.at = 0
        self.commands: list[Command] = []
        self.loose: list[int] = []
        self.unclosed: int | None = None
        self._breaks = [index for index, char in enumerate(text) if char == "\n"]
        self._first_line = first_line
        self._words: list[Word] = []
        self._pieces: list[Piece] | None = None
        self._word_line = first_line
        self._drop_word = False
        self._conditional = False
        self._here_documents: list[str] = []

    def run(self) -> None:
        while self.at < len(self.text):
            self._step(self.text[self.at])
        self._end_command()

    def _step(self, char: str) -> None:
        if char == "\n":
            self._new_line()
        elif char in " \t\r":
            self._end_word()
            self.at += 1
        elif char == "#" and self._pieces is None:
            self._to_line_end()
        elif char == "\\":
            self._backslash()
        elif char == "'":
            self._add(self._until("'", self.at + 1), quoted=True)
        elif char == '"':
            self._double_quoted()
        elif char in "$`":
            self._expansion(quoted=False)
        elif char in "<>":
            self._redirection()
        elif char in ";|&()":
            self._control(char)
        else:
            run = _PLAIN.match(self.text, self.at)
            self._add(run[0] if run else char)
            self.at += len(run[0]) if run else 1

    # Words and commands

    def _add(self, text: str, kind: Literal["text", "variable", "substitution"] = "text", quoted: bool = False) -> None:
        if self._pieces is None:
            self._pieces = []
            self._word_line = self._line()
        if self._pieces and kind == "text" and self._pieces[-1].kind == "text" and self._pieces[-1].quoted == quoted:
            text = self._pieces.pop().text + text
        self._pieces.append(Piece(text, kind, quoted))

    def _end_word(self) -> None:
        if self._pieces is None:
            return
        if not self._drop_word:
            self._words.append(Word(tuple(self._pieces), self._word_line))
        self._pieces, self._drop_word = None, False

    def _end_command(self, *, conditional: bool = False) -> None:
        self._end_word()
        self._drop_word = False
        if self._words:
            self.commands.append(Command(tuple(self._words), self._conditional))
        self._words, self._conditional = [], conditional

    def _line(self) -> int:
        return self._first_line + bisect.bisect_left(self._breaks, self.at)

    # Line ends, comments, operators

    def _new_line(self) -> None:
        self._end_word()
        line = self._line()
        self.at += 1
        if self._here_documents:
            self._end_command()
            self._skip_here_documents()
        elif self._trains() and (option := _NEXT_IS_OPTION.match(self.text, self.at)):
            # No command's name begins with a dash: a backslash was forgotten, or copied away.
            self.loose.append(line)
            self.at = option.end()
        else:
            self._end_command()

    def _trains(self) -> bool:
        return any(name in word.literal for word in self._words for name in TRAINERS)

    def _to_line_end(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _backslash(self) -> None:
        if self.text.startswith(("\\\n", "\\\r\n"), self.at):
            self.at += 2 if self.text[self.at + 1] == "\n" else 3
            return
        broken = _BROKEN_CONTINUATION.match(self.text, self.at)
        if broken:
            self._end_word()
            self.loose.append(self._line())
            self.at = broken.end()
            return
        if self.at + 1 < len(self.text):
            self._add(self.text[self.at + 1], quoted=True)
        self.at += 2

    def _control(self, char: str) -> None:
        if char == "&" and self.text.startswith(("&>"), self.at):
            self.at += 1
            self._redirection()
        elif char == "(" and self._pieces and _ARRAY.fullmatch(Word(tuple(self._pieces), 0).literal):
            self._array()
        else:
            double = self.text[self.at : self.at + 2]
            self._end_command(conditional=char == "|" or double == "&&")
            self.at += 2 if double in ("&&", "||") else 1

    def _array(self) -> None:
        line = self._line()
        inside = _Parser(self._bracketed("(", ")"), line)
        inside.run()
        words = tuple(word for command in inside.commands for word in command.words)
        self._words.append(Word(tuple(self._pieces or ()), line, words))
        self._pieces = None

    def _redirection(self) -> None:
        if self._pieces and Word(tuple(self._pieces), 0).literal.isdigit():
            self._pieces = None  # the number of a stream: 2>&1
        self._end_word()
        operator = _OPERATOR.match(self.text, self.at)
        self.at += len(operator[0]) if operator else 1
        if operator and operator[0] in ("<", ">") and self.text.startswith("(", self.at):
            self._bracketed("(", ")")
        elif operator and operator[0] in ("<<", "<<-"):
            delimiter = re.compile(r"[ \t]*([^\s;|&<>()]+)").match(self.text, self.at)
            if delimiter:
                self._here_documents.append(re.sub(r"[\\'\"]", "", delimiter[1]))
                self.at = delimiter.end()
        else:
            self._drop_word = True

    def _skip_here_documents(self) -> None:
        for delimiter in self._here_documents:
            while self.at < len(self.text):
                start = self.at
                self._to_line_end()
                line = self.text[start : self.at]
                self.at = min(self.at + 1, len(self.text))
                if line.strip() == delimiter:
                    break
        self._here_documents = []

    # Quotes and expansions

    def _until(self, quote: str, begin: int) -> str:
        """Text up to a closing quote; moves behind it."""
        end = self.text.find(quote, begin)
        if end < 0:
            self._never_closed()
            end = len(self.text)
        self.at = end + 1
        return self.text[begin:end]

    def _never_closed(self) -> None:
        self.unclosed = self.unclosed or self._line()

    def _double_quoted(self) -> None:
        self._add("", quoted=True)
        opened = self._line()
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                return
            if char == "\\" and self.at + 1 < len(self.text):
                following = self.text[self.at + 1]
                self._add(
                    {"\n": ""}.get(following, following) if following in '$`"\\\n' else f"\\{following}", quoted=True
                )
                self.at += 2
            elif char in "$`":
                self._expansion(quoted=True)
            else:
                run = _PLAIN_IN_QUOTES.match(self.text, self.at)
                self._add(run[0] if run else char, quoted=True)
                self.at += len(run[0]) if run else 1
        self.unclosed = self.unclosed or opened

    def _expansion(self, *, quoted: bool) -> None:
        """What begins with `$` or a backquote."""
        if self.text[self.at] == "`":
            self._add(self._until("`", self.at + 1), "substitution", quoted)
            return
        following = self.text[self.at + 1 : self.at + 2]
        if following == "{":
            self.at += 1
            self._add(self._bracketed("{", "}", literal_quotes=quoted), "variable", quoted)
        elif following == "(":
            self.at += 1
            self._add(self._bracketed("(", ")"), "substitution", quoted)
        elif following == "'" and not quoted:
            text = self._until("'", self.at + 2)
            self._add(re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text), quoted=True)
        elif following == '"' and not quoted:
            self.at += 1
            self._double_quoted()
        else:
            name = _NAME.match(self.text, self.at + 1)
            if name:
                self._add(name[0], "variable", quoted)
            else:
                self._add("$", quoted=quoted)
            self.at += 1 + (len(name[0]) if name else 0)

    def _bracketed(self, opening: str, closing: str, *, literal_quotes: bool = False) -> str:
        """What stands between the bracket here and the one that closes it; moves behind that."""
        begin = self.at + 1
        depth, position = 0, self.at
        while position < len(self.text):
            char = self.text[position]
            if char == "\\":
                position += 1
            elif char in "'\"" and not literal_quotes:
                position = self._closing_quote(position)
            elif char == "#" and opening == "(" and self.text[position - 1].isspace():
                position = max(position, self.text.find("\n", position))
            elif char == opening:
                depth += 1
            elif char == closing:
                depth -= 1
                if depth == 0:
                    self.at = position + 1
                    return self.text[begin:position]
            position += 1
        self._never_closed()
        self.at = len(self.text)
        return self.text[begin:]

    def _closing_quote(self, position: int) -> int:
        """Where the quote that begins at `position` ends; the text's end if it never does."""
        quote = self.text[position]
        position += 1
        while position < len(self.text) and self.text[position] != quote:
            position += 2 if quote == '"' and self.text[position] == "\\" else 1
        return position
