"""Means of losses that stay on the device until somebody draws them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class MetricWindow:
    """Sums up 0-dim tensors and fetches all means in one transfer.

    Reading a number from a GPU makes it finish everything that is queued. One read in many steps costs nothing, one
    in each step costs a good part of a small model's speed.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._sums)

    def add(self, values: Mapping[str, Tensor], weight: float = 1.0) -> None:
        """Count one step, or one batch of `weight` utterances."""
        for name, value in values.items():
            scaled = value.detach().float() * weight
            self._sums[name] = self._sums[name] + scaled if name in self._sums else scaled
            self._weights[name] = self._weights.get(name, 0.0) + weight

    def fetch(self) -> dict[str, float]:
        """The means since the last fetch. A single step that was not finite shows in them."""
        return {name: total / weight for name, (total, weight) in self.fetch_sums().items()}

    def fetch_sums(self) -> dict[str, tuple[float, float]]:
        """Sum and weight of each name since the last fetch, to be merged with those of other processes."""
        if not self._sums:
            return {}
        sums = torch.stack(list(self._sums.values())).tolist()
        found = {name: (total, self._weights[name]) for name, total in zip(self._sums, sums, strict=True)}
        self._sums.clear()
        self._weights.clear()
        return found
