"""Phoneme ids of the user's own, and neighbouring phonemes that count as one.

Both change what the model reads, so both stand in the voice's configuration, where Piper's runtime finds them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core_vits.phonemes import BOS, EOS, NUM_SYMBOLS, PAD

# A map is some hundred lines; more is another file under this name.
_LARGEST_BYTES = 1_000_000
_MARKS = {PAD: "between phonemes", BOS: "begin of a sentence", EOS: "end of a sentence"}


class PhonemeMapError(ValueError):
    """The file is no phoneme map; the message is one line that names the file and the symbol."""


@dataclass(frozen=True, slots=True)
class PhonemeMap:
    """Ids of each symbol, and what their writer hardly meant."""

    ids: Mapping[str, tuple[int, ...]]
    warnings: tuple[str, ...] = ()
    """One line each."""


def read_phoneme_map(path: Path, *, name: str = "") -> PhonemeMap:
    """Read a JSON object `symbol -> id` or `symbol -> [ids]`, as Piper's `phonemes_path`, or a voice's `config.json`.

    Args:
        path: the file.
        name: what errors call it; its path if not given.

    Raises:
        PhonemeMapError: it can't be read, is no such map, or lacks a symbol that every sentence needs.
    """
    called = name or str(path)
    table = _read(path, called)
    inner = table.get("phoneme_id_map")
    if isinstance(inner, dict):  # a whole voice configuration: what a user has who goes on from a published voice
        table = inner
    ids = {symbol: _ids(symbol, value, called) for symbol, value in table.items()}
    absent = [symbol for symbol in _MARKS if symbol not in ids]
    if absent:
        lacks = ", ".join(f"'{symbol}' ({_MARKS[symbol]})" for symbol in absent)
        raise PhonemeMapError(f"{called}: has no {lacks}, which every sentence needs. Add it with the voice's id.")
    shared: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for symbol, numbers in ids.items():
        shared[numbers].append(symbol)
    warnings = tuple(
        f"{called}: {' '.join(symbols)} have the same id {' '.join(map(str, numbers))}, so that the voice can't tell "
        "them apart. Give each its own."
        for numbers, symbols in shared.items()
        if len(symbols) > 1
    )
    return PhonemeMap(ids, warnings)


def _read(path: Path, name: str) -> dict[str, Any]:
    """
    Raises:
        PhonemeMapError: it is no JSON object.
    """
    if path.exists() and not path.is_file():  # a FIFO would block the reader for ever
        raise PhonemeMapError(f"{name}: is not a regular file. Name a JSON file in [text] phoneme_map.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PhonemeMapError(f"{name}: can't be read ({error.strerror}). Correct [text] phoneme_map.") from None
    if len(data) > _LARGEST_BYTES:
        raise PhonemeMapError(f"{name}: is larger than 1 MB and can't be a phoneme map. Name another file.")
    try:
        table = json.loads(data.decode("utf-8-sig"), object_pairs_hook=lambda pairs: _once(pairs, name))
    except PhonemeMapError:
        raise
    except (ValueError, RecursionError) as error:
        said = " ".join(str(error).split())[:160]
        raise PhonemeMapError(f"{name}: is not JSON ({said}). Write an object of symbols and ids.") from None
    if not isinstance(table, dict):
        raise PhonemeMapError(f'{name}: is not a JSON object. Write an object of symbols and ids, as {{"a": 14}}.')
    return table


def _once(pairs: Sequence[tuple[str, Any]], name: str) -> dict[str, Any]:
    """An object; a key that stands twice would silently lose its first value."""
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise PhonemeMapError(f"{name}: '{key}' stands there twice. Delete one of them.")
        table[key] = value
    return table


def _ids(symbol: str, value: Any, name: str) -> tuple[int, ...]:
    """
    Raises:
        PhonemeMapError: these are no ids.
    """
    if not symbol:
        raise PhonemeMapError(f"{name}: a symbol is empty. Delete the entry.")
    numbers = value if isinstance(value, list) else [value]
    if not numbers or not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        shown = json.dumps(value, ensure_ascii=False)[:40]
        raise PhonemeMapError(f"{name}: '{symbol}' has the value {shown}; an id or a list of ids is wanted.")
    outside = next((number for number in numbers if not 0 <= number < NUM_SYMBOLS), None)
    if outside is not None:
        raise PhonemeMapError(
            f"{name}: '{symbol}' has the id {outside}; a voice has the ids 0 to {NUM_SYMBOLS - 1}. Use a free one."
        )
    return tuple(numbers)


class Clusters:
    """Phonemes that count as one where they follow each other, for instance `a` and `ɪ` as `aɪ`."""

    def __init__(self, clusters: Iterable[Sequence[str]]) -> None:
        """
        Args:
            clusters: each at least two phonemes of one code point each.
        """
        self.all: tuple[tuple[str, ...], ...] = tuple(sorted({tuple(cluster) for cluster in clusters}))
        self._by_first: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for cluster in sorted(self.all, key=len, reverse=True):
            self._by_first[cluster[0]].append(cluster)

    def merge(self, phonemes: Sequence[str]) -> tuple[str, ...]:
        """The phonemes of one sentence with each cluster as one symbol; the longest one wins, from the left."""
        if not self.all:
            return tuple(phonemes)
        merged: list[str] = []
        at = 0
        while at < len(phonemes):
            here = self._by_first.get(phonemes[at], ())
            found = next((item for item in here if tuple(phonemes[at : at + len(item)]) == item), (phonemes[at],))
            merged.append("".join(found))
            at += len(found)
        return tuple(merged)

    def without_id(self, id_map: Mapping[str, Sequence[int]]) -> list[str]:
        """Merged symbols that a map has no id for: they would be left out of every text."""
        symbols = ("".join(cluster) for cluster in self.all)
        return [symbol for symbol in symbols if not id_map.get(symbol)]
