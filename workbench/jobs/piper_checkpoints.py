"""Checkpoints of Piper's own runs as a viewer sees them: by their names and their first bytes, never loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core_vits.checkpoint_names import OPTIMIZERS, FileHead, read_name
from workbench.jobs.runs import CheckpointView

LAST = "last"
SCORES = ("val_mel", "val_mos")
"""Kinds of Piper's checkpoints: the newest, and the best by one of two scores."""

_SUFFIX = ".ckpt"
_LAST = re.compile(r"last(-v\d+)?\.ckpt")


def is_checkpoint_name(name: str) -> bool:
    """Whether a file is listed as a checkpoint; temporary files of copying programs are not."""
    return name.endswith(_SUFFIX) and not name.startswith(".")


def view_of(path: Path, about: os.stat_result, head: FileHead) -> CheckpointView:
    """Show one checkpoint: its name says what it says, the file the rest."""
    name = read_name(path)
    epoch = head.epoch if name.epoch is None else name.epoch
    step = head.optimizer_step if name.step is None else name.step
    return CheckpointView(
        file=path,
        epoch=-1 if epoch is None else epoch,
        step=-1 if step is None else step // OPTIMIZERS,
        optimizer_step=-1 if step is None else step,
        bytes=about.st_size,
        time=about.st_mtime,
        val_mel=name.score if name.metric == "val_mel" else None,
        val_mos=name.score if name.metric == "val_mos" else None,
        kind=LAST if _LAST.fullmatch(path.name) else name.metric if name.metric in SCORES else "",
        problem=head.problem,
    )


def arranged(views: Sequence[CheckpointView], ended: tuple[int, int] | None) -> list[CheckpointView]:
    """Bring the checkpoints of one version in order, oldest first, and to the axis of its curves.

    Args:
        views: in any order.
        ended: epoch and trained batches at the last validation of the version's curves, if these are known. They tell
            whether its optimizer steps were counted from elsewhere than its batches.
    """
    offset = 0
    if ended is not None:
        epoch, batches = ended
        same = [view.step for view in views if view.epoch == epoch and view.step >= 0]
        # A batch more or less is rounding; a whole epoch is not.
        offset = batches - same[0] if same and abs(batches - same[0]) > 1 else 0
    if offset:
        views = [replace(view, step=view.step + offset) if view.step >= 0 else view for view in views]
    # `last.ckpt` before the file of the same moment whose name says more: the newest is what a run is named by.
    return sorted(views, key=lambda view: (view.epoch, view.step, view.kind != LAST, view.time, view.file.name))


Scores = Mapping[tuple[Path, int], float]
"""A score of an epoch, for the checkpoints in a folder."""


def compared(
    views: Sequence[CheckpointView], *, measured_mel: Scores, measured_mos: Scores
) -> tuple[CheckpointView, ...]:
    """Mark the best of a run by its validation mel loss and by its rating, and let files of one epoch share both.

    Piper saves the weights of an epoch under up to three names; what one of them tells holds for the others.

    Args:
        views: of all versions of a run.
        measured_mel: validation mel losses in the curves, for epochs of which no name tells it.
        measured_mos: ratings in the curves, the same.
    """
    whole = [view for view in views if not view.problem]
    lowest = min((view.val_mel for view in whole if view.val_mel is not None), default=None)
    highest = max((view.val_mos for view in whole if view.val_mos is not None), default=None)
    mel, mos = dict(measured_mel), dict(measured_mos)
    for view in views:
        for scores, score in ((mel, view.val_mel), (mos, view.val_mos)):
            if score is not None and view.epoch >= 0:
                scores[view.file.parent, view.epoch] = score
    return tuple(
        replace(
            view,
            best=lowest is not None and view.val_mel == lowest and not view.problem,
            best_mos=highest is not None and view.val_mos == highest and not view.problem,
            val_mel=mel.get((view.file.parent, view.epoch), view.val_mel),
            val_mos=mos.get((view.file.parent, view.epoch), view.val_mos),
        )
        for view in views
    )
