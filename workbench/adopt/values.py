"""One option as it was given, and its value as the type that the table of options says."""

from __future__ import annotations

import ast
import json
import math
import re
import reprlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import ConfigError

NO_VALUE = object()
"""Of an option that stands without a value."""
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 120
# YAML's aliases make a small file an endless list: whatever is printed is cut in width and depth.
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 12
_SHORT.maxlevel = 3
_LONGEST_LITERAL = 10_000
_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Given:
    """One option as it was given."""

    flag: str
    """As it was written, or as it would be on a command line: `--data.batch_size`."""
    name: str
    """By which `FIT_FLAGS` knows it, or a name of the predecessor that `fit` does not have."""
    value: object
    place: str
    """`train_resume.sh:14`."""
    missing: tuple[str, ...] = ()
    """Variables that were not known."""
    written: bool = True
    """Whether somebody wrote it into a command; a config.yaml lists every option, whoever gave it."""

    @property
    def shown(self) -> str:
        """The value in short."""
        if self.value is NO_VALUE:
            return ""
        return short(self.value)


def short(value: object) -> str:
    """A value as one line of text, whatever its size."""
    text = " ".join((value if isinstance(value, str) else _SHORT.repr(value)).split())
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def unresolved(given: Given) -> ConfigError:
    """The error for an option whose value depends on something that is not known."""
    named = given.missing[0]
    if not re.fullmatch(r"\w+", named):
        return ConfigError(
            f"{given.place}: {short(given.flag)} is '{given.shown}', which only running the script can tell; write its "
            "value into a copy of the script and adopt that"
        )
    what = f"the script's argument ${named}" if named.isdigit() else f"the variable {named}"
    return ConfigError(
        f"{given.place}: {short(given.flag)} needs {what}, which the script does not set; give it: --var {named}=VALUE"
    )


def converted(given: Given, kind: str) -> Any:
    """A value as `int`, `float`, `bool` or text; None for null.

    Raises:
        ConfigError: it is not of that kind.
    """
    value = given.value
    if value is NO_VALUE:
        if kind in ("bool", "any"):
            return True
        raise ConfigError(f"{given.place}: {given.flag} has no value")
    if is_null(value):
        return None
    if isinstance(value, str):
        value = value.strip()
    wanted = {"int": "a whole number", "float": "a number", "bool": "true or false"}.get(kind, "")
    try:
        result = _CONVERSIONS[kind](value)
    except (ValueError, TypeError, OverflowError):
        result = None
    if result is None:
        raise ConfigError(f"{given.place}: {given.flag} is '{given.shown[:60]}'; {wanted or 'a text'} is wanted")
    return result


def is_null(value: object) -> bool:
    """Whether a value says that there is none."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("null", "none", "~", ""))


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value):
        return int(value)
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 1e18 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {
        "true": True,
        "yes": True,
        "1": True,
        "on": True,
        "false": False,
        "no": False,
        "0": False,
        "off": False,
    }.get(str(value).lower())


def _plain_text(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None


def _anything(value: Any) -> Any:
    return literal(value) if isinstance(value, str) else value


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "int": _whole, "float": _number, "bool": _truth, "text": _plain_text, "path": _plain_text, "any": _anything,
}  # fmt: skip


def literal(text: str) -> object:
    """A list, number or object that is written out; else the text itself."""
    lowered = text.lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if len(text) > _LONGEST_LITERAL or not re.match(r"[\s\[({'\"\d.+-]", text):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in what is only looked at
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text
