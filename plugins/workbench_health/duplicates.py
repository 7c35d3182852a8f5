"""Recordings that are the same sound, and rows that a split may put on both of its sides.

N recordings, B bits of a sketch.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workbench.api import AudioMeasures, DatasetFacts, Finding, Utterance
from workbench_health.gathered import Gathered, Value, worded
from workbench_health.kinds.sound import KINDS
from workbench_health.limits import Limits

# Two copies of one sound differ in length by what an encoder adds or an editor cuts.
_LENGTH_SHARE = 0.04
_LENGTH_SECONDS = 0.3


class DuplicateRule:
    """Compares all recordings by what was measured of them."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._limits = Limits(dataset)
        self._gathered = Gathered(dataset, KINDS)
        self._paths: set[Path] = set()
        self._heard: list[tuple[Utterance, AudioMeasures]] = []
        self._texts: dict[tuple[str, str | None], list[int]] = defaultdict(list)
        self._pairs: set[tuple[int, int]] = set()

    def check(self, utterance: Utterance) -> Iterable[Finding]:
        """Keep one row that can be trained."""
        if utterance.path is not None and not utterance.audio_error:
            # A file that is named twice is told elsewhere.
            if utterance.measures is not None and utterance.path not in self._paths:
                self._paths.add(utterance.path)
                self._heard.append((utterance, utterance.measures))
            if said := plain(utterance.text):
                self._texts[(said, utterance.speaker)].append(utterance.row)
        return ()

    def finish(self) -> Iterator[Finding]:
        """Pairs of recordings, then what they and repeated texts do to the split."""
        self._same()
        self._near()
        yield from self._gathered.findings()
        for rows in self._texts.values():
            self._pairs |= {(rows[0], row) for row in rows[1:]}
        share = self._dataset.validation_split
        if self._pairs and share > 0:
            apart = 2 * share * (1 - share) * len(self._pairs)
            what = (
                f"{len(self._pairs)} rows say or hold the same as an earlier one; with validation_split = {share:g} "
                f"about {apart:.1f} of them stand in validation while the other is trained, or the reverse"
            )
            lines = " ".join(f"{first}={second}" for first, second in sorted(self._pairs)[:50])
            evidence: dict[str, Value] = {"pairs": len(self._pairs), "lines": lines, "expected": round(apart, 2)}
            yield worded(KINDS["duplicate.split"], self._dataset.metadata.name, what, evidence)

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
        self._pairs.add((first.row, second.row))
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
