"""What is usual in a dataset, so that few bad clips can't move it: median and median absolute deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

# Makes the median absolute deviation of a normal distribution its standard deviation.
_TO_DEVIATION = 1.4826
# With fewer values nobody knows what is usual.
_ENOUGH = 12


@dataclass(frozen=True, slots=True)
class Usual:
    """Median and spread of a measure."""

    middle: float
    deviation: float
    count: int

    @property
    def is_known(self) -> bool:
        """Whether there are enough values to tell what is usual."""
        return self.count >= _ENOUGH

    def is_far(self, value: float, outlier: float, step: float) -> bool:
        """Whether a value is an outlier: by so many deviations, and by a step that matters."""
        away = abs(value - self.middle)
        return self.is_known and away > step and away > outlier * self.deviation


def usual(values: Sequence[float]) -> Usual:
    """Median and robust deviation; zeros where there is no value."""
    if not values:
        return Usual(0.0, 0.0, 0)
    middle = median(values)
    return Usual(middle, _TO_DEVIATION * median(abs(value - middle) for value in values), len(values))
