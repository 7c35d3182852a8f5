"""Who speaks: names that were hardly meant, and speakers of whom there is too little to learn from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from workbench.api import DatasetFacts, Finding, Severity, Utterance

# A voice of several speakers learns pronunciation from all of them, but a timbre from one alone.
_FEW_CLIPS = 10
_SHOWN = 5
# More clips than this are never all held back: of a tenth, once in 10^12 splits.
_BY_CHANCE = 12


class SpeakerRule:
    """Counts the clips of each speaker; says nothing of a dataset without speakers."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._clips: Counter[str] = Counter()
        self._first: dict[str, Utterance] = {}
        self._speaker_of: dict[int, str] = {}

    def check(self, utterance: Utterance) -> Iterable[Finding]:
        """Count one row."""
        if utterance.speaker is not None and self._dataset.multi_speaker:
            self._clips[utterance.speaker] += utterance.is_trained
            if utterance.is_trained:
                self._speaker_of[utterance.row] = utterance.speaker
            self._first.setdefault(utterance.speaker, utterance)
        return ()

    def finish(self) -> Iterator[Finding]:
        """What is wrong with the speakers as a whole."""
        yield from self._names()
        silent = [name for name, clips in self._clips.items() if not clips]
        if silent:
            message = (
                f"no clip of {_some(silent)} can be trained, but the name has its number in the voice, as in Piper: "
                "nobody will be heard under it. Mend the rows, or delete them."
            )
            yield self._whole("speakers.silent", message, speakers=len(silent), names=_some(silent))
        few = sorted((clips, name) for name, clips in self._clips.items() if 0 < clips < _FEW_CLIPS)
        if few and len(self._clips) > 1:
            shown = [f"{name} ({clips})" for clips, name in few]
            message = (
                f"{len(few)} of {len(self._clips)} speakers have fewer than {_FEW_CLIPS} clips, {_some(shown)}: "
                "too few to learn a voice from. Record more of them, or delete their rows."
            )
            yield self._whole("speakers.few", message, speakers=len(few), names=_some(shown))
        yield from self._held_back()

    def _held_back(self) -> Iterator[Finding]:
        """Speakers that the split leaves nothing of to train on."""
        rare = {name for name, clips in self._clips.items() if 0 < clips <= _BY_CHANCE}
        if not rare or len(self._clips) < 2 or not self._dataset.validation_split:
            return
        parts = self._dataset.parts()
        trained = {self._speaker_of.get(row) for row, part in parts.items() if part == "train"}
        lost = sorted(rare - trained) if parts else []
        if lost:
            shown = [f"{name} ({self._clips[name]})" for name in lost]
            message = (
                f"all clips of {_some(shown)} fall into validation and samples, and none is trained: nobody will be "
                "heard under the name. Record more, or set another [training] seed."
            )
            yield self._whole("speakers.held-back", message, speakers=len(lost), names=_some(shown))

    def _names(self) -> Iterator[Finding]:
        alike: dict[str, list[str]] = defaultdict(list)
        for name in self._clips:
            alike["".join(name.casefold().split())].append(name)
        for plain, names in alike.items():
            line = self._first[names[-1]].row
            if not plain:
                message = (
                    f"line {self._first[names[0]].row} names no speaker; such rows become a speaker of their own. "
                    "Write the name into the second column."
                )
                yield self._whole("speakers.unnamed", message)
            elif len(names) > 1:
                shown = " and ".join(f"'{name}'" for name in names)
                message = (
                    f"{shown} (line {line}) are {len(names)} speakers to the voice. "
                    "If they are one person, write the name the same way everywhere."
                )
                yield self._whole("speakers.alike", message, names=", ".join(names))

    def _whole(self, rule: str, message: str, **evidence: int | str) -> Finding:
        subject = self._dataset.metadata.name
        return Finding(rule=rule, severity=Severity.WARNS, subject=subject, message=message, evidence=evidence)


def _some(names: list[str]) -> str:
    """The first names, and how many there are beside."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
