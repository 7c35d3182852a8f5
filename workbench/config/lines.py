"""Find the line of a table or a key in TOML text: tomllib forgets where values stood, users want to know."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]#]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def line_of(text: str, table: tuple[str, ...], key: str | None = None) -> int | None:
    """The 1-based line where `key` of `table` is set, or where the table begins; None when the scan doesn't find it.

    It is a scan, not a parser: it knows headers, dotted keys and multi-line strings, and says None rather than a
    wrong number for rarer notations (inline tables).
    """
    wanted = (*table, key) if key is not None else table
    current: tuple[str, ...] = ()
    quotes = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if quotes:
            if quotes in line:
                quotes = ""
            continue
        header = _HEADER.match(line)
        if header:
            current = _parts(header[1])
            if key is None and current[: len(wanted)] == wanted:
                return number
            continue
        assignment = _KEY.match(line)
        if assignment:
            full = (*current, *_parts(assignment[1]))
            if full[: len(wanted)] == wanted:
                return number
            quotes = _opened(line[assignment.end() :])
    return None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _opened(rest: str) -> str:
    """The kind of multi-line string that begins in the value and does not end on its line."""
    for quotes in ('"""', "'''"):
        if rest.lstrip().startswith(quotes):
            return "" if rest.count(quotes) > 1 else quotes
    return ""
