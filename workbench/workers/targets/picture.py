"""A recording as few numbers as a terminal can draw: its extremes in each column, and a mel spectrogram.

Legend: S samples, X columns, Y bands (the lowest first).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core_vits.audio import AudioError, Samples, read_recording
from workbench.errors import DatasetError

_WINDOW = 512
_LOWEST_HZ = 60.0
_RANGE_DB = 70.0
"""What is this much below the loudest is drawn as silence."""
_MOST_WINDOWS = 4
"""Windows that are looked at in each column; a longer recording is sampled."""


def draw(path: str, columns: int, bands: int) -> dict[str, Any]:
    """Look at a recording.

    Args:
        path: its file.
        columns: of the picture.
        bands: of the spectrogram.

    Returns:
        `seconds`; `low` and `high`, extremes of each column, full scale = 1; `bands`, for each band from the lowest a
        list of levels 0 (silent) to 255 (the loudest), one a column; `highest_hz`, upper end of the highest band.

    Raises:
        DatasetError: it can't be decoded.
    """
    try:
        recording = read_recording(Path(path))
    except AudioError as error:
        raise DatasetError(f"{Path(path).name} {error}") from error
    samples, rate = recording.samples, recording.sample_rate
    edges = np.linspace(0, len(samples), columns + 1).astype(int)
    starts = np.minimum(edges[:-1], len(samples) - 1)
    return {
        "seconds": round(len(samples) / rate, 3),
        "low": np.minimum.reduceat(samples, starts).round(4).tolist(),
        "high": np.maximum.reduceat(samples, starts).round(4).tolist(),
        "bands": _levels(samples, rate, columns, bands).tolist(),
        "highest_hz": rate / 2,
    }


def _levels(samples: Samples, rate: int, columns: int, bands: int) -> npt.NDArray[np.uint8]:
    """Levels [Y, X]."""
    padded = np.pad(samples, _WINDOW // 2)
    places = np.linspace(0, len(padded) - _WINDOW, columns * _MOST_WINDOWS).astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[places]
    power = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW))) ** 2
    by_column = power.reshape(columns, _MOST_WINDOWS, -1).mean(axis=1)
    edges = _mel_edges(bands, rate)
    in_bands = np.stack([by_column[:, low:high].mean(axis=1) for low, high in edges])
    level_db = 10 * np.log10(in_bands + 1e-12)
    shown = (level_db - level_db.max() + _RANGE_DB) / _RANGE_DB
    levels: npt.NDArray[np.uint8] = (255 * shown.clip(0, 1)).astype(np.uint8)
    return levels


def _mel_edges(bands: int, rate: int) -> list[tuple[int, int]]:
    """First and last-but-one spectral bin of each band; bands are equally wide in mel and hold one bin at least."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (_LOWEST_HZ, rate / 2))
    hz = 700 * (10 ** (np.linspace(low, high, bands + 1) / 2595) - 1)
    bins = np.rint(hz * _WINDOW / rate).astype(int).clip(0, _WINDOW // 2)
    return [(int(begin), max(int(begin) + 1, int(end))) for begin, end in pairwise(bins)]
