"""Pages to read: help, trainer log, alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from workbench.tui.keys import help_keys
from workbench.tui.widgets.panel import Panel, entitle

_CLOSE: list[BindingType] = [
    Binding("escape,q", "dismiss(None)", "close", id="page.close"),
    Binding("j", "scroll('scroll_down')", "down", id="page.down"),
    Binding("k", "scroll('scroll_up')", "up", id="page.up"),
]


class Page(ModalScreen[None]):
    """Text to scroll through; esc or q closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [*_CLOSE]

    def __init__(self, title: str, read: Callable[[], str], *, at_end: bool = False) -> None:
        """
        Args:
            title: over the text.
            read: gives the text; called again while the page is open.
            at_end: whether the newest line is the last one and is to be seen.
        """
        super().__init__()
        self._heading = title
        self._read = read
        self._at_end = at_end

    def compose(self) -> ComposeResult:
        """The text in a box."""
        with VerticalScroll(id="page"):
            yield Panel(self._read(), id="text")

    def on_mount(self) -> None:
        """Title, focus, newest line."""
        box = self.query_one("#page", VerticalScroll)
        entitle(box, self._heading)
        box.border_subtitle = "↑ ↓ PgUp PgDn move   esc closes"
        box.focus()
        if self._at_end:
            box.scroll_end(animate=False)

    def action_scroll(self, how: str) -> None:
        """One line up or down."""
        getattr(self.query_one("#page", VerticalScroll), how)(animate=False)

    def reread(self) -> None:
        """The text may have grown; stay at the end only if the reader is there."""
        box = self.query_one("#page", VerticalScroll)
        was_at_end = box.scroll_offset.y >= box.max_scroll_y
        self.query_one("#text", Panel).show(self._read())
        if was_at_end and self._at_end:
            box.scroll_end(animate=False)


def help_text(scopes: Sequence[str], manual: Sequence[tuple[str, str]]) -> str:
    """Keys of the pane first, then all others, then the pages of the manual."""
    lines = []
    for title, keys in help_keys(*scopes):
        lines += [title, ""]
        for key in keys:
            lines.append(f"  {key.shown}{' ' * max(1, 11 - cell_len(key.shown))}{key.what}")
        lines.append("")
    for name, text in manual:
        lines += ["─" * 40, f"manual: {name}", "", *text.splitlines(), ""]
    return "\n".join(lines)
