"""What the data pane makes of a scan that comes in parts is what it makes of the whole, and choosing is of all rows."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
from tui.conftest import scan_of
from tui.recorded import Recorded, screen_text, until

from workbench.tui.app import WorkbenchApp
from workbench.tui.memory import keep_out_of_collections
from workbench.tui.panes import choosing, data, scan
from workbench.tui.widgets.rows import RowList


def test_parts_give_what_the_whole_gives() -> None:
    whole = scan_of(400)
    one = scan.ScanIndex(whole.findings, whole.utterances)
    parts = scan.ScanIndex()
    for begin in range(0, 400, 37):
        parts.add(whole.findings[begin : begin + 37], whole.utterances[begin : begin + 37])
    for make in (lambda index: scan.facts(index, 0, 120, "now"), lambda index: scan.histogram(index, 46)):
        assert make(one) == make(parts)
    assert [(group.rule, sorted(group.rows)) for group in one.groups()] == [
        ("audio.missing", [3]), ("text.digits", [5, 7]), ("audio.rates", []),
    ]  # fmt: skip
    assert parts.groups() == one.groups()


def test_lengths_are_those_of_the_sorted_list() -> None:
    lengths = [0.5, 1.0, 2.9, 3.0, 9.99, 15.0, 31.4, 2.25, 4.05, 4.0]
    text = scan.histogram(scan.ScanIndex((), [{"row": 1, "seconds": value} for value in lengths]), 40)
    assert [line.split()[-1] for line in text.splitlines()[:-1]] == ["1", "3", "3", "1", "0", "2"]
    assert text.splitlines()[-1] == " 0.5–31.4 s  median 4.0  p95 31.4"


def test_words_are_looked_for_in_rows_that_came_after_the_first_search() -> None:
    index = scan.ScanIndex((), [{"row": 1, "text": "Ветер"}])
    assert len(index.chosen(None, "ветер")) == 1
    index.add((), [{"row": 2, "text": "Северный ВЕТЕР", "speaker": "мия"}, {"row": 3, "text": "дождь"}])
    assert [item["row"] for item in index.chosen(None, "ветер")] == [1, 2]
    assert [item["row"] for item in index.chosen(None, "ветер мия")] == [2]


def test_a_block_and_a_swap_speak_of_all_their_rows() -> None:
    block = {"subject": "m.csv:5", "evidence": {"first_line": 5, "last_line": 8}}
    assert list(scan.rows_of(block)) == [5, 6, 7, 8]
    other = {"subject": "m.csv:5", "evidence": {"best_line": 9}}
    assert list(scan.rows_of({"rule": "mismatch.swapped"} | other)) == [5, 9]
    assert list(scan.rows_of({"rule": "mismatch.other-line"} | other)) == [5]
    assert list(scan.rows_of({"subject": "wavs"})) == []


async def test_many_rows_are_chosen_in_a_thread_and_the_last_wish_counts(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "AT_ONCE", 10)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        rows = app.query_one("#utterances", RowList)
        await pilot.press("slash", *"00047")
        await until(pilot, lambda: [item["row"] for item in rows.items] == [47])
        await pilot.press("escape")
        await until(pilot, lambda: len(rows.items) == 48)
        await pilot.press("s", "down", "enter", "s", "enter")
        await until(pilot, lambda: [item["row"] for item in rows.items][:2] == [48, 47])
        assert [item["row"] for item in rows.items] == list(range(48, 0, -1))


def test_what_is_kept_out_of_collections_is_still_freed() -> None:
    class Seen:
        freed = False

        def __del__(self) -> None:
            Seen.freed = True

    holder = [{"row": 1, "it": Seen()}]
    before = gc.get_freeze_count()
    try:
        keep_out_of_collections()
        assert gc.get_freeze_count() > before
        holder.clear()
        assert Seen.freed
    finally:
        gc.unfreeze()


class Row(dict[str, Any]):
    """A row whose end can be seen."""


async def test_a_scan_is_freed_when_the_next_one_is_shown(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "LET_GO_SECONDS", 0.01)
    rows = [Row(item) for item in recorded.scan_result.utterances]
    old = [weakref.ref(item) for item in rows]
    recorded.scan_result = replace(recorded.scan_result, utterances=rows)
    del rows
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        recorded.scan_result = scan_of(12)
        try:
            await pilot.press("r")
            await until(pilot, lambda: "12 utterances" in screen_text(app))
            await until(pilot, lambda: not any(item() is not None for item in old))
            assert len(app.query_one("#utterances", RowList).items) == 12
        finally:
            gc.unfreeze()
