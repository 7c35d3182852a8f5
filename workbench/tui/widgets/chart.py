"""Curves of one metric: training and validation, what a resume threw away, gaps where the loss was no number."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.tail import downsample
from workbench.tail.downsample import Columns, columns
from workbench.tail.series import Integers, Points
from workbench.tui.format import MISSING, count, number
from workbench.tui.widgets.panel import Panel
from workbench.tui.widgets.plot import Plot
from workbench.tui.widgets.view import View

TRAIN, VALIDATION, OLD, BAND, MARK, BAD = "cyan", "yellow", "bright_black", "bright_black", "white", "red"
HALF_LIFE_COLUMNS = 2.0
"""A light smoothing over the means of screen columns: the same look at every zoom and length."""
FEW_POINTS = 60
"""Up to so many points in the window are marked one by one."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Curves:
    """All that is known of one metric. x is the batch."""

    metric: str
    train: Points | None = None
    validation: Points | None = None
    old: Sequence[Points] = ()
    """Tails that a resume threw away."""
    checkpoints: Sequence[int] = ()
    """Batches at which a checkpoint was written."""
    epochs: Points | None = None
    """The epoch at each batch."""

    @property
    def parts(self) -> list[Points]:
        """Series that have points."""
        return [points for points in (self.train, self.validation, *self.old) if points is not None and len(points)]

    @property
    def extent(self) -> tuple[float, float]:
        """First and last batch; (0, 1) while there is none."""
        parts = self.parts
        if not parts:
            return 0.0, 1.0
        return float(min(part.steps[0] for part in parts)), float(max(part.steps[-1] for part in parts))


class Legend(Panel):
    """The line above a chart; its signs have the colours of what they stand for."""

    STYLES: ClassVar[Mapping[str, str]] = {
        "──": f"ansi_{TRAIN}",
        "●─": f"ansi_{VALIDATION}",
        "●": f"ansi_{VALIDATION}",
        "▲": f"ansi_{MARK}",
    }


class LossChart(Vertical):
    """One metric over the batches, with a line above it that says what is drawn or what the cursor reads."""

    DEFAULT_CSS = """
    LossChart { height: 1fr; }
    LossChart > Panel { height: 1; }
    """

    def __init__(self, *, id: str | None = None, small: bool = False) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._small = small
        self._curves = Curves(metric="")
        self.view = View()

    def compose(self) -> ComposeResult:
        """A legend and a plot."""
        yield Legend()
        yield Plot(
            margin_left=7 if self._small else 8, y_ticks=3 if self._small else 5, x_ticks=3 if self._small else 6
        )

    def show(self, curves: Curves) -> None:
        """Draw other curves."""
        self._curves = curves
        self.draw()

    def on_resize(self) -> None:
        """A column means another number of batches now."""
        self.call_after_refresh(self.draw)

    def zoom(self, factor: float) -> None:
        """Show `factor` times as many batches."""
        self._set(self.view.zoomed(factor, self._curves.extent))

    def pan(self, direction: int) -> None:
        """Move the window; move the cursor by one point while it is on."""
        points = self._read_from
        if self.view.cursor is None or points is None:
            self._set(self.view.panned(direction, self._curves.extent))
            return
        start, stop = self.view.window(self._curves.extent)
        # One screen column a press, and at least to the next point, however dense or sparse the points are.
        here = _nearest(points.steps, self.view.cursor)
        column = (stop - start) / max(1, self.query_one(Plot).columns)
        there = _nearest(points.steps, self.view.cursor + direction * column)
        there = there if there != here else here + direction
        there = max(0, min(len(points) - 1, there))
        self._set(self.view.with_cursor(float(points.steps[there]), self._curves.extent))

    def toggle_cursor(self) -> None:
        """Cursor on the newest point of the window, or off."""
        points = self._read_from
        if self.view.cursor is not None or points is None:
            self._set(replace(self.view, cursor=None))
            return
        _start, stop = self.view.window(self._curves.extent)
        self._set(replace(self.view, cursor=float(points.steps[_nearest(points.steps, stop)])))

    def toggle_log(self) -> None:
        """Logarithmic or linear."""
        self._set(replace(self.view, log=not self.view.log))

    def toggle_band(self) -> None:
        """Lowest to highest value of each column."""
        self._set(replace(self.view, band=not self.view.band))

    def fit(self) -> None:
        """The whole run."""
        self._set(self.view.fitted())

    @property
    def _read_from(self) -> Points | None:
        parts = [part for part in (self._curves.train, self._curves.validation) if part is not None and len(part)]
        return parts[0] if parts else None

    def _set(self, view: View) -> None:
        if view != self.view:
            self.view = view
            self.draw()

    def draw(self) -> None:
        """Rebuild the picture from the curves and the view."""
        if not self.is_mounted or not self.display:
            return
        plot = self.query_one(Plot)
        self.query_one(Panel).show(self._legend())
        width = plot.columns
        if width < 4:
            return
        curves, view = self._curves, self.view
        window = view.window(curves.extent)
        with self.app.batch_update():
            if not curves.parts:
                plot.start((0.0, 1.0), (0.0, 1.0), log=False)
                return
            self._draw_in(plot, window, width)

    def _draw_in(self, plot: Plot, window: tuple[float, float], width: int) -> None:
        curves, view = self._curves, self.view
        old = [part for tail in curves.old if (part := self._columns(tail, window, width)) is not None]
        train = self._columns(curves.train, window, width)
        validation = self._columns(curves.validation, window, width)
        shown = [part for part in (*old, train, validation) if part is not None]
        low, high = _limits(shown, band=view.band)
        plot.start(window, (low, high), log=view.log)
        if view.band and train is not None:
            for x, y in _band(train):
                plot.line(x, y, BAND)
        for part, style in (*((tail, OLD) for tail in old), (train, TRAIN), (validation, VALIDATION)):
            if part is None:
                continue
            smooth = part.smoothed(HALF_LIFE_COLUMNS * (window[1] - window[0]) / width) if part is train else part
            for x, y in smooth.lines():
                plot.line(x, y, style)
        if validation is not None and np.count_nonzero(validation.count) <= FEW_POINTS:
            good = np.isfinite(validation.mean)
            plot.marks(validation.x[good], validation.mean[good], "●", VALIDATION)
        for part in shown:
            bad = part.x[part.broken]
            plot.marks(bad, np.full(len(bad), high), "✗", BAD)
        at = [float(batch) for batch in curves.checkpoints if window[0] <= batch <= window[1]]
        if not self._small:
            plot.marks(at, [plot.floor] * len(at), "▲", MARK)
        if view.cursor is not None and window[0] <= view.cursor <= window[1]:
            plot.upright(view.cursor, MARK)

    def _columns(self, points: Points | None, window: tuple[float, float], width: int) -> Columns | None:
        if points is None or not len(points):
            return None
        return columns(points.steps, points.values, window[0], window[1], width, log10=self.view.log)

    def _legend(self) -> str:
        curves, view = self._curves, self.view
        if not curves.metric:
            return ""
        if view.cursor is not None:
            return self._readout(view.cursor)
        train = _last(curves.train)
        validation = _last(curves.validation)
        parts = [curves.metric]
        if curves.train is not None and len(curves.train):
            parts.append(f"── train {train}" if not self._small else train)
        if curves.validation is not None and len(curves.validation):
            parts.append(f"●─ val {validation}" if not self._small else f"● {validation}")
        if self._small:
            return "  ".join(parts)
        if curves.old:
            parts.append("dim: before a resume")
        if curves.checkpoints:
            parts.append("▲ checkpoint")
        start, stop = view.window(curves.extent)
        parts.append(f"batches {count(round(max(0.0, start)))}–{count(round(stop))}")
        parts.extend(word for word, on in (("log", view.log), ("band", view.band)) if on)
        return "   ".join(parts)

    def _readout(self, cursor: float) -> str:
        curves = self._curves
        parts = [f"cursor  batch {count(round(cursor))}"]
        if curves.epochs is not None and len(curves.epochs):
            parts.append(f"epoch {curves.epochs.values[_nearest(curves.epochs.steps, cursor)]:.0f}")
        points = self._read_from
        if points is not None:
            wall = float(points.wall_times[_nearest(points.steps, cursor)])
            parts.append(time.strftime("%H:%M:%S", time.localtime(wall)))
        for name, series in (("train", curves.train), ("val", curves.validation)):
            if series is not None and len(series):
                index = _nearest(series.steps, cursor)
                parts.append(f"{name} {number(float(series.values[index]))}")
        return "   ".join(parts)


def _nearest(steps: Integers, batch: float) -> int:
    """Index of the point nearest to a batch; the series has points."""
    return downsample.nearest(steps, batch) or 0


def _last(points: Points | None) -> str:
    return MISSING if points is None or not len(points) else number(float(points.values[-1]))


def _limits(parts: Sequence[Columns], *, band: bool) -> tuple[float, float]:
    """Lowest and highest value that will be drawn; (0, 1) when nothing is finite."""
    values = [part.mean[np.isfinite(part.mean)] for part in parts]
    if band:
        values += [side[np.isfinite(side)] for part in parts for side in (part.low, part.high)]
    values = [value for value in values if len(value)]
    if not values:
        return 0.0, 1.0
    low, high = float(min(value.min() for value in values)), float(max(value.max() for value in values))
    return (low, high) if math.isfinite(high - low) else (0.0, 1.0)


def _band(part: Columns) -> list[tuple[np.ndarray, np.ndarray]]:
    """A zigzag from lowest to highest value of each column, in pieces that hold finite values only."""
    good = np.isfinite(part.low) & np.isfinite(part.high)
    pieces = []
    for piece in np.split(np.arange(len(part.x)), np.flatnonzero(~good)):
        piece = piece[good[piece]]
        if len(piece):
            x = np.repeat(part.x[piece], 2)
            y = np.column_stack([part.low[piece], part.high[piece]]).ravel()
            pieces.append((x, y))
    return pieces
