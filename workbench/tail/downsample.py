"""What a chart draws of a long series: one mean and one band per screen column, broken where the values are not finite.

Fifty thousand noisy points smoothed by a fixed weight are still a solid block. The mean over what falls into a column
is readable at any zoom and costs one pass in numpy; the band keeps the spikes visible. A loss that went to NaN must
look like it, so a column with NaN or infinity is flagged and no line may cross it.

Letters: P points in the window, W columns that hold a point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.tail.series import Floats, Integers


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A downsampled window: parallel arrays with one entry per non-empty screen column, left to right.

    Where the window cuts a line, the nearest point outside is the first or last entry, so the line reaches the border.
    """

    x: Floats
    """Mean x of the column's points: a column with one point keeps its true place."""
    mean: Floats
    """Mean of the finite values (of their log10 if asked for); NaN without any."""
    low: Floats
    high: Floats
    count: Integers
    """Finite values that are drawn."""
    broken: npt.NDArray[np.bool_]
    """The column holds NaN or infinity: mark it."""
    gap: npt.NDArray[np.bool_]
    """The line must not cross the column: it is broken, or holds a value without a logarithm."""

    def __len__(self) -> int:
        return len(self.x)

    def lines(self) -> list[tuple[Floats, Floats]]:
        """Give (x, mean) pieces between the gaps; a column that is a gap but has a mean ends its piece."""
        pieces: list[tuple[Floats, Floats]] = []
        begin = 0
        for end in [*(np.flatnonzero(self.gap) + 1).tolist(), len(self.x)]:
            keep = slice(begin, end if end == begin or not math.isnan(self.mean[end - 1]) else end - 1)
            if keep.stop > begin:
                pieces.append((self.x[keep], self.mean[keep]))
            begin = end
        return pieces

    def smoothed(self, half_life: float) -> Columns:
        """Give the same columns with an exponential average as the mean, each column weighing what it holds."""
        mean = smooth(self.x, self.mean, half_life, self.count)
        return Columns(self.x, mean, self.low, self.high, self.count, self.broken, self.gap)


def columns(x: Floats | Integers, y: Floats, start: float, stop: float, width: int, *, log10: bool = False) -> Columns:
    """Reduce the points in [start, stop] to at most `width` columns, and one neighbour on either side.

    Args:
        x: non-decreasing (steps, or wall times in unix seconds).
        y: the values, NaN and infinities included.
        start: left border, in units of x.
        stop: right border, inclusive; not below `start`.
        width: screen columns, at least 1.
        log10: give mean, low and high as log10(y); values of zero and below break the line without a mark.

    Raises:
        ValueError: if the borders are reversed or not finite, or there is no column.
    """
    if not (math.isfinite(start) and math.isfinite(stop)) or stop < start or width < 1:
        raise ValueError(f"a window from {start} to {stop} in {width} columns: a finite window and a column are needed")
    edges = np.linspace(start, stop, width + 1)[:-1]
    if x.dtype.kind == "i":
        # Whole steps: the first one at or behind an edge; comparing as integers saves a copy of x.
        edges = np.ceil(edges).astype(np.int64)
    begins = np.searchsorted(x, edges, side="left")
    end = int(np.searchsorted(x, stop, side="right"))
    first = int(begins[0])
    neighbours = [first - 1] if first > 0 else []
    behind = [end] if end < len(x) else []
    bounds = np.array([*neighbours, *begins.tolist(), end, *(index + 1 for index in behind)], np.int64)
    filled = bounds[1:] > bounds[:-1]
    starts = bounds[:-1][filled]
    if not len(starts):
        return _reduce(x[:0], y[:0], starts, log10=log10)
    window = slice(int(starts[0]), int(bounds[-1]))
    return _reduce(x[window], y[window], starts - starts[0], log10=log10)


def _reduce(x_P: Floats | Integers, y_P: Floats, starts_W: Integers, *, log10: bool) -> Columns:
    """Reduce the points between one start and the next to one column each."""
    if not len(starts_W):
        empty = np.empty(0, np.float64)
        none = np.empty(0, np.bool_)
        return Columns(empty, empty, empty, empty, np.empty(0, np.int64), none, none)
    finite_P = np.isfinite(y_P)
    drawn_P = finite_P
    if log10:
        drawn_P = finite_P & (y_P > 0)
        y_P = np.log10(y_P, where=drawn_P, out=np.zeros(len(y_P)))
    sizes_W = np.diff(np.append(starts_W, len(x_P)))
    count_W = np.add.reduceat(drawn_P, starts_W, dtype=np.int64)
    # Wall times are 1.7e9 s: summed without their offset a column of a million would lose the milliseconds.
    x_W = np.add.reduceat((x_P - x_P[0]).astype(np.float64), starts_W) / sizes_W + float(x_P[0])
    if drawn_P.all():
        total_W = np.add.reduceat(y_P, starts_W)
        low_W, high_W = np.minimum.reduceat(y_P, starts_W), np.maximum.reduceat(y_P, starts_W)
    else:
        total_W = np.add.reduceat(np.where(drawn_P, y_P, 0.0), starts_W)
        low_W = np.minimum.reduceat(np.where(drawn_P, y_P, np.inf), starts_W)
        high_W = np.maximum.reduceat(np.where(drawn_P, y_P, -np.inf), starts_W)
    nothing_W = count_W == 0
    low_W[nothing_W] = high_W[nothing_W] = np.nan
    mean_W = np.where(nothing_W, np.nan, total_W / np.maximum(count_W, 1))
    broken_W = np.add.reduceat(~finite_P, starts_W, dtype=np.int64) > 0
    return Columns(x_W, mean_W, low_W, high_W, count_W, broken_W, count_W < sizes_W)


def smooth(
    x: Floats | Integers, y: Floats, half_life: float, weights: Sequence[float] | Floats | Integers | None = None
) -> Floats:
    """Average exponentially: a point counts half when it is `half_life` behind, in units of x.

    Unlike a weight per point this does not change with the sampling or the length of the run. Values that aren't
    finite stay NaN in the result and are left out of the average.

    Args:
        x: non-decreasing.
        y: the values.
        half_life: in units of x; 0 or below gives y back.
        weights: how many points stand behind each y; one if left out.
    """
    result = np.array(y, np.float64)
    if half_life <= 0:
        return result
    decays = np.exp2(-np.diff(np.asarray(x, np.float64), prepend=float(x[0]) if len(x) else 0.0) / half_life)
    amounts = np.ones(len(result)) if weights is None else np.asarray(weights, np.float64)
    total = norm = 0.0
    smoothed = []
    for value, decay, amount in zip(result.tolist(), decays.tolist(), amounts.tolist(), strict=True):
        total *= decay
        norm *= decay
        if math.isfinite(value):
            total += amount * value
            norm += amount
            smoothed.append(total / norm if norm > 0 else math.nan)
        else:
            smoothed.append(math.nan)
    return np.array(smoothed, np.float64)


def nearest(x: Floats | Integers, at: float) -> int | None:
    """Give the index of the point nearest to `at`, the last one if several share its x; None without points.

    Lightning writes `epoch` twice at one step: the later value is the one that holds.
    """
    if not len(x):
        return None
    right = int(np.searchsorted(x, at, side="right"))
    if right == 0:
        return int(np.searchsorted(x, x[0], side="right")) - 1
    if right == len(x) or at - float(x[right - 1]) <= float(x[right]) - at:
        return right - 1
    return int(np.searchsorted(x, x[right], side="right")) - 1
