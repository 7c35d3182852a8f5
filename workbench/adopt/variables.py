"""What the words of a script mean: variables, defaults, and the few commands that only name a folder.

What can't be known without running something stays unknown, with the name of what is missing.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.adopt.shell import Piece, Word, parse

_EXPRESSION = re.compile(r"([A-Za-z_]\w*|\d+|[@*#?$!-])(\[[^\]]*\])?(:?[-=?+]|%%?|##?|)(.*)", re.DOTALL)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?)=")
_PREFIX = re.compile(r"[A-Za-z_]\w*\+?=")
# A script that doubles a variable a hundred times must not fill the memory.
_LONGEST = 65_536
_LONGEST_CUT = 4096
_DEEPEST = 12
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Text:
    """A text, and what was missing to know it: names of variables, or commands in `$(…)`."""

    value: str
    missing: tuple[str, ...] = ()

    def __add__(self, other: Text) -> Text:
        joined = self.value + other.value
        if len(joined) > _LONGEST:
            return Text("", (*self.missing, *other.missing, "a value that is too long"))
        return Text(joined, tuple(dict.fromkeys((*self.missing, *other.missing))))


Value = Text | tuple[Text, ...]


class Variables:
    """The variables of a script at one place of it."""

    def __init__(self, given: Mapping[str, str], *, script: Path | None, folder: Path) -> None:
        """
        Args:
            given: values that the user names; they win over those of the script.
            script: the file, for `$0`.
            folder: where the script is started.
        """
        self.folder: Path | None = folder
        self._given = dict(given)
        self._set: dict[str, Value] = {}
        self._script = script

    def get(self, name: str) -> Value | None:
        """The value of a variable; None when nothing sets it."""
        if name in self._given:
            return Text(self._given[name])
        if name in self._set:
            return self._set[name]
        if name in ("0", "BASH_SOURCE") and self._script is not None:
            return Text(str(self._script))
        if name == "PWD" and self.folder is not None:
            return Text(str(self.folder))
        if name in ("HOME", "USER") and name in os.environ:
            return Text(os.environ[name])
        if name == "#":
            return Text("0")
        return () if name in ("@", "*") else None

    def assign(self, word: Word, *, maybe: bool) -> bool:
        """Carry out `NAME=value`; False when the word is no assignment.

        Args:
            word: as in the script.
            maybe: it stands in an `if`, a loop or behind `&&`: then it counts only while the variable is unknown.
        """
        first = word.pieces[0] if word.pieces else None
        match = _ASSIGNMENT.match(first.text) if first and first.kind == "text" and not first.quoted else None
        if first is None or match is None:
            return False
        name, append = match[1], match[2] == "+"
        known = self._set.get(name)
        if maybe and not append and known is not None and known != Text(""):
            return True
        if word.array is not None:
            fields = tuple(field for item in word.array for field in self.fields(item))
            self._set[name] = (*_fields(known), *fields) if append else fields
            return True
        rest = Word((Piece(first.text[match.end() :]), *word.pieces[1:]), word.line)
        text = self.text(rest)
        if any(missing.startswith("$(") for missing in text.missing):
            text = Text(text.value, (name,))  # nobody can give a value to a command, but to the variable
        self._set[name] = _text(known) + text if append and known is not None else text
        return True

    def text(self, word: Word, depth: int = 0) -> Text:
        """A word as one text, as on the right side of an assignment."""
        result = Text("")
        for piece in word.pieces:
            result += _text(self._piece(piece, depth))
        return result

    def fields(self, word: Word) -> list[Text]:
        """A word as the words that a command gets: what is not in quotes is split at blanks."""
        done: list[Text] = []
        current: Text | None = None
        for piece in word.pieces:
            value = self._piece(piece, 0)
            if isinstance(value, tuple):
                parts: Sequence[Text] = value
            elif piece.kind == "text" or piece.quoted:
                current = (current or Text("")) + value
                continue
            else:
                parts = [Text(part, value.missing) for part in value.value.split()]
                parts = parts or [value] if value.missing else parts
                if value.value[:1].isspace() and current is not None:
                    done.append(current)
                    current = None
            for index, part in enumerate(parts):
                if index and current is not None:
                    done.append(current)
                    current = None
                current = (current or Text("")) + part
            if current is not None and isinstance(value, Text) and value.value[-1:].isspace():
                done.append(current)
                current = None
        nothing = any(self._piece(piece, 0) == () for piece in word.pieces)
        if current is None or (nothing and not done and current == Text("")):
            return done  # "$@" of a script that got no arguments is no word at all
        return [*done, current]

    def _piece(self, piece: Piece, depth: int) -> Value:
        if piece.kind == "text":
            return Text(piece.text)
        if depth > _DEEPEST:
            return Text("", ("a value that is nested too deeply",))
        if piece.kind == "substitution":
            return self._substitution(piece.text, depth + 1)
        return self._expression(piece.text, depth + 1)

    def _expression(self, text: str, depth: int) -> Value:
        """`NAME`, `NAME:-default` and their kind, without the braces."""
        match = _EXPRESSION.fullmatch(text)
        if match is None:
            return Text(f"${{{text}}}", (f"${{{text[:_SHOWN]}}}",))
        name, index, operator, rest = match[1], match[2] or "", match[3], match[4]
        value = self.get(name)
        if (index and index not in ("[@]", "[*]", "[0]")) or (name in "@*#?$!-" and rest):
            return Text(f"${{{text}}}", (f"${{{text[:_SHOWN]}}}",))
        if index == "[0]" or (isinstance(value, tuple) and not index and name not in "@*"):
            value = next(iter(_fields(value)), None)
        empty = value is None or (operator.startswith(":") and _text(value) == Text(""))
        if operator[-1:] in ("-", "="):
            return self._inner(rest, depth) if empty else value or Text("")
        if operator[-1:] == "+":
            return Text("") if empty else self._inner(rest, depth)
        if value is None:
            return Text(f"${name}", (name,))
        if operator[:1] in ("%", "#"):
            return self._cut(_text(value), operator, _text(self._inner(rest, depth)).value)
        if not operator and rest:
            return Text(f"${{{text}}}", (f"${{{text[:_SHOWN]}}}",))
        return value

    def _inner(self, text: str, depth: int) -> Text:
        """A default or a pattern: a text with variables in it."""
        # In quotes, blanks do not end a word; quotes that stand in it group as they would outside.
        words = [word for command in parse(text).commands for word in command.words]
        result = Text("")
        for number, word in enumerate(words):
            result = result + (Text(" ") if number else Text("")) + self.text(word, depth)
        return result

    def _cut(self, value: Text, operator: str, pattern: str) -> Text:
        """`${NAME%pattern}` and `${NAME#pattern}`; doubled, the longest match."""
        text = value.value
        if len(text) > _LONGEST_CUT:
            return Text("", (*value.missing, "a value that is too long"))
        lengths: Iterable[int] = range(len(text) + 1)
        if len(operator) == 2:
            lengths = reversed(range(len(text) + 1))
        for length in lengths:
            part = text[len(text) - length :] if operator[0] == "%" else text[:length]
            if fnmatch.fnmatchcase(part, pattern):
                return Text(text[: len(text) - length] if operator[0] == "%" else text[length:], value.missing)
        return value

    def _substitution(self, text: str, depth: int) -> Text:
        """`$(…)`, when it only names a folder."""
        unknown = Text(f"$({text})", (f"$({' '.join(text.split())[:_SHOWN]})",))
        commands = [[self.text(word, depth) for word in command.words] for command in parse(text).commands]
        if not commands or any(not words for words in commands):
            return unknown
        folder = self.folder
        for words in commands[:-1]:
            target = changed_folder([word.value for word in words], folder)
            if target is None or any(word.missing for word in words):
                return unknown
            folder = target
        *_, words = commands
        missing = tuple(name for word in words for name in word.missing)
        value = _named_path([word.value for word in words], folder)
        return unknown if value is None else Text(value, missing)


def changed_folder(words: Sequence[str], folder: Path | None) -> Path | None:
    """Where `cd` leads; None when the command is none, or leads nowhere that can be known."""
    if not words or words[0] not in ("cd", "pushd"):
        return None
    targets = [word for word in words[1:] if not word.startswith("-")]
    if len(targets) != 1 or folder is None:
        return None
    return Path(os.path.normpath(folder / Path(targets[0]).expanduser()))


def _named_path(words: Sequence[str], folder: Path | None) -> str | None:
    """What `pwd`, `dirname` and their kind print; None for every other command."""
    name, *arguments = words
    arguments = [argument for argument in arguments if not re.fullmatch(r"-[A-Za-z-]+", argument)]
    if name == "pwd" and folder is not None:
        return str(folder)
    if not arguments:
        return None
    if name == "dirname":
        return os.path.dirname(arguments[0].rstrip("/")) or "."  # noqa: PTH120 - as text, it need not exist
    if name == "basename":
        base = arguments[0].rstrip("/").rpartition("/")[2]
        return base.removesuffix(arguments[1]) if len(arguments) > 1 else base
    if name in ("realpath", "readlink") and folder is not None:
        return os.path.normpath(folder / arguments[0])
    return " ".join(arguments) if name == "echo" else None


def is_assignment(word: Word) -> bool:
    """Whether a word has the form `NAME=…` or `NAME+=…`."""
    first = word.pieces[0] if word.pieces else None
    return first is not None and first.kind == "text" and not first.quoted and bool(_PREFIX.match(first.text))


def _fields(value: Value | None) -> tuple[Text, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _text(value: Value) -> Text:
    if isinstance(value, Text):
        return value
    result = Text("")
    for number, field in enumerate(value):
        result = result + (Text(" ") if number else Text("")) + field
    return result
