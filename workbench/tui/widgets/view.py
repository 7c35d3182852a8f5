"""The window of a chart: which batches are shown, where the cursor stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

NARROWEST = 4.0
"""Batches; zooming in ends here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What part of the curve is shown, and how. Batches are the unit of x."""

    start: float | None = None
    """First batch shown; None together with `stop`: the whole run, growing with it."""
    stop: float | None = None
    log: bool = False
    band: bool = False
    cursor: float | None = None
    """Batch that is read off; None: no cursor."""

    def window(self, extent: tuple[float, float]) -> tuple[float, float]:
        """First and last batch shown of a run that reaches over `extent`; never empty."""
        first, last = extent if self.start is None or self.stop is None else (self.start, self.stop)
        return (first, last) if last > first else (first - 1.0, last + 1.0)

    def zoomed(self, factor: float, extent: tuple[float, float]) -> View:
        """Show `factor` times as many batches, around the cursor, or else keeping the newest batch where it is."""
        start, stop = self.window(extent)
        width = (stop - start) * factor
        if width >= extent[1] - extent[0]:
            return self.fitted()
        width = max(NARROWEST, width)
        if self.cursor is not None and start <= self.cursor <= stop:
            share = (self.cursor - start) / (stop - start)
            start = self.cursor - width * share
        elif stop >= extent[1]:
            start = extent[1] - width
        else:
            start = (start + stop) / 2 - width / 2
        return replace(self, start=start, stop=start + width)._inside(extent)

    def panned(self, direction: int, extent: tuple[float, float]) -> View:
        """Move by a quarter of the window; a view of the whole run stays."""
        if self.start is None or self.stop is None:
            return self
        shift = direction * (self.stop - self.start) / 4
        return replace(self, start=self.start + shift, stop=self.stop + shift)._inside(extent)

    def fitted(self) -> View:
        """Show the whole run."""
        return replace(self, start=None, stop=None)

    def with_cursor(self, batch: float, extent: tuple[float, float]) -> View:
        """Put the cursor on a batch, moving the window after it."""
        start, stop = self.window(extent)
        if start <= batch <= stop:
            return replace(self, cursor=batch)
        shift = batch - stop if batch > stop else batch - start
        return replace(self, cursor=batch, start=start + shift, stop=stop + shift)

    def _inside(self, extent: tuple[float, float]) -> View:
        if self.start is None or self.stop is None:
            return self
        shift = max(0.0, extent[0] - self.start) - max(0.0, self.stop - extent[1])
        return replace(self, start=self.start + shift, stop=self.stop + shift)


def ticks(low: float, high: float, wanted: int, *, whole: bool = False) -> list[float]:
    """At most about `wanted` round numbers from low to high (steps of 1, 2 or 5 times a power of ten).

    With `whole`, whole numbers only.
    """
    spread = high - low
    if not math.isfinite(spread) or spread <= 0:
        return [low] if math.isfinite(low) else []
    raw = spread / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(multiple * power for multiple in (1.0, 2.0, 5.0, 10.0) if multiple * power >= raw * 0.999)
    step = max(1.0, step) if whole else step
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_labels(values: Sequence[float]) -> list[str]:
    """Labels with as many decimals as tell neighbours apart; thousands as `k`, millions as `M`."""
    if not values:
        return []
    largest = max(abs(value) for value in values)
    scale, unit = (1e6, "M") if largest >= 1e6 else (1e3, "k") if largest >= 1e4 else (1.0, "")
    shown = [value / scale for value in values]
    gap = min((abs(b - a) for a, b in pairwise(shown)), default=abs(shown[0]) or 1.0)
    decimals = min(6, max(0, -math.floor(math.log10(gap) + 1e-9))) if gap > 0 else 0
    return [f"{value:.{decimals}f}{unit if value else ''}" for value in shown]
