"""The alignment search in its simplest form: the oracle that the native code is tested against.

Legend: F frames, T phonemes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def reference_path(score_FT: NDArray[np.float32]) -> NDArray[np.int8]:
    """The best monotonic path through one utterance (Kim et al. 2020, Glow-TTS, sec. 3.1).

    Every frame belongs to one phoneme, the first frame to the first and the last to the last, and each next frame
    stays or moves on by one. On equal scores it stays.

    Args:
        score_FT: log-likelihood of each frame under each phoneme, without padding.

    Returns:
        0/1 path of the same shape.

    Raises:
        ValueError: if there are no phonemes, or more phonemes than frames.
    """
    frames, phonemes = score_FT.shape
    if not 1 <= phonemes <= frames:
        raise ValueError(
            f"{phonemes} phonemes cannot be aligned to {frames} frames. Give one phoneme up to one per frame."
        )
    best = np.full((frames, phonemes), -np.inf, dtype=np.float32)
    best[0, 0] = score_FT[0, 0]
    for frame in range(1, frames):
        stay = best[frame - 1]
        move = np.concatenate(([np.float32(-np.inf)], stay[:-1]))
        best[frame] = score_FT[frame] + np.maximum(stay, move)

    path = np.zeros((frames, phonemes), dtype=np.int8)
    phoneme = phonemes - 1
    for frame in range(frames - 1, -1, -1):
        path[frame, phoneme] = 1
        must_move = phoneme == frame
        if phoneme > 0 and (must_move or best[frame - 1, phoneme] < best[frame - 1, phoneme - 1]):
            phoneme -= 1
    return path
