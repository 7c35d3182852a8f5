"""What happened, said once: messages, and changes in the state of a run. Traces go to a file."""

from __future__ import annotations

import math
import os
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.jobs.runs import OURS
from workbench.tui.clean import clean
from workbench.tui.format import clock, number

if TYPE_CHECKING:
    from workbench.jobs.runs import RunView
    from workbench.tui.watch import Snapshot

KEPT = 500
_GLYPHS = {"info": "·", "good": "✓", "warn": "▲", "bad": "✗"}


def log_file() -> Path:
    """Where traces of the viewer go."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "voice-workbench" / "tui.log"


def record(error: BaseException) -> Path:
    """Append the trace of an error to the log; a log that can't be written costs nothing else."""
    path = log_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(traceback.format_exception(error))
    except OSError:
        return Path(os.devnull)
    return path


class AlertLog:
    """The last messages, oldest first."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lines: deque[str] = deque(maxlen=KEPT)

    def add(self, text: str, level: str) -> None:
        """Keep a message."""
        self._lines.append(f" {clock(self._now())} {_GLYPHS.get(level, '·')} {clean(text)}")

    def text(self) -> str:
        """All of them."""
        return "\n".join(self._lines) or " nothing was said yet"

    def news(self, before: Snapshot, after: Snapshot) -> Iterator[tuple[str, str]]:
        """Text and level of what changed between two looks; each change once."""
        known = {run.folder: run for run in before.runs}
        for run in after.runs:
            old = known.get(run.folder)
            if old is not None and old != run:
                yield from _changes(old, run)


def _not_numbers(run: RunView) -> list[str]:
    """Losses that are NaN or infinite; JSON says null for them."""
    return [name for name, value in run.status.losses.items() if value is None or not math.isfinite(value)]


def _changes(old: RunView, run: RunView) -> Iterator[tuple[str, str]]:
    if old.live and not run.live:
        level = {"completed": "good", "stopped": "good"}.get(run.state, "bad")
        why = f": {run.message}" if run.message else ""
        yield (
            f"{run.id} {run.state}{why}{'' if level == 'good' else '  o shows its log'}",
            level,
        )
    # Not by their number: an old one may have been removed in the same moment.
    if run.checkpoints and run.checkpoints[-1].file not in {checkpoint.file for checkpoint in old.checkpoints}:
        newest = run.checkpoints[-1]
        mel = "" if newest.val_mel is None else f", val mel {number(newest.val_mel)}"
        owner = "" if run.kind == OURS else f"{run.label}: "
        yield f"{owner}checkpoint of epoch {newest.epoch} written{mel}", "good"
    bad = _not_numbers(run)
    if bad and not _not_numbers(old):
        yield f"{', '.join(bad)}: not a number at batch {run.status.step}", "bad"
