"""A block of text lines; says nothing to the terminal when the text is the same as before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from workbench.tui.clean import clean

GLYPHS = {"✗": "$text-error", "▲": "$text-warning", "✓": "$text-success", "★": "$text-accent", "●": "$text-success"}
"""What is coloured wherever it stands, and how."""


def painted(text: str, styles: Mapping[str, str] = GLYPHS) -> Content:
    """Text with its glyphs coloured; the glyph says it without colour too. Line breaks stay, all else is cleaned."""
    content = Content("\n".join(clean(line) for line in text.split("\n")))
    for match in re.finditer("|".join(map(re.escape, styles)), content.plain):
        content = content.stylize(styles[match[0]], match.start(), match.end())
    return content


def entitle(widget: Widget, title: str) -> None:
    """Write a title into the border; as content, because a string would be read as markup."""
    widget.border_title = Content(clean(title))


class Panel(Static):
    """Text lines without markup; a line that is too long is cut, not wrapped."""

    DEFAULT_CSS = "Panel { text-wrap: nowrap; text-overflow: ellipsis; }"
    STYLES: ClassVar[Mapping[str, str]] = GLYPHS

    def __init__(self, text: str = "", *, id: str | None = None, title: str = "") -> None:  # noqa: A002 - Textual's name for it
        super().__init__(painted(text, self.STYLES), id=id, markup=False)
        self.text = text
        if title:
            entitle(self, title)

    def show(self, text: str) -> None:
        """Show other lines."""
        if text != self.text:
            self.text = text
            self.update(painted(text, self.STYLES))
