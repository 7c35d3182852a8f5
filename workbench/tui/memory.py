"""What a scan found stays: Python need not look through it again and again for what could be thrown away."""

from __future__ import annotations

import gc
from collections.abc import Sequence

_AT_ONCE = 500
"""Rows that are freed without a pause for the other threads: a millisecond."""


def keep_out_of_collections() -> None:
    """Leave everything that is alive now out of all later garbage collections.

    A hundred thousand rows are some million containers, and a full collection of them stops every thread for a quarter
    of a second. They hold no cycles, so counting references frees them all the same. What is lost is the garbage in
    cycles that is older than the young generations, which are collected first.
    """
    gc.collect(1)
    gc.freeze()


def let_go(held: list[Sequence[object]]) -> None:
    """Free rows that nobody needs any more, some at a time; for a thread, because all at once take a tenth of a second.

    Args:
        held: lists that nobody else holds; they are taken out of it, the last first.
    """
    while held:
        rows = list(held.pop())
        while rows:
            del rows[-_AT_ONCE:]
