"""Whether enough clips are left to train and to validate with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from workbench.api import DatasetFacts, Finding, Severity, Utterance


class DatasetRule:
    """Counts the clips that can be trained."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._rows = 0
        self._usable = 0
        self._speakers: dict[str, int] = {}

    def check(self, utterance: Utterance) -> Iterable[Finding]:
        """Count one row."""
        self._rows += 1
        usable = utterance.is_trained
        self._usable += usable
        if usable and utterance.speaker is not None:
            self._speakers[utterance.speaker] = self._speakers.get(utterance.speaker, 0) + 1
        return ()

    def finish(self) -> Iterator[Finding]:
        """Say whether that is enough."""
        validation = int(self._usable * self._dataset.validation_split)
        train = self._usable - validation
        if self._usable < 2:
            message = (
                f"{self._usable or 'no'} row{'' if self._usable == 1 else 's'} can be trained, at least 2 are wanted: "
                "training can't start. Mend the rows that are dropped."
            )
            yield self._finding("dataset.too-few", Severity.BLOCKS, message)
            return
        if self._dataset.batch_size > train:
            message = (
                f"{train} clips are left for training, fewer than one batch of {self._dataset.batch_size}. "
                "Set a smaller [training] batch_size, or record more."
            )
            yield self._finding("dataset.batch", Severity.WARNS, message, train=train, batch=self._dataset.batch_size)
        if self._dataset.validation_split > 0 and validation == 0:
            share, wanted = self._dataset.validation_split, math.ceil(100 / self._usable) / 100
            message = (
                f"{self._usable} clips times validation_split {share} is less than one clip: nothing will show when "
                f"the voice gets worse. Set [training] validation_split to at least {wanted}."
            )
            yield self._finding("dataset.validation", Severity.WARNS, message, split=share)
        if self._dataset.multi_speaker and len(self._speakers) == 1:
            message = (
                f"multi_speaker is on, but '{next(iter(self._speakers))}' is the only speaker. "
                "Set [dataset] multi_speaker = false."
            )
            yield self._finding("dataset.speakers", Severity.WARNS, message)

    def _finding(self, rule: str, severity: Severity, message: str, **more: float) -> Finding:
        evidence = {"rows": self._rows, "usable": self._usable, **more}
        return Finding(
            rule=rule, severity=severity, subject=self._dataset.metadata.name, message=message, evidence=evidence
        )
