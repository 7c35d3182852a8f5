"""Phoneme ids that stand in the table: whether a text that is spoken later can give the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from workbench.api import DatasetFacts, Finding, Severity, Utterance

_PAD, _BOS, _EOS = "_", "^", "$"


class IdsRule:
    """Looks at the ids of each row of a table of phoneme ids; says nothing of a table of texts."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._given = dataset.dataset_type == "phoneme_ids"
        self._marks = {mark: list(dataset.phoneme_id_map.get(mark, ())) for mark in (_PAD, _BOS, _EOS)}
        self._known = {number for numbers in dataset.phoneme_id_map.values() for number in numbers}
        self._unnamed: Counter[int] = Counter()
        self._unmarked: list[Utterance] = []
        self._rows = 0

    def check(self, utterance: Utterance) -> Iterable[Finding]:
        """Look at one row."""
        ids = list(utterance.phoneme_ids or ())
        if self._given and ids:
            self._rows += 1
            self._unnamed.update(number for number in ids if number not in self._known)
            if not self._is_marked(ids):
                self._unmarked.append(utterance)
        return ()

    def _is_marked(self, ids: list[int]) -> bool:
        """Whether the row begins and ends as a sentence does, with a pad after the begin."""
        begin, end = self._marks[_BOS] + self._marks[_PAD], self._marks[_EOS]
        return ids[: len(begin)] == begin and ids[len(ids) - len(end) :] == end

    def finish(self) -> Iterator[Finding]:
        """One finding for all rows without marks, one for all ids without a symbol."""
        if self._unmarked:
            pad, begin, end = (" ".join(map(str, self._marks[mark])) for mark in (_PAD, _BOS, _EOS))
            message = (
                f"{len(self._unmarked)} of {self._rows} rows (line {self._unmarked[0].row}) do not begin with {begin} "
                f"{pad} and end with {end}: every sentence that is spoken does, and would begin and end badly. "
                "Add these ids, or name the map that they were made with in [text] phoneme_map."
            )
            yield self._whole("ids.marks", message, rows=len(self._unmarked), of=self._rows)
        if self._unnamed:
            shown = " ".join(map(str, sorted(self._unnamed)[:10]))
            number = f"{len(self._unnamed)} ids have" if len(self._unnamed) > 1 else "1 id has"
            message = (
                f"{number} no symbol ({shown}): no text can ever speak them. "
                "Name the map that the ids were made with in [text] phoneme_map."
            )
            yield self._whole("ids.unnamed", message, ids=len(self._unnamed))

    def _whole(self, rule: str, message: str, **evidence: int) -> Finding:
        subject = self._dataset.metadata.name
        return Finding(rule=rule, severity=Severity.WARNS, subject=subject, message=message, evidence=evidence)
