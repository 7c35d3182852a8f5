"""Nothing that comes from data may reach the terminal as a command to it."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.color import Color
from textual.widgets import DataTable, Input, Label, Log, OptionList, RichLog, Static

from workbench.tui.clean import CleanFilter, clean

PAYLOADS = [
    "\x1b]0;owned\x07",
    "\x1b]52;c;cm0gLXJmIH4=\x1b\\",
    "\x1b]8;;file:///etc/passwd\x1b\\click\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[H",
    "\x1bPq#0\x1b\\",
    "\x1b_Gf=100;AAAA\x1b\\",
    "\x9b2J",
    "\x9d0;owned\x9c",
    "\x90payload",
    "\x1b",
    "a\x00b\x7fc",
    "\r\noverwritten",
    "\u202egnp.exe",
    "\u2066left\u2069",
    "\u061c\u200e\u200f",
    "line\u2028separator\u2029",
    "lone \ud800 surrogate",
    "[type='x'] [/] [red]",
]
HARMFUL = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *"\u061c\u200e\u200f\u2028\u2029\ud800"}
HARMFUL |= {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_clean_leaves_no_character_that_a_terminal_would_obey(payload: str) -> None:
    assert not HARMFUL & set(clean(payload))


def test_clean_shows_what_it_took_away_and_keeps_the_rest() -> None:
    assert clean("до\x1b[2Jпосле\u202e") == "до\\x1b[2Jпосле\\u202e"
    assert clean("Ёлка, 大阪, naïve — ok") == "Ёлка, 大阪, naïve — ok"
    assert clean("two\r\nlines\tand  a tab") == "two lines and  a tab"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_filter_keeps_the_width_of_a_line(payload: str) -> None:
    line = [Segment("a"), Segment(payload, Style(link="https://example.org")), Segment("b")]
    safe = CleanFilter().apply(line, Color(0, 0, 0))
    assert not HARMFUL & set("".join(segment.text for segment in safe))
    assert sum(cell_len(segment.text) for segment in safe) == sum(cell_len(segment.text) for segment in line)
    assert all(segment.style is None or segment.style.link is None for segment in safe)


def test_the_filter_hands_a_harmless_line_back_untouched() -> None:
    line = [Segment("обычная строка")]
    assert CleanFilter().apply(line, Color(0, 0, 0)) is line


class Widgets(App[None]):
    """Every widget that shows text, each fed with every payload, behind the filter that our app uses."""

    def __init__(self, payload: str) -> None:
        super().__init__()
        self.payload = payload

    def get_line_filters(self):  # type: ignore[no-untyped-def]
        return [CleanFilter(), *super().get_line_filters()]

    def compose(self) -> ComposeResult:
        payload = self.payload
        yield Static(payload, markup=False)
        yield Label(payload, markup=False)
        yield Input(value=payload.replace("\n", " "))
        yield OptionList(payload, markup=False)
        yield DataTable()
        yield Log()
        yield RichLog()
        titled = Static("titled", markup=False)
        titled.border_title = payload.replace("[", "(")
        titled.styles.border = ("round", "white")
        yield titled

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.add_column("text")
        table.add_row(self.payload.replace("[", "("))
        self.query_one(Log).write_line(self.payload)
        self.query_one(RichLog).write(self.payload)
        self.notify(self.payload, markup=False)


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_no_widget_passes_a_payload_on(payload: str) -> None:
    app = Widgets(payload)
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.pause()
        lines = [strip.text for strip in app.screen._compositor.render_strips()]
    assert not HARMFUL & set("".join(lines))
