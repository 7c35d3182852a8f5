"""The list of a run's checkpoints, ours or Piper's, newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from workbench.jobs.runs import PIPER, CheckpointView, RunView
from workbench.tui.format import MISSING, age, count, number, size
from workbench.tui.services import Exported
from workbench.tui.widgets.panel import entitle
from workbench.tui.widgets.rows import Column, RowList

NO_RUN = "No checkpoint yet: no training was started.\nPress t to train."
NO_CHECKPOINT = (
    "No checkpoint yet.\n"
    "One is written at the end of an epoch, and when you stop a training (X).\n"
    "No training under way? Press t to train."
)
COLUMNS = (
    Column("", 1),
    Column("epoch", 5, right=True),
    Column("batch", 8, right=True),
    Column("opt step", 8, right=True),
    Column("val mel", 7, right=True),
    Column("size", 8, right=True),
    Column("age", 6, right=True),
    Column("onnx", 0),
)
RATED_COLUMNS = (
    *COLUMNS[:3],
    Column("opt step", 8, right=True, narrowest=90),
    COLUMNS[4],
    Column("val mos", 7, right=True),
    *COLUMNS[5:],
)
"""Of a run whose validation was rated: that tells more than a second counter."""
_KEPT_FOR = {"last": "last", "val_mel": "kept by val mel", "val_mos": "kept by val mos"}


class CheckpointList(RowList):
    """Checkpoints of the run that is shown."""

    def __init__(self, now: Callable[[], float], *, id: str) -> None:  # noqa: A002 - Textual's name for it
        """
        Args:
            now: gives Unix seconds.
            id: of the widget.
        """
        super().__init__(COLUMNS, self._cells_of, id=id, empty=NO_RUN)
        self._now = now
        self._run: RunView | None = None
        self._rated = False
        self.exports: Mapping[Path, Exported] = {}
        """The last export of each checkpoint."""

    def on_mount(self) -> None:
        """Title."""
        self.show_run(None)

    def show_run(self, run: RunView | None) -> None:
        """List the checkpoints of a run; the cursor stays on its file."""
        self._run = run
        newest_first = [] if run is None else list(reversed(run.checkpoints))
        self._rated = any(checkpoint.val_mos is not None for checkpoint in newest_first)
        self.set_columns(RATED_COLUMNS if self._rated else COLUMNS)
        chosen: CheckpointView | None = self.selected
        files = [checkpoint.file for checkpoint in newest_first]
        at = files.index(chosen.file) if chosen is not None and chosen.file in files else 0
        name = "" if run is None else f"  {run.label}{' (Piper)' if run.kind == PIPER else ''}"
        entitle(self, f"checkpoints  ★ best val mel{'  ☆ best val mos' if self._rated else ''}{name}")
        self.show(newest_first, cursor=at, empty=_why_none(run))

    def _cells_of(self, checkpoint: CheckpointView) -> Sequence[str]:
        return (
            "★" if checkpoint.best else "☆" if checkpoint.best_mos else "",
            _known(checkpoint.epoch),
            _known(checkpoint.step),
            _known(checkpoint.optimizer_step),
            number(checkpoint.val_mel),
            *([number(checkpoint.val_mos)] if self._rated else []),
            size(checkpoint.bytes),
            age(self._now() - checkpoint.time),
            self._state(checkpoint),
        )

    def _state(self, checkpoint: CheckpointView) -> str:
        exported = self.exports.get(Path(checkpoint.file))
        if exported is not None and exported.accepted and exported.replaced:
            return f"{MISSING}  voice replaced"
        if exported is not None:
            return f"✓ max|Δ| {difference(exported)}" if exported.accepted else "✗ rejected"
        if checkpoint.problem:
            return f"✗ {checkpoint.problem}"
        # Piper keeps the same weights under several names.
        return f"{MISSING}  {_KEPT_FOR.get(checkpoint.kind, '')}".rstrip()


def facts_of(checkpoint: CheckpointView, folder: Path) -> list[str]:
    """All that is known of a checkpoint, a line each.

    Args:
        checkpoint: of any run.
        folder: its folder, as the user is to read it.
    """
    lines = [Path(checkpoint.file).name, "", f"folder          {folder}"]
    lines.append(f"size            {count(checkpoint.bytes)} B")
    lines.append(f"epoch           {_known(checkpoint.epoch)}")
    lines.append(f"batch           {_known(checkpoint.step)}")
    lines.append(f"optimizer step  {_known(checkpoint.optimizer_step)} (generator and discriminator)")
    lines.append(
        f"val mel         {number(checkpoint.val_mel)}{_over(checkpoint)}{'  ★ best' if checkpoint.best else ''}"
    )
    if checkpoint.val_mos is not None:
        lines.append(f"val mos         {number(checkpoint.val_mos)}{'  ☆ best' if checkpoint.best_mos else ''}")
    if checkpoint.problem:
        lines.append(f"✗ {checkpoint.problem}")
    return lines


def _over(checkpoint: CheckpointView) -> str:
    """Over how many clips its validation was, where that is not all of them."""
    score = checkpoint.score
    return "" if score.complete else f"  over {count(score.clips)} of {count(score.clips_of)} clips"


def difference(exported: Exported) -> str:
    """The largest difference between a checkpoint and its voice."""
    return MISSING if exported.largest_difference is None else f"{exported.largest_difference:.1e}"


def _known(number: int) -> str:
    """A count; a dash where nothing tells it."""
    return count(number) if number >= 0 else MISSING


def _why_none(run: RunView | None) -> str:
    """What to read in the place of checkpoints."""
    if run is None:
        return NO_RUN
    return f"{run.label} has no checkpoint." if run.kind == PIPER else NO_CHECKPOINT
