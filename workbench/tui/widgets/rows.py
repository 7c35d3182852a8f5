"""A list of rows that costs the same for ten rows and for a hundred thousand: only what is on the screen is drawn."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from workbench.tui.clean import clean
from workbench.tui.keys import bindings

_GLYPHS = {"✗": "rows--bad", "▲": "rows--warn", "✓": "rows--good", "★": "rows--best"}
_SPLIT = re.compile(f"([{''.join(_GLYPHS)}])")
_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column; a width of 0 takes what the others leave."""

    title: str
    width: int
    """Cells."""
    right: bool = False
    narrowest: int = 0
    """Cells the list must have for the column to be shown."""


class RowList(ScrollView, can_focus=True):
    """Rows of text with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("list")]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--header", "rows--cursor", *_GLYPHS.values()}
    DEFAULT_CSS = """
    RowList { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    RowList > .rows--header { text-style: dim; }
    RowList > .rows--cursor { text-style: bold; }
    RowList:focus > .rows--cursor { text-style: reverse; }
    RowList > .rows--bad { color: $text-error; }
    RowList > .rows--warn { color: $text-warning; }
    RowList > .rows--good { color: $text-success; }
    RowList > .rows--best { color: $text-accent; }
    """

    cursor: reactive[int] = reactive(0)

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

        def can_replace(self, message: Message) -> bool:
            """Holding an arrow key down leaves the last move only."""
            return isinstance(message, RowList.Moved) and message.rows is self.rows

        @property
        def control(self) -> RowList:
            """The list, for `@on(..., "#id")`."""
            return self.rows

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[Any], Sequence[str]],
        *,
        id: str,  # noqa: A002 - Textual's name for it
        empty: str = "",
    ) -> None:
        super().__init__(id=id)
        self._columns = columns
        self._cells = cells
        self._items: Sequence[Any] = ()
        self._empty = empty
        self._looks: Mapping[str, Style] = {}
        """Styles of the component classes, and of the list itself by the empty name."""

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Show other columns; `cells` gives theirs from now on."""
        self._columns = columns
        self.refresh()

    @property
    def items(self) -> Sequence[Any]:
        """What the rows show."""
        return self._items

    @property
    def selected(self) -> Any | None:
        """What the cursor stands on; None when the list is empty."""
        return self._items[self.cursor] if 0 <= self.cursor < len(self._items) else None

    def show(self, items: Sequence[Any], *, cursor: int | None = None, empty: str | None = None) -> None:
        """Show other items; the cursor keeps its number unless it is given."""
        self._items = items
        self._empty = self._empty if empty is None else empty
        self.virtual_size = Size(0, len(items) + 1)
        wanted = self.cursor if cursor is None else cursor
        self.set_reactive(RowList.cursor, max(0, min(wanted, len(items) - 1)))
        self._keep_cursor_in_view()
        self._count()
        self.refresh()
        self.post_message(self.Moved(self))

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, len(self._items) - 1))

    def watch_cursor(self) -> None:
        """Follow the cursor."""
        self._keep_cursor_in_view()
        self._count()
        self.refresh()
        self.post_message(self.Moved(self))

    def on_focus(self) -> None:
        """The cursor is drawn in another style."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor is drawn in another style."""
        self.refresh()

    def on_resize(self) -> None:
        """Widths of columns hang on ours."""
        self._keep_cursor_in_view()
        self.refresh()

    def action_move(self, rows: int) -> None:
        """Move by rows."""
        self.cursor += rows

    def action_move_page(self, pages: int) -> None:
        """Move by what is on the screen."""
        self.cursor += pages * max(1, self.scrollable_content_region.height - 2)

    def action_move_to(self, row: int) -> None:
        """First row (0) or last row (-1)."""
        self.cursor = row if row >= 0 else len(self._items) - 1

    def _keep_cursor_in_view(self) -> None:
        height = self.scrollable_content_region.height - 1
        if height <= 0:
            return
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def _count(self) -> None:
        total = len(self._items)
        self.border_subtitle = f"{self.cursor + 1} of {total}" if total else ""

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines of the screen; styles are looked up once for all of them."""
        self._looks = self._look_up()
        return super().render_lines(crop)

    def _look_up(self) -> Mapping[str, Style]:
        return {"": self.rich_style} | {name: self.get_component_rich_style(name) for name in self.COMPONENT_CLASSES}

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the header, a row, or what to do while there is none."""
        width = self.scrollable_content_region.width
        self._looks = self._looks or self._look_up()
        base = self._looks[""]
        if not self._items:
            lines = ["", *(part for line in self._empty.split("\n") for part in wrap(line, max(8, width - 3)))]
            text = lines[y] if y < len(lines) else ""
            return Strip(self._paint(set_cell_size(f"  {clean(text)}", width), base), width)
        if y == 0:
            style = base + self._looks["rows--header"]
            return Strip([Segment(self._line([column.title for column in self._columns], "  ", width), style)], width)
        row = y - 1 + self.scroll_offset.y
        if row >= len(self._items):
            return Strip.blank(width, base)
        here = row == self.cursor
        style = base + self._looks["rows--cursor"] if here else base
        line = self._line([clean(cell) for cell in self._cells(self._items[row])], "▸ " if here else "  ", width)
        return Strip(self._paint(line, style), width)

    def _line(self, cells: Sequence[str], start: str, width: int) -> str:
        shown = [(column, cell) for column, cell in zip(self._columns, cells, strict=True) if width >= column.narrowest]
        fixed = sum(column.width for column, _ in shown) + _GAP * (len(shown) - 1) + len(start)
        parts = []
        for column, cell in shown:
            space = column.width or max(0, width - fixed)
            if cell_len(cell) > space:
                cell = set_cell_size(cell, max(0, space - 1)) + "…"[:space]
            pad = " " * (space - cell_len(cell))
            parts.append(pad + cell if column.right else cell + pad)
        return set_cell_size(start + (" " * _GAP).join(parts), width)

    def _paint(self, line: str, style: Style) -> list[Segment]:
        """Colour the glyphs that say how bad a thing is; glyph and word say it without colour too."""
        parts = (part for part in _SPLIT.split(line) if part)
        return [
            Segment(
                part,
                style + Style(color=self._looks[_GLYPHS[part]].color) if part in _GLYPHS else style,
            )
            for part in parts
        ]
