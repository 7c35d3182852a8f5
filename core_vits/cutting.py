"""Recordings to the 16-bit clips that are trained: decoded, resampled, and cut to where speech is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core_vits.audio import AudioError, Samples, Span, decode, resample, speech_span, to_int16
from core_vits.speech_detector import VAD_RATE, SpeechDetector

DIGITAL_SILENCE = 2
"""Steps of 16 bits: what stays below is nothing, or dither."""
_LONGEST_IN_A_BATCH = 60 * VAD_RATE


@dataclass(frozen=True, slots=True)
class CutPlan:
    """How to cut."""

    sample_rate: int
    """Hz."""
    trim_silence: bool
    keep_before: float
    """Seconds."""
    keep_after: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A recording that was cut."""

    samples: npt.NDArray[np.int16]
    seconds_trimmed: float


def cut(paths: Sequence[Path], plan: CutPlan, detector: SpeechDetector | None) -> list[Cut | str]:
    """Cut a few recordings; for one that can't be cut, the reason."""
    results: list[Cut | str] = []
    whole: list[Samples] = []
    heard: list[Samples] = []
    for path in paths:
        try:
            original, rate = decode(path)
        except AudioError as error:
            results.append(str(error))
            continue
        results.append("")
        whole.append(resample(original, rate, plan.sample_rate))
        heard.append(resample(original, rate, VAD_RATE) if detector is not None else whole[-1])
    spans = _spans(whole, heard, plan, detector)
    cuts = iter([_as_cut(samples, span, plan.sample_rate) for samples, span in zip(whole, spans, strict=True)])
    return [result or next(cuts) for result in results]


def _spans(
    whole: Sequence[Samples], heard: Sequence[Samples], plan: CutPlan, detector: SpeechDetector | None
) -> list[Span]:
    if detector is None:
        return [Span(0, len(samples)) for samples in whole]
    # A batch has the length of its longest clip: an hour among seconds would take gigabytes.
    short = [clip for clip, samples in enumerate(heard) if len(samples) <= _LONGEST_IN_A_BATCH]
    probabilities = dict(zip(short, detector.probabilities([heard[clip] for clip in short]), strict=True))
    spans = []
    for clip, samples in enumerate(whole):
        if clip not in probabilities:
            (probabilities[clip],) = detector.probabilities([heard[clip]])
        speech = probabilities[clip]
        spans.append(speech_span(speech, len(heard[clip]), len(samples), plan.keep_before, plan.keep_after))
    return spans


def _as_cut(samples: Samples, span: Span, sample_rate: int) -> Cut | str:
    pcm = to_int16(samples[span.begin : span.end])
    if not len(pcm) or int(abs(pcm).max()) < DIGITAL_SILENCE:
        return "is digital silence. Record it again, or delete the row."
    return Cut(pcm, (len(samples) - len(pcm)) / sample_rate)
