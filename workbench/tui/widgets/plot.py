"""The plotting library behind one class of ours, so that it can be exchanged: lines, marks and axes, nothing else.

textual-plot drops values that are not finite and bridges the gap, so callers hand over pieces that have none. Its own
keys (some never arrive through tmux) and its mouse handling are switched off: the pane's key table drives the view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from textual.binding import BindingType
from textual_hires_canvas import HiResMode
from textual_plot import PlotWidget
from textual_plot.axis_formatter import AxisFormatter

from workbench.tui.widgets.view import tick_labels, ticks


class _Ticks(AxisFormatter):  # type: ignore[misc]  # the library's types are not followed
    """Round numbers; `power` says that the axis holds logarithms, `whole` that it counts."""

    def __init__(self, wanted: int, *, whole: bool = False) -> None:
        self.wanted = wanted
        self.whole = whole
        self.power = False

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        return ticks(min_, max_, self.wanted, whole=self.whole)

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        if self.power:
            return [f"{10.0**value:.3g}" for value in ticks]
        return tick_labels(ticks)


class Plot(PlotWidget, can_focus=False, inherit_bindings=False):  # type: ignore[misc, call-arg]  # as above
    """A plot with axes. `start` … `finish` redraws everything."""

    BINDINGS: ClassVar[list[BindingType]] = []
    DEFAULT_CSS = """
    Plot { height: 1fr; }
    Plot > .plot--axis { color: $text-muted; }
    Plot > .plot--tick { color: $text; text-style: none; }
    """

    def __init__(self, *, margin_left: int = 8, y_ticks: int = 4, x_ticks: int = 6) -> None:
        super().__init__(allow_pan_and_zoom=False)
        # Set before compose: the library lays its margins out when they change.
        self.set_reactive(PlotWidget.margin_top, 0)
        self.set_reactive(PlotWidget.margin_bottom, 1)
        self.set_reactive(PlotWidget.margin_left, margin_left)
        self.floor = 0.0
        """Lowest value of the axis, where marks stand that belong to a batch and not to a value."""
        self._ours_y = _Ticks(y_ticks)
        self.set_x_formatter(_Ticks(x_ticks, whole=True))
        self.set_y_formatter(self._ours_y)

    @property
    def columns(self) -> int:
        """Cells that a line may use; 0 before the first layout."""
        return max(0, int(self.size.width) - int(self.margin_left) - 2)

    def start(self, x_window: tuple[float, float], y_window: tuple[float, float], *, log: bool) -> None:
        """Take everything away and set the axes; with `log`, y values are logarithms to the base of ten."""
        self.clear()
        self._ours_y.power = log
        self.set_xlimits(*x_window)
        low, high = y_window
        pad = (high - low) * 0.04 or abs(high) * 0.05 or 1.0
        self.floor = low - pad
        self.set_ylimits(self.floor, high + pad)

    def line(self, x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, style: str) -> None:
        """A line through finite values; a single point becomes a mark."""
        if len(x) == 1:
            self.marks(x, y, "•", style)
        elif len(x):
            self.plot(x, y, line_style=style, hires_mode=HiResMode.BRAILLE)

    def marks(self, x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, glyph: str, style: str) -> None:
        """One character at each point."""
        if len(x):
            self.scatter(x, y, marker=glyph, marker_style=style)

    def upright(self, x: float, style: str) -> None:
        """A line from top to bottom."""
        self.add_v_line(x, line_style=style)
