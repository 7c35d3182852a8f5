"""Text from data made safe to draw.

File names, transcripts, error lines and log lines come from outside. Textual passes an escape sequence in them on to
the terminal, where it may set the clipboard, the title or the screen. `clean` is for a widget that lays text out by
cells; `CleanFilter` stands behind every widget, so none can forget.
"""

from __future__ import annotations

import re

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

# C0 and DEL, C1, bidi marks and overrides, line and paragraph separators, lone surrogates (can't be written as UTF-8).
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile(r"[\t\r\n\f\v]+")


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def clean(text: object) -> str:
    """One line of plain text: tabs and line breaks become a blank, other harmful characters a visible `\\x1b`."""
    return _HARMFUL.sub(_visible, _BREAKS.sub(" ", str(text)))


class CleanFilter(LineFilter):
    """The last pass before the terminal: takes harmful characters and links out of every drawn line.

    A character that had no width is dropped and one that had is replaced, so the line keeps its width.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line without anything that a terminal would act on."""
        if not any(_HARMFUL.search(text) or (style and style.link) for text, style, _ in segments):
            return segments
        cleaned = []
        for text, style, control in segments:
            safe = _HARMFUL.sub(lambda match: "\ufffd" * cell_len(match[0]), text)
            cleaned.append(Segment(safe, style.update_link(None) if style and style.link else style, control))
        return cleaned
