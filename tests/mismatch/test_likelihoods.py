"""Outliers among a run's clips, and when a voice knows too little to have an opinion."""

from __future__ import annotations

import math

import numpy as np

from workbench.api import Severity
from workbench.mismatch.likelihoods import Scored, scale_of, unlikely


def clips(gains: list[float]) -> list[Scored]:
    return [
        Scored(row=2 + place, file=f"{place}.wav", text=f"text {place}", own=-0.5, others=-0.5 - gain)
        for place, gain in enumerate(gains)
    ]


def usual(number: int = 60, spread: float = 0.01) -> list[float]:
    return np.random.default_rng(1).normal(0.1, spread, number).tolist()


def test_clips_far_below_the_others_are_told_the_least_likely_first() -> None:
    found = clips([*usual(), 0.001, -0.02])
    findings = unlikely(found, scale_of(np.array([clip.gain for clip in found])), "m.csv")
    assert [finding.subject for finding in findings] == ["m.csv:63", "m.csv:62"]
    assert {finding.rule for finding in findings} == {"mismatch.unlikely"}
    assert findings[0].severity is Severity.WARNS
    assert findings[0].evidence["gain"] == -0.02
    assert findings[0].evidence["log_likelihood"] == -0.5


def test_of_clips_that_are_alike_none_is_told() -> None:
    found = clips(usual())
    assert unlikely(found, scale_of(np.array([clip.gain for clip in found])), "m.csv") == []


def test_a_clip_near_chance_is_told_however_much_the_others_differ() -> None:
    scale = scale_of(np.array(usual(spread=0.024)))
    assert scale.unusable == ""
    assert 0 < scale.limit < 0.1


def test_a_voice_that_has_only_begun_to_read_informs_and_does_not_warn() -> None:
    found = clips([*usual(spread=0.04), -0.02])
    findings = unlikely(found, scale_of(np.array([clip.gain for clip in found])), "m.csv")
    assert "m.csv:62" in {finding.subject for finding in findings}
    assert {finding.severity for finding in findings} == {Severity.INFO}


def test_a_voice_that_does_not_tell_texts_apart_accuses_nobody() -> None:
    found = clips(np.random.default_rng(2).normal(0.001, 0.01, 60).tolist())
    (finding,) = unlikely(found, scale_of(np.array([clip.gain for clip in found])), "m.csv")
    assert finding.rule == "mismatch.unusable"
    assert finding.severity is Severity.INFO
    assert "train longer" in finding.message


def test_clips_without_another_text_to_compare_are_left_out() -> None:
    found = clips([*usual(), math.nan, 0.0])
    scale = scale_of(np.array([clip.gain for clip in found]))
    assert scale == scale_of(np.array([clip.gain for clip in found if not math.isnan(clip.gain)]))
    assert [finding.subject for finding in unlikely(found, scale, "m.csv")] == ["m.csv:63"]


def test_a_handful_of_clips_has_no_scale() -> None:
    assert "only 4 clips" in scale_of(np.array([0.1, 0.2, 0.1, math.nan, 0.1])).unusable
