"""The curves of a run, whoever trained it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.jobs.piper_runs import PiperRun
from workbench.jobs.rundir import METRICS
from workbench.jobs.runs import RunView

if TYPE_CHECKING:
    from workbench.tail.follower import RunFollower


def follower_of(run: RunView) -> RunFollower:
    """A reader of the run's event files, under our names and on our axis."""
    # Brings numpy: a fifth of a second that the first screen need not wait for.
    if isinstance(run, PiperRun):
        from workbench.tail.piper import PiperFollower

        return PiperFollower(run.versions)
    from workbench.tail.follower import RunFollower

    return RunFollower(run.folder / METRICS)
