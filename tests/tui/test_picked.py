"""Rows by their places: sorted and cut as a list of them would be."""

from __future__ import annotations

import gc
import random
from typing import Any

import pytest

from workbench.tui.memory import let_go
from workbench.tui.panes import picked
from workbench.tui.panes.picked import Picked
from workbench.tui.panes.utterances import ORDERS


def rows_of(number: int) -> list[dict[str, Any]]:
    """Rows with few different lengths, some of them unknown, in no order."""
    chance = random.Random(1)
    rows: list[dict[str, Any]] = [
        {"row": row, "file": f"{chance.randrange(50)}.wav", "seconds": chance.choice([None, 1.0, 2.5, 3.0])}
        for row in range(number)
    ]
    chance.shuffle(rows)
    return rows


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("order", ["line", "file", "seconds", "peak"])
def test_rows_are_in_the_order_of_a_stable_sort_and_unknown_ones_last(
    order: str, falling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picked, "_AT_ONCE", 70)
    rows, value = rows_of(1000), ORDERS[order]
    places = range(0, 1000, 3)
    known = [rows[at] for at in places if value(rows[at]) is not None]
    unknown = [rows[at] for at in places if value(rows[at]) is None]
    wanted = sorted(known, key=lambda item: value(item) or 0, reverse=falling) + unknown
    assert [*Picked(rows, places).in_order(value, falling=falling)] == wanted


def test_rows_are_a_sequence_also_while_their_list_grows() -> None:
    rows = rows_of(6)
    some = Picked(rows, [4, 0, 2])
    rows.append({"row": 6})
    assert [*some] == [rows[4], rows[0], rows[2]]
    assert (len(some), some[1], some[-1]) == (3, rows[0], rows[2])
    assert [*some[1:]] == [rows[0], rows[2]]
    with pytest.raises(IndexError):
        some[3]


def test_rows_that_are_let_go_are_freed_whatever_is_kept_out_of_collections() -> None:
    class Seen:
        freed = 0

        def __del__(self) -> None:
            Seen.freed += 1

    rows = [Seen() for _ in range(1203)]
    shown = [rows[0]]
    held = [rows]
    del rows
    gc.freeze()
    try:
        let_go(held)
    finally:
        gc.unfreeze()
    assert (held, Seen.freed, len(shown)) == ([], 1202, 1)
