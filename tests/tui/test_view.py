"""The window of a chart, its ticks, and how numbers are written: no screen needed."""

from __future__ import annotations

import math
import random

import pytest

from workbench.tui.format import age, bar, count, duration, number, size, trend
from workbench.tui.widgets.view import NARROWEST, View, tick_labels, ticks

EXTENT = (0.0, 1000.0)


def test_a_fresh_view_shows_the_whole_run_and_grows_with_it() -> None:
    assert View().window(EXTENT) == EXTENT
    assert View().window((0.0, 2000.0)) == (0.0, 2000.0)


def test_zooming_in_keeps_the_newest_batch_in_sight() -> None:
    assert View().zoomed(0.5, EXTENT).window(EXTENT) == (500.0, 1000.0)


def test_zooming_in_keeps_the_cursor_where_it_is_on_the_screen() -> None:
    view = View(cursor=250.0).zoomed(0.5, EXTENT)
    start, stop = view.window(EXTENT)
    assert (stop - start, (250.0 - start) / (stop - start)) == (500.0, 0.25)


def test_zooming_out_ends_at_the_whole_run_and_in_at_a_few_batches() -> None:
    view = View()
    for _ in range(40):
        view = view.zoomed(0.5, EXTENT)
    start, stop = view.window(EXTENT)
    assert stop - start == NARROWEST
    for _ in range(40):
        view = view.zoomed(2.0, EXTENT)
    assert view == View()


def test_a_window_never_leaves_the_run() -> None:
    chance = random.Random(7)
    for _ in range(300):
        view = View()
        for _ in range(20):
            view = view.zoomed(chance.choice([0.5, 2.0]), EXTENT)
            view = view.panned(chance.choice([-1, 1]), EXTENT)
            start, stop = view.window(EXTENT)
            assert EXTENT[0] - 1e-9 <= start < stop <= EXTENT[1] + 1e-9


def test_the_window_follows_the_cursor() -> None:
    view = View(start=400.0, stop=500.0).with_cursor(600.0, EXTENT)
    assert (view.cursor, view.window(EXTENT)) == (600.0, (500.0, 600.0))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 100, [0, 20, 40, 60, 80, 100]), (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (3, 3, [3])],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high, 5) == pytest.approx(expected)


def test_batches_have_whole_ticks() -> None:
    assert ticks(0.0, 2.0, 6, whole=True) == [0.0, 1.0, 2.0]


def test_neighbouring_ticks_never_read_the_same() -> None:
    chance = random.Random(3)
    for _ in range(500):
        low = chance.choice([0.0, chance.uniform(-50, 50)])
        values = ticks(low, low + 10 ** chance.uniform(-3, 6), 5)
        labels = tick_labels(values)
        assert len(set(labels)) == len(labels), (values, labels)


def test_no_tick_where_nothing_is_finite() -> None:
    assert ticks(math.nan, 1.0, 4) == []
    assert tick_labels([]) == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (count(12480), "12 480"),
        (size(1_002_338_411), "1.00 GB"),
        (size(63_000_000), "63.0 MB"),
        (size(212_000_000_000), "212 GB"),
        (size(12), "12 B"),
        (duration(0.44), "0.4 s"),
        (duration(41), "41 s"),
        (duration(250), "4m10s"),
        (duration(6600), "1h50m"),
        (duration(187_200), "2d04h"),
        (duration(None), "–"),
        (duration(math.inf), "–"),
        (age(0.2), "now"),
        (age(187), "3 min"),
        (number(0.24612), "0.2461"),
        (number(24.912), "24.91"),
        (number(math.nan), "NaN"),
        (number(None), "–"),
        (number(2e-4), "2.00e-4"),
        (bar(0.5, 4), "██"),
        (bar(2.0, 4), "████"),
        (trend([1, 2, 3, 4], 4), "▁▃▆█"),
        (trend([1.0, math.nan], 2), "▄✗"),
        (trend([], 4), ""),
    ],
)
def test_numbers_are_written_as_people_read_them(written: str, expected: str) -> None:
    assert written == expected
