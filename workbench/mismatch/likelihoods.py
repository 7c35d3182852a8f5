"""Which clips a trained voice finds unlikely under their own text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.api import Finding, Severity
from workbench.mismatch import kinds
from workbench.mismatch.distance import Numbers

FEWEST_CLIPS = 10
_SPREADS = 3.5
"""Robust standard deviations below the dataset's median from which a clip is told."""
_SHARE_OF_MEDIAN = 0.2
_BEGUN = 1.5
"""Robust standard deviations that the median must be above 0, where other texts fit as well as the own one, for a voice
to have begun to read: the wrong clips are then mostly the lowest, but right ones are among them."""
_SURE = 4.0
"""The same for findings that warn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """One clip of a run, as the run's `prepare.json` and cache name it."""

    row: int
    """1-based line of the metadata file when the run was prepared."""
    file: str
    text: str
    own: float
    """Mean log-likelihood of a frame under its text."""
    others: float
    """The same under other texts; NaN where none fits."""

    @property
    def gain(self) -> float:
        """How much likelier its own text makes it. Loud, noisy and long clips differ in both terms alike."""
        return self.own - self.others


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """What is usual in a dataset."""

    median: float
    spread: float
    """Robust standard deviation."""
    limit: float
    """A gain below it is told."""
    unusable: str = ""
    """Why nothing can be told; empty when it can."""

    @property
    def severity(self) -> Severity:
        """A voice that has only begun to read informs, one that reads warns."""
        return Severity.WARNS if self.median > _SURE * self.spread else Severity.INFO


def scale_of(gains: Numbers) -> Scale:
    """What is usual.

    Args:
        gains: of all clips; NaN where one has none.
    """
    known = gains[np.isfinite(gains)]
    if len(known) < FEWEST_CLIPS:
        return Scale(median=0.0, spread=0.0, limit=0.0, unusable=f"only {len(known)} clips could be compared")
    median = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - median)))
    unusable = ""
    if median <= _BEGUN * spread:
        unusable = "the voice does not yet tell a clip's own text from others: train longer, then ask again"
    return Scale(
        median=median,
        spread=spread,
        limit=max(median - _SPREADS * spread, _SHARE_OF_MEDIAN * median),
        unusable=unusable,
    )


def unlikely(clips: Sequence[Scored], scale: Scale, table: str) -> list[Finding]:
    """Clips below the limit, the least likely first.

    Args:
        clips: of the run.
        scale: of the same clips.
        table: name of the metadata file.
    """
    if scale.unusable:
        message = f"{scale.unusable} (median gain {scale.median:.3f}, spread {scale.spread:.3f})."
        return [_finding(kinds.UNUSABLE.name, kinds.UNUSABLE.severity, table, message, median=round(scale.median, 4))]
    below = sorted((clip for clip in clips if clip.gain < scale.limit), key=lambda clip: clip.gain)
    return [
        _finding(
            kinds.UNLIKELY.name,
            scale.severity,
            f"{table}:{clip.row}",
            f"{clip.file} is hardly likelier under its own text than under others (gain {clip.gain:.3f}, usual "
            f"{scale.median:.3f}): '{_short(clip.text)}'. {kinds.UNLIKELY.fix}",
            gain=round(clip.gain, 4),
            threshold=round(scale.limit, 4),
            median=round(scale.median, 4),
            log_likelihood=round(clip.own, 4),
        )
        for clip in below
    ]


def _finding(rule: str, severity: Severity, subject: str, message: str, **evidence: float) -> Finding:
    return Finding(rule=rule, severity=severity, subject=subject, message=message, evidence=evidence)


def _short(text: str) -> str:
    return text if len(text) <= 50 else f"{text[:49]}…"
