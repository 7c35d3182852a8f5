"""Lengths of clips against their text, against the training segment, and against one another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from workbench.api import DatasetFacts, Finding, Severity, Utterance
from workbench_health.distribution import usual
from workbench_health.gathered import Gathered
from workbench_health.kinds.training import KINDS
from workbench_health.limits import Limits

# In a shorter clip one pause or one long vowel decides the pace.
_PACE_SECONDS = 1.0
_PACE_SAID = 15


class LengthRule:
    """Looks at each length at once, and at the outliers when all lengths are known."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._given = dataset.dataset_type == "phoneme_ids"
        self._limits = Limits(dataset)
        self._gathered = Gathered(dataset, KINDS)
        self._clips: list[Utterance] = []

    def check(self, utterance: Utterance) -> Iterator[Finding]:
        """Look at one clip."""
        if utterance.seconds is None or utterance.audio_error:
            return
        self._clips.append(utterance)
        samples = math.ceil(utterance.seconds * self._dataset.sample_rate)
        whole, ids = samples // self._dataset.hop_length, len(utterance.phoneme_ids or ())
        frames = whole if utterance.frames is None else utterance.frames
        if ids > frames > 0:
            left = f" after the silence was cut ({whole} before)" if frames < whole else ""
            message = (
                f"'{utterance.file}' has {frames} frames{left} for {ids} phoneme ids, at least one frame an id is "
                "wanted: too short for its text, so the row is not trained. Check that recording and text belong "
                "together."
            )
            yield _finding("length.text", Severity.DROPS, utterance, message, frames=frames, ids=ids)
        elif samples < self._dataset.segment_size:
            segment = self._dataset.segment_size / self._dataset.sample_rate
            message = (
                f"'{utterance.file}' ({utterance.seconds:.2f} s) is shorter than a training segment ({segment:.2f} s): "
                "it is filled up with silence. Join it to another clip, or leave it if there are few."
            )
            measured = {"seconds": round(utterance.seconds, 3), "segment": round(segment, 3)}
            yield _finding("length.segment", Severity.INFO, utterance, message, **measured)

    def finish(self) -> Iterator[Finding]:
        """Clips much longer than the others, and clips whose text does not fit their length."""
        if not self._clips:
            return
        self._long_clips()
        self._paces()
        yield from self._gathered.findings()

    def _long_clips(self) -> None:
        middle = median(clip.seconds or 0.0 for clip in self._clips)
        limit = max(self._limits["long_seconds"], self._limits["long_factor"] * middle)
        for clip in self._clips:
            if clip.seconds is not None and clip.seconds > limit:
                what = (
                    f"'{clip.file}' is {clip.seconds:.1f} s long, the usual clip {middle:.1f} s (limit {limit:.1f} s)"
                )
                evidence = {"seconds": round(clip.seconds, 2), "usual": round(middle, 2), "limit": round(limit, 2)}
                self._gathered.add("length.long", clip, what, evidence)

    def _paces(self) -> None:
        paces = [(clip, math.log(pace)) for clip in self._clips if (pace := self._pace(clip))]
        others = usual([pace for _, pace in paces])
        factor, unit = self._limits["pace_factor"], "phoneme ids" if self._given else "sounds"
        for clip, pace in paces:
            if others.is_far(pace, self._limits["outlier"], math.log(factor)):
                here, there = math.exp(pace), math.exp(others.middle)
                what = (
                    f"'{clip.file}' has {here:.1f} {unit} a second, the usual clip {there:.1f} (limit {factor:g} times)"
                )
                deviations = round((pace - others.middle) / max(others.deviation, 1e-9), 1)
                evidence = {"pace": round(here, 2), "usual": round(there, 2), "deviations": deviations, "limit": factor}
                self._gathered.add("length.pace", clip, what, evidence)

    def _pace(self, clip: Utterance) -> float:
        """How much is said a second of speech; 0 where there is too little to tell."""
        said = self._said(clip)
        seconds = clip.seconds or 0.0
        if clip.measures is not None:
            seconds -= clip.measures.leading_silence + clip.measures.trailing_silence
        return said / seconds if said >= _PACE_SAID and seconds >= _PACE_SECONDS else 0.0

    def _said(self, clip: Utterance) -> int:
        """How much is said: sounds, else letters; ids where these are given and a text may be missing."""
        if self._given:
            return len(clip.phoneme_ids or ())
        if clip.phonemes:
            return sum(phoneme.isalpha() for sentence in clip.phonemes for phoneme in sentence)
        return sum(letter.isalnum() for letter in clip.text)


def _finding(rule: str, severity: Severity, utterance: Utterance, message: str, **evidence: float) -> Finding:
    return Finding(rule=rule, severity=severity, subject=utterance.subject, message=message, evidence=evidence)
