"""Errors of the library that name a file; one line each, for the user to read."""

from __future__ import annotations

import re

LONGEST_LINE = 600
"""Characters of a message; what is longer loses its middle."""

# What a terminal or a log would take for a command or a line break: control characters, line separators, marks that
# turn the direction of writing, halves of a character.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def in_one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """The text in one line without control characters; one that is too long loses its middle.

    Names in a file are the file's author's words: they are shown, and must not be able to do anything.
    """
    shown = _HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode(), " ".join(text.split()))
    if len(shown) <= longest:
        return shown
    head = (longest - 1) // 3
    return f"{shown[:head]}…{shown[len(shown) - (longest - 1 - head) :]}"


class CheckpointFileError(Exception):
    """A checkpoint file can't be written, read or used. `str(error)` is the line to show."""

    def __init__(self, message: str) -> None:
        super().__init__(in_one_line(message))
