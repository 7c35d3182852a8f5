"""Whether some trainings lie among others, where training is chaotic and no two curves coincide.

A game of two networks enlarges rounding until curves differ by percents. So one pair of curves shows nothing; here
several trainings of one kind are compared with several of another, and with how far those lie from each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from statistics import median

MEAN_OF = 10
"""Steps: single ones jump where a frame changes its phoneme."""
STRETCH = 100
"""Steps that are judged together."""
TOLERANCE = 2.0
"""So many times as far from the controls as those are from each other may a training be: they are few."""

Curves = dict[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A loss in a stretch of steps; distances are relative differences of means of ten steps."""

    loss: str
    begin: int
    end: int
    ours: float
    """Median distance of one of ours from a control."""
    bias: float
    """The same with its sign: positive where ours are higher."""
    controls: float
    """Median distance of two controls."""
    most: float
    """The largest median distance of any two controls."""

    @property
    def inside(self) -> bool:
        """Whether ours are no further from the controls than those may be from each other."""
        return self.ours <= TOLERANCE * self.most


def compare(ours: Sequence[Curves], controls: Sequence[Curves]) -> list[Cell]:
    """Compare each loss in each stretch.

    Args:
        ours: curves of trainings that may differ from the controls.
        controls: at least two that differ from each other by rounding alone.
    """
    cells = []
    steps = len(next(iter(controls[0].values())))
    for loss, begin in product(controls[0], range(0, steps, STRETCH)):
        one, other = ([_means(curves[loss][begin : begin + STRETCH]) for curves in kind] for kind in (ours, controls))
        across = [_relative(a, b) for a, b in product(one, other)]
        among = [_median(abs, _relative(a, b)) for a, b in combinations(other, 2)]
        cells.append(
            Cell(
                loss=loss,
                begin=begin,
                end=min(begin + STRETCH, steps),
                ours=median(_median(abs, pair) for pair in across),
                bias=median(_median(float, pair) for pair in across),
                controls=median(among),
                most=max(among),
            )
        )
    return cells


def _median(of: Callable[[float], float], values: Sequence[float]) -> float:
    return median(of(value) for value in values)


def _means(curve: Sequence[float]) -> list[float]:
    width = min(MEAN_OF, len(curve))
    return [sum(curve[begin : begin + width]) / width for begin in range(0, len(curve) - width + 1, width)]


def _relative(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [2 * (a - b) / ((abs(a) + abs(b)) or 1.0) for a, b in zip(one, other, strict=True)]
