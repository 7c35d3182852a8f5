"""Edit distances of many pairs at once, and what chance gives."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.mismatch.distance import Chance, distances
from workbench.mismatch.sounds import CLASSES, COSTS, Sounds, sounds_of


def plain(one: Sounds, other: Sounds) -> float:
    """The textbook's recursion, cell by cell."""
    table = np.zeros((len(one) + 1, len(other) + 1))
    table[:, 0], table[0] = np.arange(len(one) + 1), np.arange(len(other) + 1)
    for row, left in enumerate(one, start=1):
        for column, right in enumerate(other, start=1):
            table[row, column] = min(
                table[row - 1, column] + 1,
                table[row, column - 1] + 1,
                table[row - 1, column - 1] + COSTS[left, right],
            )
    return float(table[-1, -1]) / max(1, len(one), len(other))


def sequences(seed: int, number: int, longest: int = 30) -> list[Sounds]:
    random = np.random.default_rng(seed)
    return [random.integers(0, len(CLASSES), random.integers(0, longest)).astype(np.int8) for _ in range(number)]


def test_distances_equal_those_of_the_textbook_also_of_empty_sequences_and_more_than_one_batch() -> None:
    ones, others = sequences(1, 600), sequences(2, 600)
    ones[3] = others[4] = ones[5] = others[5] = np.zeros(0, dtype=np.int8)
    expected = [plain(one, other) for one, other in zip(ones, others, strict=True)]
    assert distances(ones, others) == pytest.approx(expected, abs=1e-6)


def test_equal_sequences_have_distance_zero_and_an_empty_one_has_one() -> None:
    text = sounds_of("privʲet")
    empty = text[:0]
    assert distances([text, text, empty, empty], [text, empty, text, empty]).tolist() == [0.0, 1.0, 1.0, 0.0]


def test_a_text_of_another_recording_is_at_chance_and_the_own_one_far_below() -> None:
    texts = [sequence for sequence in sequences(3, 200, 80) if len(sequence) > 30]
    chance = Chance(texts, texts)
    wrong, below = chance.relative(texts, [*texts[1:], texts[0]])
    # Texts of other lengths are a little further than stretches of the same length.
    assert 0.97 < np.median(wrong) < 1.1
    assert np.mean(below > 4) < 0.02
    own, below = chance.relative(texts, texts)
    assert own.max() == 0
    assert below.min() > 5


def test_a_short_text_comes_below_chance_by_luck_more_easily_than_a_long_one() -> None:
    short = [sequence[:12] for sequence in sequences(4, 300, 80) if len(sequence) > 30]
    long = [sequence for sequence in sequences(5, 300, 80) if len(sequence) > 40]
    chance = Chance(short + long, short + long)
    spread = [np.std(chance.relative(part, [*part[1:], part[0]])[0]) for part in (short, long)]
    assert spread[0] > 1.3 * spread[1]
    certainty = [float(np.median(chance.relative(part, part)[1])) for part in (short, long)]
    assert certainty[0] < 0.7 * certainty[1]


def test_the_same_data_give_the_same_numbers() -> None:
    texts = [sequence for sequence in sequences(6, 60) if len(sequence)]
    first, second = (Chance(texts, texts).relative(texts, texts[::-1]) for _ in range(2))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
