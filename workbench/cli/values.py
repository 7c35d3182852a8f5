"""Types of the command line's values: what is no such value is refused with what is wanted."""

from __future__ import annotations

import argparse
from pathlib import Path


def path(text: str) -> Path:
    """A path."""
    if not text:  # an unset shell variable, say; it would mean the current folder
        raise argparse.ArgumentTypeError("the name is empty; a path is wanted")
    return Path(text)


def positive(text: str) -> int:
    """A whole number above 0."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return number


def ways(text: str) -> tuple[str, ...]:
    """Ways of mending, with commas."""
    chosen = tuple(way.strip() for way in text.split(","))
    unknown = next((way for way in chosen if way not in ("left", "dc", "rate", "trim")), None)
    if unknown is not None:
        raise argparse.ArgumentTypeError(f"'{unknown}' is not one of left, dc, rate, trim")
    return chosen


def decibels(text: str) -> float:
    """A gain."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -60 <= value <= 60:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of decibels from -60 to 60")
    return value


def shard(text: str) -> tuple[int, int]:
    """A part of several: its number and how many there are."""
    part, slash, parts = text.partition("/")
    if not (
        slash and part.isdecimal() and parts.isdecimal() and text.isascii() and 1 <= int(part) <= int(parts) <= 999_999
    ):
        raise argparse.ArgumentTypeError(f"'{text}' is no part such as 2/16 (the second of sixteen)")
    return int(part), int(parts)


def seconds(text: str) -> float:
    """Seconds from 0."""
    return number(text, "a number of seconds from 0")


def factor(text: str) -> float:
    """A factor above 0."""
    value = number(text, "a factor above 0")
    if value == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a factor above 0")
    return value


def number(text: str, wanted: str) -> float:
    """A number from 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not {wanted}")
    return value
