"""Some rows of a list in an order of their own, by their places in it.

A list of a hundred thousand rows, and pairs to sort it by, would be looked through by the garbage collections of the
event loop, up to 30 ms each. An array of numbers is not.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, overload

Row = Mapping[str, Any]
Value = float | str

_AT_ONCE = 5_000
"""Rows that are sorted without a pause for the other threads."""


class Picked(Sequence[Row]):
    """Rows of `items` at some places; a list that only grows may grow meanwhile."""

    def __init__(self, items: Sequence[Row], places: Iterable[int]) -> None:
        self._items = items
        self._places = array("I", places)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Picked: ...
    def __getitem__(self, at: int | slice) -> Row | Picked:
        return Picked(self._items, self._places[at]) if isinstance(at, slice) else self._items[self._places[at]]

    def __iter__(self) -> Iterator[Row]:
        return (self._items[place] for place in self._places)

    def in_order(self, value: Callable[[Row], Value | None], *, falling: bool) -> Picked:
        """Sorted; those without a value come last either way, and equal ones stay as they are."""
        values = {place: found for place in self._places if (found := value(self._items[place])) is not None}
        known = list(values)
        # The last sort merges the pieces; one of them all would keep the event loop waiting.
        for at in range(0, len(known), _AT_ONCE):
            known[at : at + _AT_ONCE] = sorted(known[at : at + _AT_ONCE], key=values.__getitem__, reverse=falling)
        known.sort(key=values.__getitem__, reverse=falling)
        return Picked(self._items, chain(known, (place for place in self._places if place not in values)))
