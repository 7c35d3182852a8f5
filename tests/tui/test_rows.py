"""A list of ten thousand rows moves as fast as one of ten, and shows what the cursor stands on."""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual.app import App, ComposeResult
from tui.recorded import screen_text

from workbench.tui.panes import scan, utterances
from workbench.tui.widgets.rows import Column, RowList

COLUMNS = (Column("n", 6, right=True), Column("text", 0), Column("wide", 8, narrowest=60))


class ListApp(App[None]):
    def __init__(self, items: Sequence[int]) -> None:
        super().__init__()
        self.items = items
        self.drawn: list[int] = []

    def cells(self, item: int) -> tuple[str, str, str]:
        self.drawn.append(item)
        return str(item), f"Строка {item} \x1b[2J", "wide"

    def compose(self) -> ComposeResult:
        yield RowList(COLUMNS, self.cells, id="rows", empty="nothing here\npress t")

    def on_mount(self) -> None:
        rows = self.query_one(RowList)
        rows.show(self.items)
        rows.focus()


async def test_only_rows_on_the_screen_are_made() -> None:
    app = ListApp(range(10_000))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert 0 < len(set(app.drawn)) <= 24


async def test_ten_thousand_rows_page_in_a_moment() -> None:
    app = ListApp(range(10_000))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        started = time.process_time()
        for _ in range(20):
            await pilot.press("pagedown")
        spent = (time.process_time() - started) / 20
        assert "▸" in screen_text(app)
    # Measured 8 ms on a quiet machine, most of it the pilot's; a table of 10 000 made rows takes seconds.
    assert spent < 0.1


async def test_keys_move_and_the_cursor_stays_in_sight() -> None:
    app = ListApp(range(100))
    async with app.run_test(size=(80, 24)) as pilot:
        rows = app.query_one(RowList)
        await pilot.press("down", "j", "j", "k")
        assert rows.selected == 2
        await pilot.press("end")
        assert rows.selected == 99
        assert "▸     99" in screen_text(app)
        await pilot.press("home", "pagedown")
        assert rows.selected == rows.cursor > 10
        await pilot.press("up", "home", "up")
        assert rows.selected == 0
        assert "100" in str(rows.border_subtitle)


async def test_narrow_lists_leave_columns_out_and_cut_with_a_sign() -> None:
    app = ListApp(range(3))
    async with app.run_test(size=(30, 10)) as pilot:
        await pilot.pause()
        text = screen_text(app)
    assert "wide" not in text
    assert "…" in text or "Строка 0" in text
    assert "\x1b" not in text


async def test_an_empty_list_says_what_to_do() -> None:
    app = ListApp([])
    async with app.run_test(size=(40, 10)) as pilot:
        await pilot.press("down", "end", "pagedown")
        assert app.query_one(RowList).selected is None
        assert "press t" in screen_text(app)


async def test_fewer_rows_keep_the_cursor_on_a_row() -> None:
    app = ListApp(range(100))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("end")
        app.query_one(RowList).show(range(5))
        await pilot.pause()
        assert app.query_one(RowList).selected == 4
        assert "▸      4" in screen_text(app)


async def test_what_to_do_in_an_empty_list_is_wrapped_not_cut() -> None:
    app = ListApp([])
    async with app.run_test(size=(40, 24)) as pilot:
        app.query_one(RowList).show(
            [], empty="metadata.csv: there is no such file. Create it, or correct [dataset]\nr scans"
        )
        await pilot.pause()
        said = " ".join(screen_text(app).replace("│", " ").replace("┃", " ").split())
        assert "there is no such file. Create it, or correct [dataset] r scans" in said


def test_an_utterance_says_what_the_trainer_makes_of_it() -> None:
    trained = {"row": 1, "text": "Да.", "becomes": "trained", "why": "", "part": "validation"}
    dropped = {"row": 2, "text": "Нет.", "becomes": "dropped", "why": "its text gives no phonemes"}
    assert "becomes      trained, in validation" in utterances.detail(trained, [], None).splitlines()
    assert "becomes      trained" in utterances.detail({**trained, "part": None}, [], None).splitlines()
    assert "✗ not trained: its text gives no phonemes" in utterances.detail(dropped, [], None).splitlines()
    # Many rows with the same fault are one finding, which has no line.
    found = [{"severity": "drops", "subject": "metadata.csv", "rule": "phonemes.none", "message": "…", "evidence": {}}]
    assert scan.ScanIndex(found, [trained, dropped]).unusable == 1
