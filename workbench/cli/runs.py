"""The verbs `runs` and `checkpoints`."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from workbench.cli.context import find_run, open_workspace
from workbench.cli.follow import epoch_of, progress_line, run_as_json
from workbench.cli.guard import OK
from workbench.cli.output import Console
from workbench.cli.training import follow_to_the_end

if TYPE_CHECKING:
    from workbench.jobs.runs import CheckpointView, RunView


def run_runs(args: argparse.Namespace, console: Console) -> int:
    """List the runs, or show or follow one."""
    from workbench.jobs.runs import list_runs

    workspace = open_workspace(args)
    if args.run_name is not None or args.follow:
        run = find_run(workspace, args.run_name or "latest")
        if args.follow:
            return follow_to_the_end(run, console)
        show_run(run, console)
        console.answer(run_as_json(run))
        return OK
    runs = list_runs(workspace.runs)[::-1]
    console.answer({"runs": [run_as_json(run) for run in runs]})
    if not runs:
        console.line("no run yet; start one: workbench train")
        return OK
    console.table(
        ("run", "state", "epoch", "batch", "val mel", "checkpoints", ""),
        [
            (
                run.id,
                run.state,
                epoch_of(run).removeprefix("epoch "),
                run.status.step,
                number(run.status.val_mel),
                len(run.checkpoints),
                run.message,
            )
            for run in runs
        ],
    )
    return OK


def show_run(run: RunView, console: Console) -> None:
    """One run in a few lines."""
    console.line(f"run {run.id}: {run.state}")
    console.line(progress_line(run))
    if run.message:
        console.line(run.message)
    console.line(f"folder {run.folder}")
    console.line(f"checkpoints: {len(run.checkpoints)}" + (" (workbench checkpoints)" if run.checkpoints else ""))


def run_checkpoints(args: argparse.Namespace, console: Console) -> int:
    """List the checkpoints of a run."""
    workspace = open_workspace(args)
    run = find_run(workspace, args.run_name)
    console.answer({"run": run.id, "checkpoints": run_as_json(run)["checkpoints"]})
    if not run.checkpoints:
        console.line(f"run {run.id} has no checkpoint yet")
        return OK
    console.line(f"run {run.id}: {run.state}")
    console.table(("file", "epoch", "batch", "MB", "age", "val mel", ""), [_row(item) for item in run.checkpoints])
    console.line(f"folder {run.folder / 'checkpoints'}")
    return OK


def _row(item: CheckpointView) -> tuple[object, ...]:
    megabytes = f"{item.bytes / 1e6:.1f}"
    best = "best" if item.best else ""
    return item.file.name, item.epoch, item.step, megabytes, age(item.time), number(item.val_mel), best


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def age(then: float) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(0.0, time.time() - then)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
