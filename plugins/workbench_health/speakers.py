"""Who speaks: names that were hardly meant, and speakers of whom there is too little to learn from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from workbench.api import DatasetFacts, Finding, Severity, Utterance

# A voice of several speakers learns pronunciation from all of them, but a timbre from one alone.
_FEW_CLIPS = 10
_SHOWN = 5


class SpeakerRule:
    """Counts the clips of each speaker; says nothing of a dataset without speakers."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._clips: Counter[str] = Counter()
        self._first: dict[str, Utterance] = {}

    def check(self, utterance: Utterance) -> Iterable[Finding]:
        """Count one row."""
        if utterance.speaker is not None and self._dataset.multi_speaker:
            usable = utterance.path is not None and not utterance.audio_error and utterance.phoneme_ids != ()
            self._clips[utterance.speaker] += usable
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
            yield self._whole("speakers.silent", message, speakers=len(silent))
        few = sorted((clips, name) for name, clips in self._clips.items() if 0 < clips < _FEW_CLIPS)
        if few and len(self._clips) > 1:
            shown = [f"{name} ({clips})" for clips, name in few]
            message = (
                f"{len(few)} of {len(self._clips)} speakers have fewer than {_FEW_CLIPS} clips, {_some(shown)}: "
                "too few to learn a voice from. Record more of them, or delete their rows."
            )
            yield self._whole("speakers.few", message, speakers=len(few))

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
                yield self._whole("speakers.alike", message)

    def _whole(self, rule: str, message: str, **evidence: int) -> Finding:
        subject = self._dataset.metadata.name
        return Finding(rule=rule, severity=Severity.WARNS, subject=subject, message=message, evidence=evidence)


def _some(names: list[str]) -> str:
    """The first names, and how many there are beside."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
