"""Columns for the chart, against a slow and obvious computation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.tail.downsample import columns, nearest, smooth


def slow_columns(
    x: np.ndarray, y: np.ndarray, start: float, stop: float, width: int
) -> list[tuple[float, float, float]]:
    """(mean x, mean, count) of each non-empty column inside the window, by counting every point."""
    edges = np.linspace(start, stop, width + 1)
    result = []
    for index in range(width):
        right = x <= stop if index == width - 1 else x < edges[index + 1]
        inside = (x >= edges[index]) & right
        if inside.any():
            finite = y[inside][np.isfinite(y[inside])]
            result.append((x[inside].mean(), finite.mean() if len(finite) else math.nan, len(finite)))
    return result


@pytest.mark.parametrize("seed", range(20))
def test_columns_are_the_means_of_what_falls_into_them(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = np.sort(random.integers(0, 300, random.integers(1, 400)))
    y = random.normal(size=len(x)) * 10
    y[random.random(len(x)) < 0.05] = random.choice([np.nan, np.inf, -np.inf])
    start, stop = sorted(random.uniform(-20, 320, 2))
    width = int(random.integers(1, 120))
    found = columns(x if seed % 2 else x.astype(float), y, start, stop, width)
    left, right = int((x < start).any()), int((x > stop).any())
    inside = slice(left, len(found) - right)
    expected = slow_columns(x, y, start, stop, width)
    assert len(found.x[inside]) == len(expected)
    np.testing.assert_allclose(found.x[inside], [row[0] for row in expected])
    np.testing.assert_allclose(found.mean[inside], [row[1] for row in expected])
    np.testing.assert_array_equal(found.count[inside], [row[2] for row in expected])
    if left:
        assert found.x[0] == x[x < start].max()
    if right:
        assert found.x[-1] == x[x > stop].min()


def test_band_holds_the_spikes_the_mean_hides() -> None:
    x = np.arange(1_000_000)
    y = np.ones(len(x))
    y[[123_456, 765_432]] = 50.0, -50.0
    found = columns(x, y, 0, 999_999, 100)
    assert len(found) == 100
    assert (found.high.max(), found.low.min()) == (50.0, -50.0)
    assert np.abs(found.mean - 1.0).max() < 0.01
    assert found.count.sum() == len(x)


def test_line_breaks_at_a_column_with_nan_and_the_column_is_marked() -> None:
    x = np.arange(10)
    y = np.array([1.0, 2, 3, np.nan, 5, 6, np.inf, 8, 9, 10])
    found = columns(x, y, 0, 9, 10)
    assert found.broken.nonzero()[0].tolist() == [3, 6]
    assert [line_x.tolist() for line_x, _ in found.lines()] == [[0, 1, 2], [4, 5], [7, 8, 9]]
    assert [mean.tolist() for _, mean in found.lines()] == [[1, 2, 3], [5, 6], [8, 9, 10]]


def test_column_with_nan_and_numbers_shows_its_mean_and_ends_the_line() -> None:
    found = columns(np.array([0, 1, 1, 2]), np.array([1.0, 4.0, np.nan, 3.0]), 0, 2, 3)
    assert found.broken.tolist() == [False, True, False]
    assert [mean.tolist() for _, mean in found.lines()] == [[1.0, 4.0], [3.0]]


def test_run_that_diverged_for_good_has_a_line_that_ends() -> None:
    y = np.where(np.arange(1000) < 500, 1.0, np.nan)
    found = columns(np.arange(1000), y, 0, 999, 50)
    ((line_x, _),) = found.lines()
    assert line_x[-1] < 500
    assert found.broken[-20:].all()
    assert columns(np.arange(5), np.full(5, np.nan), 0, 4, 5).lines() == []


def test_empty_columns_do_not_break_the_line() -> None:
    found = columns(np.array([0, 50, 100]), np.array([1.0, 2.0, 3.0]), 0, 100, 80)
    ((line_x, _),) = found.lines()
    assert line_x.tolist() == [0, 50, 100]
    assert not found.gap.any()


def test_zooming_between_two_points_keeps_the_line_through_the_window() -> None:
    found = columns(np.array([0, 100]), np.array([1.0, 2.0]), 40, 60, 80)
    ((line_x, mean),) = found.lines()
    assert (line_x.tolist(), mean.tolist()) == ([0, 100], [1.0, 2.0])


def test_logarithm_breaks_at_zero_without_calling_it_not_a_number() -> None:
    y = np.array([100.0, 10.0, 0.0, -5.0, 1.0, np.nan, 0.1])
    found = columns(np.arange(7), y, 0, 6, 7, log10=True)
    assert [mean.tolist() for _, mean in found.lines()] == [[2.0, 1.0], [0.0], [-1.0]]
    assert found.broken.nonzero()[0].tolist() == [5]
    np.testing.assert_array_equal(y, [100.0, 10.0, 0.0, -5.0, 1.0, np.nan, 0.1], "the series must not be changed")


def test_wall_times_keep_their_milliseconds() -> None:
    x = 1.7e9 + np.arange(200_000) * 0.001
    found = columns(x, np.ones(len(x)), float(x[0]), float(x[-1]), 2)
    assert found.x[0] == pytest.approx(1.7e9 + 49.9995, abs=2e-3)


@pytest.mark.parametrize(("start", "stop", "width"), [(0, 1, 0), (2, 1, 5), (math.nan, 1, 5), (0, math.inf, 5)])
def test_impossible_window_is_refused(start: float, stop: float, width: int) -> None:
    with pytest.raises(ValueError, match="a finite window and a column are needed"):
        columns(np.arange(3), np.ones(3), start, stop, width)


def test_window_without_points_and_series_without_points_are_empty() -> None:
    assert len(columns(np.arange(0), np.ones(0), 0, 1, 5)) == 0
    assert columns(np.arange(0), np.ones(0), 0, 1, 5).lines() == []
    single = columns(np.array([7]), np.array([3.0]), 7, 7, 5)
    assert (single.x.tolist(), single.mean.tolist()) == ([7.0], [3.0])


def test_point_counts_half_after_one_half_life() -> None:
    assert smooth(np.array([0, 100]), np.array([0.0, 1.0]), 100).tolist() == [0.0, pytest.approx(2 / 3)]
    values = smooth(np.arange(10_000), np.where(np.arange(10_000) < 5000, 0.0, 1.0), 100)
    assert values[5099] == pytest.approx(0.5, abs=0.01)
    assert values[4999] == 0.0


def test_smoothing_does_not_depend_on_how_often_points_are_written() -> None:
    dense = np.arange(0, 10_000, 2)
    sparse = np.arange(0, 10_000, 40)
    step = 6000
    by_dense = smooth(dense, (dense >= 5000).astype(float), 500)[dense == step]
    by_sparse = smooth(sparse, (sparse >= 5000).astype(float), 500)[sparse == step]
    assert by_dense[0] == pytest.approx(by_sparse[0], abs=0.02)


def test_nan_does_not_poison_what_follows() -> None:
    smoothed = smooth(np.arange(4), np.array([1.0, np.nan, 1.0, np.inf]), 10)
    np.testing.assert_array_equal(np.isnan(smoothed), [False, True, False, True])
    assert smoothed[2] == pytest.approx(1.0)


def test_smoothed_columns_weigh_what_they_hold() -> None:
    x = np.array([0] * 99 + [1])
    y = np.array([0.0] * 99 + [1.0])
    found = columns(x, y, 0, 1, 2).smoothed(1e9)
    assert found.mean[1] == pytest.approx(0.01)


def test_smoothing_can_be_off() -> None:
    assert smooth(np.arange(3), np.array([3.0, 1.0, 2.0]), 0).tolist() == [3.0, 1.0, 2.0]


def test_cursor_takes_the_nearest_point_and_of_two_at_one_step_the_later() -> None:
    x = np.array([0, 10, 10, 30])
    assert [nearest(x, at) for at in (-5, 4, 6, 10, 20, 21, 99)] == [0, 0, 2, 2, 2, 3, 3]
    assert nearest(np.array([5, 5]), 0) == 1
    assert nearest(np.arange(0), 3) is None
