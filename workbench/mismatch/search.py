"""Which text a recording fits better than its own.

Legend: Q recordings that are searched for, N texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.mismatch.distance import Chance, distances
from workbench.mismatch.sounds import CLASSES, Sounds

NEIGHBOURS = 3
"""Texts before and after that each recording is compared with: rows are most often shifted by one."""
_CANDIDATES = 20
_SEARCHED_AT_ONCE = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A text and how well a recording fits it."""

    index: int
    distance: float
    """As a share of what chance gives."""
    certainty: float
    """Standard deviations below chance."""


def best_neighbours(
    heard: Sequence[Sounds], texts: Sequence[Sounds], places: Sequence[int], chance: Chance
) -> list[Match | None]:
    """The best fitting text of the rows before and after each recording's own; None where no other row is near.

    Args:
        heard: sounds of each recording.
        texts: sounds of its text.
        places: its place in the table, rising.
        chance: of this dataset.
    """
    pairs = [
        (index, other)
        for index, place in enumerate(places)
        for other in range(max(0, index - NEIGHBOURS), min(len(places), index + NEIGHBOURS + 1))
        if other != index and abs(places[other] - place) <= NEIGHBOURS
    ]
    return _best(heard, texts, pairs, chance)


def best_anywhere(
    heard: Sequence[Sounds], texts: Sequence[Sounds], wanted: Sequence[int], chance: Chance
) -> dict[int, Match]:
    """The best fitting text of the whole dataset for some recordings, their own ones left out.

    A comparison of every recording with every text would take an hour; pairs of sounds that follow each other, counted,
    leave twenty candidates each.
    """
    pairs: list[tuple[int, int]] = []
    texts_ND = np.stack([_profile(text) for text in texts])
    for begin in range(0, len(wanted), _SEARCHED_AT_ONCE):
        part = wanted[begin : begin + _SEARCHED_AT_ONCE]
        likeness_QN = np.stack([_profile(heard[index]) for index in part]) @ texts_ND.T
        likeness_QN[np.arange(len(part)), part] = -1.0
        best_QC = np.argsort(-likeness_QN, axis=1, kind="stable")[:, : min(_CANDIDATES, len(texts) - 1)]
        pairs += [(index, int(other)) for index, row in zip(part, best_QC, strict=True) for other in row]
    return {index: match for index, match in enumerate(_best(heard, texts, pairs, chance)) if match is not None}


def _best(
    heard: Sequence[Sounds], texts: Sequence[Sounds], pairs: Sequence[tuple[int, int]], chance: Chance
) -> list[Match | None]:
    """For each recording that occurs in the pairs, the text with the smallest distance."""
    found = distances([heard[index] for index, _ in pairs], [texts[other] for _, other in pairs])
    best: dict[int, tuple[float, int]] = {}
    for (index, other), distance in zip(pairs, found.tolist(), strict=True):
        best[index] = min(best.get(index, (distance, other)), (distance, other))
    indices = sorted(best)
    relative, certainty = chance.relative([heard[i] for i in indices], [texts[best[i][1]] for i in indices])
    matches: list[Match | None] = [None] * len(heard)
    for index, distance, sure in zip(indices, relative.tolist(), certainty.tolist(), strict=True):
        matches[index] = Match(index=best[index][1], distance=distance, certainty=sure)
    return matches


def _profile(sounds: Sounds) -> npt.NDArray[np.float32]:
    """How often each pair of classes follows each other, as a vector of length 1."""
    classes = len(CLASSES)
    pairs = sounds[:-1].astype(np.intp) * classes + sounds[1:]
    # Square roots: one frequent pair must not outweigh all others.
    counts = np.sqrt(np.bincount(pairs, minlength=classes * classes)).astype(np.float32)
    profile: npt.NDArray[np.float32] = counts / max(1e-6, float(np.linalg.norm(counts)))
    return profile
