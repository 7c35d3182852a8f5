"""Lengths of clips against their text, against the training segment, and against one another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median

from workbench.api import DatasetFacts, Finding, Severity, Utterance

_LONG_SECONDS = 20.0
_LONG_FACTOR = 3.0
# Characters a second, against the median of the set. Twice as fast happens; more is another text.
_PACE_FACTOR = 2.5
_PACE_CLIPS = 20
_PACE_SECONDS = 1.0
_PACE_CHARACTERS = 15


class LengthRule:
    """Looks at each length at once, and at the outliers when all lengths are known."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._given = dataset.dataset_type == "phoneme_ids"
        self._clips: list[Utterance] = []

    def check(self, utterance: Utterance) -> Iterator[Finding]:
        """Look at one clip."""
        if utterance.seconds is None or utterance.audio_error:
            return
        self._clips.append(utterance)
        samples = math.ceil(utterance.seconds * self._dataset.sample_rate)
        frames, ids = samples // self._dataset.hop_length, len(utterance.phoneme_ids or ())
        if ids > frames:
            message = (
                f"'{utterance.file}' has {frames} frames for {ids} phoneme ids, at least one frame an id is wanted: "
                "too short for its text, so the row is not trained. Check that recording and text belong together."
            )
            yield _finding("length.text", Severity.DROPS, utterance, message, frames=frames, ids=ids)
        elif samples < self._dataset.segment_size:
            segment = self._dataset.segment_size / self._dataset.sample_rate
            message = (
                f"'{utterance.file}' ({utterance.seconds:.2f} s) is shorter than a training segment ({segment:.2f} s): "
                "it is filled up with silence. Join it to another clip, or leave it if there are few."
            )
            yield _finding("length.segment", Severity.INFO, utterance, message, seconds=round(utterance.seconds, 3))

    def finish(self) -> Iterator[Finding]:
        """Clips much longer than the others, and clips whose text does not fit their length."""
        if not self._clips:
            return
        usual = median(clip.seconds or 0.0 for clip in self._clips)
        for clip in self._clips:
            seconds = clip.seconds or 0.0
            if seconds > max(_LONG_SECONDS, _LONG_FACTOR * usual):
                message = (
                    f"'{clip.file}' is {seconds:.1f} s long, the usual clip {usual:.1f} s: a batch with it takes "
                    "as much memory as if all its clips were as long. Split it at a pause."
                )
                yield _finding("length.long", Severity.WARNS, clip, message, seconds=round(seconds, 2))
        yield from self._paces()

    def _paces(self) -> Iterator[Finding]:
        paces = {
            clip.row: self._said(clip) / clip.seconds
            for clip in self._clips
            if clip.seconds and clip.seconds >= _PACE_SECONDS and self._said(clip) >= _PACE_CHARACTERS
        }
        if len(paces) < _PACE_CLIPS:
            return
        usual, unit = median(paces.values()), "phoneme ids" if self._given else "characters"
        for clip in self._clips:
            pace = paces.get(clip.row)
            if pace is not None and not usual / _PACE_FACTOR <= pace <= usual * _PACE_FACTOR:
                message = (
                    f"'{clip.file}' has {pace:.1f} {unit} a second, the usual clip {usual:.1f}: the text is "
                    "probably not what is said, or the recording has long silence. Listen to it."
                )
                yield _finding("length.pace", Severity.WARNS, clip, message, characters_per_second=round(pace, 2))

    def _said(self, clip: Utterance) -> int:
        """How much is said: characters, or ids where these are given and a text may be missing."""
        return len(clip.phoneme_ids or ()) if self._given else len(clip.text.strip())


def _finding(rule: str, severity: Severity, utterance: Utterance, message: str, **evidence: float) -> Finding:
    return Finding(rule=rule, severity=severity, subject=utterance.subject, message=message, evidence=evidence)
