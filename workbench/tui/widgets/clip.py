"""A recording drawn with characters: waveform above, spectrogram below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

_BLOCKS = " ▁▂▃▄▅▆▇█"
_SHADES = " ░▒▓█"
# From silence over violet and orange to yellow, dark to bright also for those who see no colours.
_COLOURS = ((0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (252, 255, 164))
WAVEFORM_ROWS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipPicture:
    """What is drawn; see `workbench.workers.targets.picture.draw`."""

    seconds: float
    low: Sequence[float]
    high: Sequence[float]
    bands: Sequence[Sequence[int]]
    highest_hz: float


class ClipView(Widget):
    """Draws one recording as wide and as high as it is."""

    DEFAULT_CSS = "ClipView { height: auto; }"

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._picture: ClipPicture | None = None

    @property
    def rows(self) -> int:
        """Rows that the spectrogram has."""
        return max(0, self.size.height - WAVEFORM_ROWS)

    def show(self, picture: ClipPicture | None) -> None:
        """Draw another recording, or none."""
        self._picture = picture
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the picture."""
        picture, width = self._picture, self.size.width
        if picture is None or not picture.high:
            return Strip.blank(width, self.rich_style)
        if y < WAVEFORM_ROWS:
            return Strip([Segment(self._waveform(picture, y, width), self.rich_style)], width)
        row = self.rows - 1 - (y - WAVEFORM_ROWS)
        # Without colours a cell is one shade; with them it is two halves.
        if self.app.no_color:
            return Strip([Segment(self._shades(picture, row, width), self.rich_style)], width)
        return Strip(self._colours(picture, row, width), width)

    @staticmethod
    def _waveform(picture: ClipPicture, y: int, width: int) -> str:
        """One row of bars as high as the loudest sample of each column."""
        cells = []
        for x in range(width):
            at = x * len(picture.high) // width
            level = max(abs(picture.low[at]), abs(picture.high[at])) * WAVEFORM_ROWS
            part = level - (WAVEFORM_ROWS - 1 - y)
            cells.append(_BLOCKS[max(0, min(8, round(8 * part)))])
        return "".join(cells)

    def _level(self, picture: ClipPicture, part: int, parts: int, x: int, width: int) -> int:
        """Level of a place; `part` counts from the lowest of `parts`."""
        band = picture.bands[part * len(picture.bands) // parts]
        return band[x * len(band) // width]

    def _shades(self, picture: ClipPicture, row: int, width: int) -> str:
        levels = (self._level(picture, row, self.rows, x, width) for x in range(width))
        return "".join(_SHADES[level * (len(_SHADES) - 1) // 255] for level in levels)

    def _colours(self, picture: ClipPicture, row: int, width: int) -> list[Segment]:
        parts = 2 * self.rows
        return [
            Segment(
                "▀",
                Style(
                    color=_colour(self._level(picture, 2 * row + 1, parts, x, width)),
                    bgcolor=_colour(self._level(picture, 2 * row, parts, x, width)),
                ),
            )
            for x in range(width)
        ]


def _colour(level: int) -> Color:
    place = level * (len(_COLOURS) - 1) / 255
    low = min(int(place), len(_COLOURS) - 2)
    mixed = (round(a + (b - a) * (place - low)) for a, b in zip(_COLOURS[low], _COLOURS[low + 1], strict=True))
    return Color.from_rgb(*mixed)
