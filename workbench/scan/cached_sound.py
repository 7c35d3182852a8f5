"""Whether the audio of a cache is a part of the recording that it should be, and at which sample rate.

S samples of a recording, P of the part.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from core_vits.audio import AudioError, load_recording

RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Hz that voices are trained at."""
# Of the same sound, resampled by two programs, 0.99; of different ones 0.1 at most.
_SAME = 0.9
LONGEST_SECONDS = 60.0
"""Of a recording that is compared."""
_NOT_LONGER = 1.01


def find_sound(part_P: npt.NDArray[np.float32], recording: Path, sample_rate: int) -> int | None:
    """Look for cached audio in a recording, at the voice's rate first.

    Args:
        part_P: full scale = 1.
        recording: that it was made of, or is said to be.
        sample_rate: Hz, of the voice.

    Returns:
        Hz at which it is a part of the recording, 0 when it is at none; None where nobody can tell, because the
        recording can't be read or the part is silence.
    """
    if not len(part_P) or not np.isfinite(part_P).all() or not part_P.any():
        return None
    for rate in (sample_rate, *(rate for rate in RATES if rate != sample_rate)):
        try:
            whole_S = load_recording(recording, rate)
        except AudioError:
            return None
        if len(part_P) > _NOT_LONGER * len(whole_S):
            continue
        if _likeness(whole_S, part_P) >= _SAME:
            return rate
    return 0


def _likeness(whole_S: npt.NDArray[np.float32], part_P: npt.NDArray[np.float32]) -> float:
    """The correlation of a part with the recording where it fits best."""
    from scipy import fft  # a third of a second; only who finds a cache of Piper pays

    part_P = part_P[: len(whole_S)]
    size = fft.next_fast_len(len(whole_S) + len(part_P), real=True)
    product = fft.rfft(whole_S, size) * np.conj(fft.rfft(part_P, size))
    match_S = fft.irfft(product, size)[: len(whole_S) - len(part_P) + 1]
    place = int(np.argmax(match_S))
    there = whole_S[place : place + len(part_P)]
    power = float(np.linalg.norm(there)) * float(np.linalg.norm(part_P))
    return float(match_S[place]) / power if power else 0.0
