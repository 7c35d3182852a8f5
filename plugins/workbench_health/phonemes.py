"""Texts without phonemes, and phonemes that the voice has no number for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from workbench.api import DatasetFacts, Finding, Severity, Utterance


class PhonemeRule:
    """Looks at the phonemes of each row."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._written = dataset.phoneme_type == "text"
        what = "Correct the text" if self._written else "Reword the text, choose another phonemizer"
        self._advice = f"{what}, or give it a number with [text] phoneme_map."

    def check(self, utterance: Utterance) -> Iterator[Finding]:
        """Look at one utterance."""
        if not utterance.text.strip() or self._dataset.dataset_type == "phoneme_ids":
            return  # the rules for texts and for ids say so
        if utterance.phoneme_error:
            message = f"the text can't be turned into phonemes: {utterance.phoneme_error} The row is not trained."
            yield _finding("phonemes.refused", Severity.DROPS, utterance, message)
            return
        if utterance.phonemes is None:
            return
        phonemes = [phoneme for sentence in utterance.phonemes for phoneme in sentence]
        unknown = Counter(phoneme for phoneme in phonemes if not self._dataset.phoneme_id_map.get(phoneme))
        if len(phonemes) == unknown.total():
            message = "the text gives no phonemes; the row is not trained. Write what is said in letters."
            yield _finding("phonemes.none", Severity.DROPS, utterance, message)
        elif not self._written and any("??" in "".join(sentence) for sentence in utterance.phonemes):
            message = (
                "the phonemizer has no sound for a part of a word and writes '??' instead, which the voice would learn "
                "as question marks. Choose another phonemizer in [text], or reword the text."
            )
            yield _finding("phonemes.gap", Severity.WARNS, utterance, message)
        elif unknown:
            names = " ".join(_shown(phoneme) for phoneme in sorted(unknown))
            message = (
                f"the voice has no number for the phoneme{'s' * (len(unknown) > 1)} {names}: left out, so the text "
                f"says less than the recording. {self._advice}"
            )
            yield _finding("phonemes.unknown", Severity.WARNS, utterance, message, phonemes=names)

    def finish(self) -> Iterator[Finding]:
        """Ids of the map that no voice has a row for would crash the training."""
        ids = [number for numbers in self._dataset.phoneme_id_map.values() for number in numbers]
        if ids and max(ids) >= self._dataset.num_symbols:
            message = (
                f"the phonemizer's map has the id {max(ids)}, voices have {self._dataset.num_symbols} symbols: "
                "training would crash. Use a map with smaller ids."
            )
            yield Finding(
                rule="phonemes.map", severity=Severity.BLOCKS, subject=self._dataset.metadata.name, message=message
            )


def _shown(phoneme: str) -> str:
    return phoneme if phoneme.isalpha() else f"U+{ord(phoneme[0]):04X}"


def _finding(rule: str, severity: Severity, utterance: Utterance, message: str, **evidence: str) -> Finding:
    return Finding(rule=rule, severity=severity, subject=utterance.subject, message=message, evidence=evidence)
