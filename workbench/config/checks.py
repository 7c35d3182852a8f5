"""Small checks of one value; each returns what is wanted, or an empty string when the value is right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable

Check = Callable[[object], str]


def at_least(lowest: float) -> Check:
    """The value must not be below `lowest`."""

    def check(value: object) -> str:
        return "" if isinstance(value, (int, float)) and value >= lowest else f"at least {lowest:g} is wanted"

    return check


def between(lowest: float, highest: float) -> Check:
    """The value must lie in the closed range."""

    def check(value: object) -> str:
        inside = isinstance(value, (int, float)) and lowest <= value <= highest
        return "" if inside else f"a value from {lowest:g} to {highest:g} is wanted"

    return check


def above(limit: float, highest: float = float("inf")) -> Check:
    """The value must be greater than `limit` and at most `highest`."""

    def check(value: object) -> str:
        if isinstance(value, (int, float)) and limit < value <= highest:
            return ""
        upper = "" if highest == float("inf") else f" and at most {highest:g}"
        return f"a value above {limit:g}{upper} is wanted"

    return check


def below(limit: float) -> Check:
    """The value must be smaller than `limit`."""

    def check(value: object) -> str:
        return "" if isinstance(value, (int, float)) and value < limit else f"a value below {limit:g} is wanted"

    return check


def multiple_of(step: int) -> Check:
    """The value must divide by `step`."""

    def check(value: object) -> str:
        return "" if isinstance(value, int) and value % step == 0 else f"a multiple of {step} is wanted"

    return check


def one_of(*choices: str) -> Check:
    """The value must be one of `choices`."""

    def check(value: object) -> str:
        return "" if value in choices else f"one of {', '.join(choices)} is wanted"

    return check


def matching(pattern: str, wanted: str) -> Check:
    """The whole text must match `pattern`; `wanted` says so in words."""
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        return "" if isinstance(value, str) and compiled.fullmatch(value) else f"{wanted} is wanted"

    return check


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` when something known looks like what was given, else an empty string."""
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""
