"""Recordings that are the same sound, and rows that the split puts on both of its sides.

N recordings, B bits of a sketch.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from workbench.api import AudioMeasures, DatasetFacts, Finding, Utterance
from workbench_health.gathered import Gathered, Value
from workbench_health.kinds.sound import KINDS
from workbench_health.limits import Limits

# Two copies of one sound differ in length by what an encoder adds or an editor cuts.
_LENGTH_SHARE = 0.04
_LENGTH_SECONDS = 0.3
_TRAIN, _VALIDATION = "train", "validation"


_SAME_FILE, _SAME_SOUND, _NEAR, _SAME_TEXT = "file", "sound", "near", "text"
_HOW = MappingProxyType(
    {
        _SAME_FILE: "is the recording of",
        _SAME_SOUND: "is the same sound as that of",
        _NEAR: "sounds nearly as that of",
        _SAME_TEXT: "says the same as",
    }
)


class DuplicateRule:
    """Compares all recordings by what was measured of them, and looks where the split puts those that are alike."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._limits = Limits(dataset)
        self._gathered = Gathered(dataset, KINDS)
        self._first: dict[Path, Utterance] = {}
        self._heard: list[tuple[Utterance, AudioMeasures]] = []
        self._trained: dict[int, Utterance] = {}
        self._texts: dict[tuple[str, str | None], list[int]] = defaultdict(list)
        self._pairs: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def check(self, utterance: Utterance) -> Iterable[Finding]:
        """Keep one row that can be trained."""
        if utterance.path is None or utterance.audio_error:
            return ()
        first = self._first.setdefault(utterance.path, utterance)
        if first is not utterance:  # told elsewhere
            self._pairs[_SAME_FILE].append((first.row, utterance.row))
        elif utterance.same_as is not None:
            what = f"'{utterance.file}' is a copy of the recording of line {utterance.same_as}, with the same text"
            self._gathered.add("duplicate.clip", utterance, what, {"other": utterance.same_as})
        elif utterance.measures is not None:
            self._heard.append((utterance, utterance.measures))
        if utterance.is_trained:
            self._trained[utterance.row] = utterance
            if said := plain(utterance.text):
                self._texts[said, utterance.speaker].append(utterance.row)
        return ()

    def finish(self) -> Iterator[Finding]:
        """Pairs of recordings, then those of which the split trains one and validates with the other."""
        self._same()
        self._near()
        self._leaks()
        yield from self._gathered.findings()

    def _leaks(self) -> None:
        alike = [(how, pair) for how in _HOW for pair in self._pairs[how]]
        repeated = [rows for rows in self._texts.values() if len(rows) > 1]
        if not self._dataset.validation_split or not (alike or repeated):
            return
        parts = self._dataset.parts()
        told: set[int] = set()
        for how, pair in alike:
            self._leak(how, pair, parts, told)
        for rows in repeated:
            trained = next((row for row in rows if parts.get(row) == _TRAIN), None)
            for row in rows if trained is not None else ():
                self._leak(_SAME_TEXT, (row, trained), parts, told)

    def _leak(self, how: str, pair: tuple[int, int | None], parts: Mapping[int, str], told: set[int]) -> None:
        """Tell a pair of which one is in validation and the other is trained; of a row, the clearest pair only."""
        by_part = {parts.get(row): self._trained[row] for row in pair if row in self._trained}
        if _TRAIN not in by_part or _VALIDATION not in by_part:
            return
        held, trained = by_part[_VALIDATION], by_part[_TRAIN]
        if held.row not in told:
            told.add(held.row)
            what = (
                f"'{held.file}' stands in validation and {_HOW[how]} line {trained.row} ('{trained.file}'), which is "
                "trained"
            )
            evidence: dict[str, Value] = {
                "alike": how,
                "part": _VALIDATION,
                "other": trained.row,
                "other_file": trained.file,
                "other_part": _TRAIN,
            }
            self._gathered.add("duplicate.split", held, what, evidence)

    def _same(self) -> None:
        first: dict[str, Utterance] = {}
        for utterance, measures in self._heard:
            other = first.setdefault(measures.digest, utterance)
            if other is not utterance:
                self._tell("duplicate.audio", other, utterance, "is the same sound as", 0.0)

    def _near(self) -> None:
        """Only recordings of nearly the same length are compared: a sketch has the recording's whole length."""
        different = {measures.digest: (utterance, measures) for utterance, measures in reversed(self._heard)}
        heard = sorted((item for item in different.values() if item[1].sketch), key=lambda item: item[1].seconds)
        if not heard:
            return
        size = max(len(measures.sketch) for _, measures in heard)
        heard = [item for item in heard if len(item[1].sketch) == size]
        sketch_NB = np.array([list(bytes.fromhex(measures.sketch)) for _, measures in heard], dtype=np.uint8)
        lengths_N = np.array([measures.seconds for _, measures in heard])
        limit = self._limits["near_bits"]
        for at, (utterance, _) in enumerate(heard):
            longest = max(lengths_N[at] * (1 + _LENGTH_SHARE), lengths_N[at] + _LENGTH_SECONDS)
            end = int(np.searchsorted(lengths_N, longest, side="right"))
            differ_N = _bits(sketch_NB[at + 1 : end] ^ sketch_NB[at]) / (4 * size)
            for index in np.flatnonzero(differ_N <= limit):
                other = heard[at + 1 + int(index)][0]
                first, second = sorted((utterance, other), key=lambda item: item.row)
                self._tell("duplicate.near", first, second, "sounds nearly as", float(differ_N[index]))

    def _tell(self, kind: str, first: Utterance, second: Utterance, how: str, differ: float) -> None:
        self._pairs[_SAME_SOUND if kind == "duplicate.audio" else _NEAR].append((first.row, second.row))
        same = plain(first.text) == plain(second.text)
        with_text = "the same text" if same else "another text"
        what = f"'{second.file}' {how} '{first.file}' of line {first.row}, with {with_text}"
        limit = self._limits["near_bits"]
        evidence: dict[str, Value] = {"other": first.row, "same_text": same, "differ": round(differ, 3), "limit": limit}
        self._gathered.add(kind, second, what, evidence)


def _bits(bytes_NB: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Bits that are set in each row."""
    counted: npt.NDArray[np.int64] = np.unpackbits(bytes_NB, axis=1).sum(axis=1, dtype=np.int64)
    return counted


def plain(text: str) -> str:
    """Words of a text in small letters: what makes two texts the same."""
    return " ".join(re.findall(r"\w+", text.casefold()))
