"""Whether the phonemizer is still the one that the newest run, or the one that goes on, was prepared with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from workbench.api import Finding
from workbench.config import Workspace
from workbench.jobs.background import phonemizer_words, run_of
from workbench.jobs.rundir import PREPARED, read_json
from workbench.workers.targets.frontend import FrontEnd
from workbench.workers.targets.health_kinds import DRIFT


def phonemizer_drift(workspace: Workspace, front: FrontEnd) -> Iterator[Finding]:
    """One finding at most; none where no run says what it was prepared with, or ids are given."""
    start = workspace.start_checkpoint
    run = run_of(start) if start is not None else _newest_run(workspace.runs)
    if run is None or not front.name:
        return
    try:
        before = phonemizer_words(read_json(run / PREPARED).get("phonemizer"))
    except (OSError, ValueError, RecursionError):
        return
    now = phonemizer_words({"name": front.name, "version": front.version, "language": front.language})
    if before and before != now:
        message = f"run {run.name} was prepared with {before}, here is {now}. {DRIFT.effect} {DRIFT.fix}"
        yield Finding(
            rule=DRIFT.name,
            severity=DRIFT.severity,
            subject="[text]",
            message=message,
            evidence={"run": run.name, "before": before, "now": now},
        )


def _newest_run(runs: Path) -> Path | None:
    """Names of runs begin with their time."""
    prepared = sorted(path.parent for path in runs.glob(f"*/{PREPARED}")) if runs.is_dir() else []
    return prepared[-1] if prepared else None
