"""Edit distance of many pairs of sound sequences at once, and what chance would give.

Legend: P pairs, I sounds of the longest first sequence, J of the longest second one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from workbench.mismatch.sounds import COSTS, Sounds

Numbers = npt.NDArray[np.float64]

_PAIRS_AT_ONCE = 512
_WINDOWS = 16
"""Stretches of other texts that a recording is compared with, to learn what chance gives."""
_MAD_TO_SIGMA = 1.4826


def distances(ones: Sequence[Sounds], others: Sequence[Sounds]) -> Numbers:
    """Edit distance of each pair, divided by the longer one's length: 0 is equal, 1 has nothing in common.

    Args:
        ones: P sequences.
        others: P sequences; two empty ones have distance 0.
    """
    result = np.zeros(len(ones))
    # Sorted by length, so that padding costs little.
    order = sorted(range(len(ones)), key=lambda pair: (len(others[pair]), len(ones[pair])))
    for begin in range(0, len(order), _PAIRS_AT_ONCE):
        part = order[begin : begin + _PAIRS_AT_ONCE]
        chosen = [ones[pair] for pair in part], [others[pair] for pair in part]
        longest = np.array([max(1, len(one), len(other)) for one, other in zip(*chosen, strict=True)])
        result[part] = _edit_distances(*chosen) / longest
    return result


def _edit_distances(ones: Sequence[Sounds], others: Sequence[Sounds]) -> Numbers:
    """The classic recursion, a row of the table for all pairs at a time."""
    ones_PI, one_lengths_P = _padded(ones)
    others_PJ, other_lengths_P = _padded(others)
    pairs = np.arange(len(ones))
    inserted_J = np.arange(others_PJ.shape[1] + 1, dtype=np.float32)
    row_PJ = np.tile(inserted_J, (len(ones), 1))
    result_P = row_PJ[pairs, other_lengths_P].astype(np.float64)
    for step in range(ones_PI.shape[1]):
        changed_PJ = row_PJ[:, :-1] + COSTS[ones_PI[:, step, None], others_PJ]
        row_PJ = row_PJ + 1
        np.minimum(row_PJ[:, 1:], changed_PJ, out=row_PJ[:, 1:])
        # Insertions: the best of all cells to the left, each one further away costing 1 more.
        row_PJ = np.minimum.accumulate(row_PJ - inserted_J, axis=1) + inserted_J
        ended_P = one_lengths_P == step + 1
        result_P[ended_P] = row_PJ[pairs[ended_P], other_lengths_P[ended_P]]
    return result_P


def _padded(sequences: Sequence[Sounds]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    lengths_P = np.array([len(sequence) for sequence in sequences], dtype=np.intp)
    padded = np.zeros((len(sequences), int(lengths_P.max(initial=0))), dtype=np.intp)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded, lengths_P


class Chance:
    """What distance a recording has to a text of the same dataset that it does not say.

    It depends on the language, on how well the recogniser hears, and on both lengths, so it is measured: by stretches
    of other texts that are as long as the text in question. A distance divided by it is 1 where the text is as good as
    any, in every language; and how much the stretches differ tells how far below 1 a short text comes by luck.
    """

    def __init__(self, heard: Sequence[Sounds], texts: Sequence[Sounds]) -> None:
        """
        Args:
            heard: sounds of all recordings.
            texts: sounds of the text of each; at least one is not empty.
        """
        self._random = np.random.default_rng(0)
        self._all = np.concatenate([texts[index] for index in self._random.permutation(len(texts))])
        chosen = self._random.permutation(len(texts))[:_PAIRS_AT_ONCE].tolist()
        by_chance = self._by_chance([heard[index] for index in chosen], [texts[index] for index in chosen])
        apart = np.abs(by_chance - np.median(by_chance, axis=1, keepdims=True))
        lengths = np.array([max(1, len(texts[index])) for index in chosen])
        # A few stretches tell little of the spread of one pair; all pairs together tell how it falls with the length.
        self._spread = max(1e-6, _MAD_TO_SIGMA * float(np.median(apart * np.sqrt(lengths)[:, None])))

    def relative(self, heard: Sequence[Sounds], texts: Sequence[Sounds]) -> tuple[Numbers, Numbers]:
        """Distance of each pair as a share of what chance gives, and its standard deviations below chance."""
        found = distances(heard, texts)
        # Medians: a stretch may be of the very text.
        usual = np.maximum(np.median(self._by_chance(heard, texts), axis=1), 1e-6)
        lengths = np.array([max(1, len(text)) for text in texts])
        return found / usual, (usual - found) * np.sqrt(lengths) / self._spread

    def _by_chance(self, heard: Sequence[Sounds], texts: Sequence[Sounds]) -> Numbers:
        """Distances [P, windows] to stretches of the texts that are as long as the given ones."""
        starts = self._random.integers(0, len(self._all), (len(heard), _WINDOWS))
        windows = [
            np.take(self._all, np.arange(start, start + len(text)), mode="wrap")
            for text, row in zip(texts, starts, strict=True)
            for start in row
        ]
        found = distances([one for one in heard for _ in range(_WINDOWS)], windows)
        return found.reshape(len(heard), _WINDOWS)
