"""Oracles of the alignment search that are fast enough for thousands of utterances, and random cases for them.

Legend: B utterances, F frames, T phonemes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Lengths = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A padded batch."""

    score_BFT: Scores
    frames_B: Lengths
    phonemes_B: Lengths


def random_case(
    rng: np.random.Generator, kind: str, *, utterances: int, most_phonemes: int, most_spare: int, padding: int = 3
) -> Case:
    """A batch of random lengths; `kind` says which corner it visits."""
    phonemes = rng.integers(1, most_phonemes + 1, utterances)
    if kind == "one phoneme":
        phonemes[:] = 1
    spare = 0 if kind == "as many phonemes as frames" else rng.integers(0, most_spare + 1, utterances)
    frames = phonemes + spare
    pads = rng.integers(0, padding + 1, 2)
    shape = (utterances, int(frames.max() + pads[0]), int(phonemes.max() + pads[1]))
    if kind == "ties":
        score = rng.integers(-2, 3, shape).astype(np.float32)
    elif kind == "all equal":
        score = np.zeros(shape, dtype=np.float32)
    else:
        score = rng.standard_normal(shape, dtype=np.float32) * np.float32(30)
    return Case(score_BFT=score, frames_B=frames, phonemes_B=phonemes)


KINDS = ("random", "ties", "all equal", "as many phonemes as frames", "one phoneme")


def best_index(case: Case) -> NDArray[np.int64]:
    """The phoneme of each frame [B, F], padding -1: the recursion of `reference_path`, on all utterances at once."""
    utterances, frames, phonemes = case.score_BFT.shape
    best_BT = np.full((utterances, phonemes), -np.inf, dtype=np.float32)
    best_BT[:, 0] = case.score_BFT[:, 0, 0]
    moved_FBT = np.zeros((frames, utterances, phonemes), dtype=bool)
    for frame in range(1, frames):
        before_BT = np.full_like(best_BT, -np.inf)
        before_BT[:, 1:] = best_BT[:, :-1]
        moved_FBT[frame] = best_BT < before_BT
        best_BT = case.score_BFT[:, frame] + np.maximum(best_BT, before_BT)

    index_BF = np.full((utterances, frames), -1, dtype=np.int64)
    every_B = np.arange(utterances)
    at_B = case.phonemes_B - 1
    for frame in range(frames - 1, -1, -1):
        inside_B = frame < case.frames_B
        index_BF[inside_B, frame] = at_B[inside_B]
        moves_B = moved_FBT[frame, every_B, at_B] | (at_B == frame)
        at_B = at_B - (moves_B & inside_B & (at_B > 0))
    return index_BF


def counted(index_BF: NDArray[np.int64], phonemes: int) -> NDArray[np.int64]:
    """Frames of each phoneme [B, T]."""
    return (index_BF[:, :, None] == np.arange(phonemes)).sum(1)


def classic_index(score_FT: Scores, impossible: float) -> NDArray[np.int64]:
    """The search as Glow-TTS and VITS published it: `impossible` stands in for cells that can't be reached."""
    frames, phonemes = score_FT.shape
    total = score_FT.copy()
    for frame in range(frames):
        for phoneme in range(max(0, phonemes + frame - frames), min(phonemes, frame + 1)):
            stay = impossible if phoneme == frame else float(total[frame - 1, phoneme])
            begin = 0.0 if frame == 0 else impossible
            advance = begin if phoneme == 0 else float(total[frame - 1, phoneme - 1])
            total[frame, phoneme] += np.float32(max(stay, advance))
    index = np.zeros(frames, dtype=np.int64)
    phoneme = phonemes - 1
    for frame in range(frames - 1, -1, -1):
        index[frame] = phoneme
        if phoneme and (phoneme == frame or total[frame - 1, phoneme] < total[frame - 1, phoneme - 1]):
            phoneme -= 1
    return index
