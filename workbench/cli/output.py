"""What the command line prints: plain lines that are only appended, or one JSON document.

Nothing is drawn over, coloured or animated, so that a pipe, a log, `TERM=dumb` and a screen reader get the same text.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

# Control characters of data (file names, transcripts, messages) must not reach the terminal as commands.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SECONDS_BETWEEN_LINES = 2.0


def visible(text: str) -> str:
    """The text with harmful characters spelled out (`\\x1b`)."""
    return _HARMFUL.sub(
        lambda match: f"\\u{ord(match[0]):04x}" if ord(match[0]) > 0xFF else f"\\x{ord(match[0]):02x}", text
    )


def one_line(text: object) -> str:
    """The text in one line, safe to print."""
    return visible(" ".join(str(text).split()))


class Console:
    """Where a verb prints to."""

    def __init__(self, *, as_json: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        """
        Args:
            as_json: the answer is a JSON document on stdout; lines for people go to stderr.
            out, err: streams; by default those of the process at this moment.
        """
        self.as_json = as_json
        self._out = out if out is not None else sys.stdout
        self._err = err if err is not None else sys.stderr
        # JSON has escapes of its own for what an encoding lacks.
        self._ascii = not (getattr(self._out, "encoding", None) or "utf-8").lower().startswith("utf")

    def line(self, text: str = "") -> None:
        """A line of the answer for people; nothing in JSON mode."""
        if not self.as_json:
            print(visible(text), file=self._out, flush=True)

    def note(self, text: str) -> None:
        """A line about what is going on: stdout for people, stderr beside JSON."""
        print(visible(text), file=self._err if self.as_json else self._out, flush=True)

    def answer(self, document: Any) -> None:
        """The JSON document; nothing in plain mode."""
        if self.as_json:
            print(json.dumps(document, ensure_ascii=self._ascii, indent=2, default=str), file=self._out, flush=True)

    def record(self, document: Any) -> None:
        """One line of a JSON stream, for verbs that follow something; nothing in plain mode."""
        if self.as_json:
            print(json.dumps(document, ensure_ascii=self._ascii, default=str), file=self._out, flush=True)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Aligned columns; the last one is not padded or cut."""
        if self.as_json:
            return
        cells = [[one_line(cell) for cell in row] for row in rows]
        widths = [max([len(head), *(len(row[column]) for row in cells)]) for column, head in enumerate(heads)]
        for row in [list(heads), *cells]:
            padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
            self.line("  ".join([*padded, row[-1]]).rstrip())


class ProgressLines:
    """Progress of a worker call as lines. An instance is the `on_progress` of a call."""

    def __init__(self, console: Console, title: str, *, seconds: float = _SECONDS_BETWEEN_LINES) -> None:
        """
        Args:
            console: where to print to.
            title: how each line begins.
            seconds: between two lines; the first comes after two seconds.
        """
        self._console = console
        self._title = title
        self._seconds = seconds
        self._printed = time.monotonic() - seconds + _SECONDS_BETWEEN_LINES

    def __call__(self, done: float, total: float, what: str) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        if now - self._printed < self._seconds:
            return
        self._printed = now
        amount = f"{done:g}/{total:g}" if total else f"{done:g}"
        self._console.note(f"{self._title}: {amount} {what}".rstrip())
