"""Python's garbage collections, made seldom while a lot is read that stays."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

_YOUNG = 50_000
"""Containers that are made before the young ones are looked through; Python's own number is 700."""


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for cycles seldom, as long as this lasts.

    A table of a hundred thousand rows is half a million containers without one cycle. Python looks through those that
    are there each time a quarter has come on top: a third of the time in which a table is read.
    """
    before = gc.get_threshold()
    gc.set_threshold(_YOUNG, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
