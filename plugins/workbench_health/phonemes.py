"""Texts without phonemes, and phonemes that the voice has no number for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from workbench.api import DatasetFacts, Finding, Severity, Utterance
from workbench_health.gathered import Gathered, worded
from workbench_health.inventories import SOUNDS
from workbench_health.kinds.texts import KINDS
from workbench_health.limits import Limits

# eSpeak marks words of another language so; the marks are no sounds.
_SWITCH = re.compile(r"\([a-z]{2,3}(?:-[a-z0-9]{2,8})*\)")
# In fewer phonemes than this even an ordinary sound may be missing by chance.
_ENOUGH_PHONEMES = 5_000


class PhonemeRule:
    """Looks at the phonemes of each row."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._written = dataset.phoneme_type == "text"
        what = "Correct the text" if self._written else "Reword the text, choose another phonemizer"
        self._advice = f"{what}, or give it a number with [text] phoneme_map."
        self._gathered = Gathered(dataset, KINDS)
        self._sounds: Counter[str] = Counter()

    def check(self, utterance: Utterance) -> Iterator[Finding]:
        """Look at one utterance."""
        if not utterance.text.strip() or self._dataset.dataset_type == "phoneme_ids":
            return  # the rules for texts and for ids say so
        if utterance.phoneme_error:
            message = f"the text can't be turned into phonemes: {utterance.phoneme_error} The row is not trained."
            yield _finding("phonemes.refused", Severity.DROPS, utterance, message, reason=utterance.phoneme_error)
            return
        if utterance.phonemes is None:
            return
        phonemes = [phoneme for sentence in utterance.phonemes for phoneme in sentence]
        unknown = Counter(phoneme for phoneme in phonemes if not self._dataset.phoneme_id_map.get(phoneme))
        if len(phonemes) == unknown.total():
            message = "the text gives no phonemes; the row is not trained. Write what is said in letters."
            yield _finding("phonemes.none", Severity.DROPS, utterance, message)
            return
        self._sounds.update(phonemes)
        joined = "".join(phonemes)
        if not self._written and any("??" in "".join(sentence) for sentence in utterance.phonemes):
            self._gathered.add("phonemes.gap", utterance, "the phonemizer has no sound for a part of a word", {})
        elif not self._written and (marks := _SWITCH.findall(joined)):
            shown = " ".join(dict.fromkeys(marks))
            self._gathered.add("phonemes.switch", utterance, f"the phonemes hold the marks {shown}", {"marks": shown})
        elif unknown:
            names = " ".join(_shown(phoneme) for phoneme in sorted(unknown))
            message = (
                f"the voice has no number for the phoneme{'s' * (len(unknown) > 1)} {names}: left out, so the text "
                f"says less than the recording. {self._advice}"
            )
            yield _finding("phonemes.unknown", Severity.WARNS, utterance, message, phonemes=names)

    def finish(self) -> Iterator[Finding]:
        """What was found of the rows; rare sounds; ids of the map that no voice has, which would crash the training."""
        yield from self._gathered.findings()
        yield from self._rare()
        ids = [number for numbers in self._dataset.phoneme_id_map.values() for number in numbers]
        if ids and max(ids) >= self._dataset.num_symbols:
            message = (
                f"the phonemizer's map has the id {max(ids)}, voices have {self._dataset.num_symbols} symbols: "
                "training would crash. Use a map with smaller ids."
            )
            yield Finding(
                rule="phonemes.map",
                severity=Severity.BLOCKS,
                subject=self._dataset.metadata.name,
                message=message,
                evidence={"highest": max(ids), "symbols": self._dataset.num_symbols},
            )

    def _rare(self) -> Iterator[Finding]:
        """Sounds that every text of the language has, and this dataset hardly."""
        expected = SOUNDS.get(self._dataset.language.partition("-")[0].lower(), "")
        if self._written or self._sounds.total() < _ENOUGH_PHONEMES:
            return
        least = Limits(self._dataset)["rare_phoneme"]
        rare = [sound for sound in expected if self._sounds[sound] < least]
        if rare:
            shown = ", ".join(f"{_shown(sound)} ({self._sounds[sound]})" for sound in rare)
            what = f"of {len(expected)} sounds of the language {len(rare)} occur fewer than {least:g} times: {shown}"
            evidence: dict[str, str | float] = {"sounds": " ".join(rare), "limit": least}
            yield worded(KINDS["phonemes.rare"], self._dataset.metadata.name, what, evidence)


def _shown(phoneme: str) -> str:
    return phoneme if phoneme.isalpha() else f"U+{ord(phoneme[0]):04X}"


def _finding(rule: str, severity: Severity, utterance: Utterance, message: str, **evidence: str) -> Finding:
    return Finding(rule=rule, severity=severity, subject=utterance.subject, message=message, evidence=evidence)
