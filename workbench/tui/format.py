"""How numbers with a unit are written on the screen."""

from __future__ import annotations

import math
import time

MISSING = "–"


def count(number: int) -> str:
    """12480 -> `12 480`."""
    return f"{number:,}".replace(",", " ")


def size(number: float) -> str:
    """Bytes -> `1.00 GB`, `63 MB`; powers of ten, as disks are sold and `df -H` prints."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            value = number / scale
            return (
                f"{value:.0f} {unit}"
                if value >= 100
                else f"{value:.1f} {unit}"
                if value >= 10
                else f"{value:.2f} {unit}"
            )
    return f"{number:.0f} B"


def duration(seconds: float | None) -> str:
    """Seconds -> `0.4 s`, `41 s`, `4m10s`, `1h50m`, `2d04h`."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def age(seconds: float) -> str:
    """How long ago, in one unit: `now`, `41 s`, `3 min`, `5 h`, `2 d`."""
    if seconds < 1.5:
        return "now"
    for unit, scale in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= scale:
            return f"{int(seconds // scale)} {unit}"
    return f"{int(seconds)} s"


def number(value: float | None, digits: int = 4) -> str:
    """A measurement with `digits` significant digits; `NaN` stays visible."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "inf"
    if value != 0 and (abs(value) >= 1e6 or abs(value) < 1e-3):
        return f"{value:.{max(1, digits - 2)}e}".replace("e-0", "e-").replace("e+0", "e")
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:.{max(0, digits - whole)}f}"


def bar(fraction: float, width: int) -> str:
    """A horizontal bar in eighths of a cell, `width` cells at most."""
    eighths = round(min(1.0, max(0.0, fraction)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")


def trend(values: list[float], width: int) -> str:
    """A one-line picture of a series: means of `width` equal pieces on eight levels; `✗` where nothing is finite."""
    if not values:
        return ""
    pieces = min(width, len(values))
    means: list[float | None] = []
    for piece in range(pieces):
        part = values[piece * len(values) // pieces : (piece + 1) * len(values) // pieces]
        finite = [value for value in part if math.isfinite(value)]
        means.append(sum(finite) / len(finite) if finite else None)
    known = [mean for mean in means if mean is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    spread = high - low
    return "".join(
        "✗" if mean is None else "▁▂▃▄▅▆▇█"[min(7, int((mean - low) / spread * 8))] if spread > 0 else "▄"
        for mean in means
    )


def clock(seconds: float) -> str:
    """Unix seconds -> time of day here."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))
