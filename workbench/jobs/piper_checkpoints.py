"""Checkpoints of Piper's own runs as a viewer sees them: by their names and their first bytes, never loaded.

Names have had three forms: `epoch=E-step=S.ckpt` up to Piper 1.4; since then `epoch=E-val_mel=X.ckpt`, the same with
`val_mos`, and `last.ckpt`; `-v1` and so on behind any of them. What a name does not tell stands at the very start of
the file: the pickle of a Lightning checkpoint begins with epoch and step. Its operations are listed, none carried out.
"""

from __future__ import annotations

import os
import pickletools
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.jobs.runs import CheckpointView

OPTIMIZERS = 2
"""Optimizer steps a batch: generator and discriminators."""

LAST = "last"
SCORES = ("val_mel", "val_mos")
"""Kinds of Piper's checkpoints: the newest, and the best by one of two scores."""

_SUFFIX = ".ckpt"
_LAST = re.compile(r"last(-v\d+)?\.ckpt")
_PART = re.compile(r"(?P<name>epoch|step|val_mel|val_mos)=(?P<value>-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)")
_START, _END = b"PK\x03\x04", b"PK\x05\x06"
_LOCAL_HEADER = struct.Struct("<26xHH")
"""Of a ZIP archive: lengths of the file name and of the extra field."""
_END_BYTES = 22
_HEAD_BYTES = 4096
_PICKLE_OPERATIONS = 40
"""Epoch and step are among the first ten."""


@dataclass(frozen=True, slots=True)
class FileHead:
    """What the first and the last bytes of a checkpoint tell."""

    epoch: int | None = None
    optimizer_step: int | None = None
    problem: str = ""
    """Why it can't be a whole checkpoint."""


def read_head(path: Path) -> FileHead:
    """Look at both ends of a checkpoint, four kilobytes in all."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not wait for a writer
    except OSError as error:
        return FileHead(problem=f"can't be read ({error.strerror})")
    try:
        size = os.fstat(descriptor).st_size
        head = os.pread(descriptor, _HEAD_BYTES, 0)
        tail = os.pread(descriptor, _END_BYTES, max(0, size - _END_BYTES))
    except OSError as error:
        return FileHead(problem=f"can't be read ({error.strerror})")
    finally:
        os.close(descriptor)
    if not size:
        return FileHead(problem="is empty")
    epoch, step = _counters(head)
    if not head.startswith(_START):
        return FileHead(problem="is no checkpoint")
    if not tail.startswith(_END):
        return FileHead(epoch, step, "is not whole (half-copied?)")
    return FileHead(epoch, step)


def _counters(head: bytes) -> tuple[int | None, int | None]:
    """Epoch and optimizer step at the start of the pickle that an archive begins with."""
    if len(head) < _LOCAL_HEADER.size or not head.startswith(_START):
        return None, None
    name, extra = _LOCAL_HEADER.unpack_from(head)
    start = _LOCAL_HEADER.size + name + extra
    if not head[_LOCAL_HEADER.size : _LOCAL_HEADER.size + name].endswith(b"/data.pkl"):
        return None, None
    found: dict[str, int] = {}
    key = ""
    try:
        for number, (_operation, argument, _place) in enumerate(pickletools.genops(head[start:])):
            if number > _PICKLE_OPERATIONS or len(found) == 2:
                break
            if isinstance(argument, str):
                key = argument if argument in ("epoch", "global_step") else ""
            elif key and isinstance(argument, int) and _operation.name.startswith(("BININT", "LONG", "INT")):
                found[key], key = argument, ""
    except (ValueError, OverflowError, UnicodeDecodeError):
        pass  # cut off, or no pickle: what was found before holds
    return found.get("epoch"), found.get("global_step")


def is_checkpoint_name(name: str) -> bool:
    """Whether a file is listed as a checkpoint; temporary files of copying programs are not."""
    return name.endswith(_SUFFIX) and not name.startswith(".")


def view_of(path: Path, about: os.stat_result, head: FileHead) -> CheckpointView:
    """Show one checkpoint: its name says what it says, the file the rest."""
    told = {match["name"]: float(match["value"]) for match in _PART.finditer(path.name)}
    epoch = _whole(told.get("epoch"), head.epoch)
    step = _whole(told.get("step"), head.optimizer_step)
    return CheckpointView(
        file=path,
        epoch=-1 if epoch is None else epoch,
        step=-1 if step is None else step // OPTIMIZERS,
        optimizer_step=-1 if step is None else step,
        bytes=about.st_size,
        time=about.st_mtime,
        val_mel=told.get("val_mel"),
        val_mos=told.get("val_mos"),
        kind=LAST if _LAST.fullmatch(path.name) else next((name for name in SCORES if name in told), ""),
        problem=head.problem,
    )


def _whole(told: float | None, read: int | None) -> int | None:
    return int(told) if told is not None and 0 <= told < 2**53 else read if read is not None and read >= 0 else None


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
