"""What Lightning wrote about a run beside its events: `config.yaml` of the command line, `hparams.yaml` of any start.

Only single values are wanted of them, twenty runs at a time and again and again. So a value is cut out of the text as
it stands; a YAML reader is imported for those that are quoted or folded. No tag is followed: what was a Python object
is the text or the list that describes it.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path, PurePosixPath

CONFIG, HYPERPARAMETERS = "config.yaml", "hparams.yaml"

LARGEST = 1_000_000
"""Bytes. Such a file has some thousand; a longer one is not what it is called."""

_NULL = {"", "null", "Null", "NULL", "~"}
_PYTHON_TAG = re.compile(r"!!python/\S+")
_NOT_PLAIN = re.compile(r"""^['"\[{&*!|>%@`]|\s#|:\s|\n""")


def read_settings(path: Path) -> str:
    """Give the text of a settings file; "" when there is none, or a pipe.

    Raises:
        OSError: it is there and can't be read.
    """
    try:
        if stat.S_ISFIFO(path.stat().st_mode):  # opening it would wait for somebody to write
            return ""
        with path.open("rb") as file:
            return file.read(LARGEST).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def value_of(text: str, key: str, section: str = "") -> str | None:
    """Give one value of a settings file.

    Args:
        text: of the file.
        key: on the first level, or on that of the section.
        section: a key of the first level that holds others, for instance `data`.

    Returns:
        The value as text, a list of names as the path that it stands for; None for `null`, for a value that is neither
        and for a key that is not there.
    """
    indent = ""
    if section:
        block = re.search(rf"^{re.escape(section)}:[ \t]*\n(?P<lines>(?P<indent>[ ]+).*(?:\n(?:[ ].*)?)*)", text, re.M)
        if block is None:
            return None
        text, indent = block["lines"], block["indent"]
    found = re.search(rf"^{indent}{re.escape(key)}:(?P<value>.*(?:\n{indent}(?:[ ]|-[ ]).*)*)", text, re.M)
    written = found["value"].strip() if found else ""
    if written in _NULL:
        return None
    return _read(written) if _NOT_PLAIN.search(written) else written


def whole_of(text: str, key: str, section: str = "") -> int | None:
    """Give a whole number of a settings file; None when there is none."""
    value = value_of(text, key, section)
    return int(value) if value is not None and re.fullmatch(r"-?\d{1,15}", value) else None


def _read(written: str) -> str | None:
    import yaml  # 80 ms; plain values need none of it

    try:
        # Never a longer path than a file system takes; what is longer is no value that anybody wants here.
        value = yaml.safe_load(_PYTHON_TAG.sub("", written)) if len(written) <= 20_000 else None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError):
        return None
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return str(PurePosixPath(*value))
    return str(value) if isinstance(value, str | int | float) else None
