"""Making one history of the event files a resumed run leaves behind.

A resume opens a new file and starts again at the step of its checkpoint, so the steps after the checkpoint are written
twice. TensorBoard draws both (a zig-zag) or drops one silently, depending on which of its code paths is used. Here the
older points are kept apart as *superseded*, to be drawn dim. The rules, for each tag on its own:

1. A file counts as newer by the wall time of its first event.
2. An older file that still grew after the newer one began belongs to a second writer: nothing of it is superseded.
3. If the newer file starts below a tenth of the last step, it is a fresh run in the same folder: a new segment.
4. Otherwise the older points at or behind its first step are superseded.
5. A tag that never left step 0 (`hp_metric`, the clips of old Piper versions) has no axis to fall back on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.tail.series import NO_POINTS, Points, join

FRESH_RUN = 0.1
"""Fraction of the last step; a file that starts below it was not resumed from there."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one file's points."""

    segment: int
    """0 is the oldest."""
    live: npt.NDArray[np.bool_]
    """False where a later file of the same segment wrote the step again."""


@dataclass(frozen=True, slots=True)
class History:
    """One tag over all files."""

    segments: list[Points]
    """Live points by step; the last segment is the run of now."""
    superseded: list[Points]
    """One entry for each discarded tail."""


NO_HISTORY = History([], [])


def judge(parts: Sequence[Points], fresh: float = FRESH_RUN) -> list[Verdict]:
    """Decide for each file's points, oldest file first, which are live. No part may be empty.

    Args:
        parts: of one tag.
        fresh: fraction of the last step below which a file begins a new run; 0 where each is known to go on from the
            one before, so that going on from an early checkpoint is not taken for a beginning.
    """
    verdicts: list[Verdict] = []
    segment = 0
    for index, part in enumerate(parts):
        first_step = int(part.steps[0])
        rivals = [k for k in range(index) if verdicts[k].segment == segment]
        ended = [k for k in rivals if parts[k].wall_times[-1] <= part.wall_times[0]]
        last_step = max((int(parts[k].steps.max()) for k in ended), default=0)
        if last_step > 0 and first_step < fresh * last_step and len(ended) == len(rivals):
            segment += 1
        elif last_step > 0:
            for k in ended:
                np.logical_and(verdicts[k].live, parts[k].steps < first_step, out=verdicts[k].live)
        verdicts.append(Verdict(segment, np.ones(len(part), np.bool_)))
    return verdicts


def stitch(parts: Sequence[Points], fresh: float = FRESH_RUN) -> History:
    """Make one history of a tag's points in several files, oldest file first; `fresh` as for `judge`."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return NO_HISTORY
    verdicts = judge(parts, fresh)
    segments = []
    for segment in range(verdicts[-1].segment + 1):
        live = [
            part if verdict.live.all() else part.select(verdict.live)
            for part, verdict in zip(parts, verdicts, strict=True)
            if verdict.segment == segment
        ]
        segments.append(_by_step(join(live)))
    discarded = [
        part.select(~verdict.live) for part, verdict in zip(parts, verdicts, strict=True) if not verdict.live.all()
    ]
    return History(segments, discarded)


def _by_step(points: Points) -> Points:
    """Sort by step if need be (two writers of one tag); points of one step keep their order."""
    if len(points) < 2 or bool((points.steps[1:] >= points.steps[:-1]).all()):
        return points
    return points.select(np.argsort(points.steps, kind="stable"))


def latest(history: History) -> Points:
    """Give the live points of the newest segment."""
    return history.segments[-1] if history.segments else NO_POINTS
