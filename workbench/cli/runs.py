"""The verbs `runs` and `checkpoints`."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from workbench.cli.context import find_own_run, find_run, open_workspace
from workbench.cli.follow import epoch_of, progress_line, run_as_json
from workbench.cli.guard import OK
from workbench.cli.output import Console
from workbench.cli.training import follow_to_the_end

if TYPE_CHECKING:
    from workbench.jobs.runs import CheckpointView, RunView


def run_runs(args: argparse.Namespace, console: Console) -> int:
    """List the runs, or show or follow one."""
    workspace = open_workspace(args)
    name = args.run_name or "latest"
    if args.follow:
        return follow_to_the_end(find_own_run(workspace, name), console)
    if args.settings:
        return _print_settings(find_run(workspace, name), console)
    if args.run_name is not None:
        run = find_run(workspace, name)
        show_run(run, console)
        console.answer(run_as_json(run))
        return OK
    from workbench.jobs.piper_runs import PiperRuns
    from workbench.jobs.runs import list_runs

    piper = PiperRuns(workspace.piper_runs)
    runs: list[RunView] = [*list_runs(workspace.runs)[::-1], *piper.list_runs()[::-1]]
    console.answer({"runs": [run_as_json(run) for run in runs]})
    if piper.problem:
        console.note(f"note: {piper.problem}")
    if not runs:
        console.line("no run yet; start one: workbench train")
        return OK
    console.table(
        ("run", "state", "epoch", "batch", "val mel", "checkpoints", ""),
        [
            (
                run.label,
                state_of(run),
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


def state_of(run: RunView) -> str:
    """The state of a run; of Piper's, that it is one, and whether it seems to be training."""
    from workbench.jobs.runs import PIPER, RUNNING

    if run.kind != PIPER:
        return run.state
    active = f", active: written {age(run.status.updated)} ago" if run.state == RUNNING else ""
    return f"piper, read-only{active}"


def show_run(run: RunView, console: Console) -> None:
    """One run in a few lines."""
    console.line(f"run {run.label}: {state_of(run)}")
    console.line(progress_line(run))
    for line in run.details:
        console.line(line)
    console.line(f"folder {run.folder}")
    console.line(f"checkpoints: {len(run.checkpoints)}" + (" (workbench checkpoints)" if run.checkpoints else ""))


def _print_settings(run: RunView, console: Console) -> int:
    """The files that say how a run was set up, as they stand."""
    from workbench.jobs.settings_files import settings_of

    texts = settings_of(run)
    console.answer({"run": run.id, "settings": texts})
    for name, text in texts.items():
        console.line(f"# {name}")
        for line in text.splitlines():
            console.line(line)
        console.line()
    if not texts:
        console.line(f"run {run.label} has no settings file")
    return OK


def run_checkpoints(args: argparse.Namespace, console: Console) -> int:
    """List the checkpoints of a run."""
    workspace = open_workspace(args)
    run = find_run(workspace, args.run_name)
    console.answer({"run": run.id, "checkpoints": run_as_json(run)["checkpoints"]})
    if not run.checkpoints:
        console.line(f"run {run.label} has no checkpoint yet")
        return OK
    console.line(f"run {run.label}: {state_of(run)}")
    folders = {item.file.parent for item in run.checkpoints}
    rated = any(item.val_mos is not None for item in run.checkpoints)
    heads = ("file", "epoch", "batch", "MB", "age", "val mel", *(["val mos"] if rated else []), "")
    # Those of a chain of versions lie in several folders.
    start = run.folder.parent if len(folders) > 1 else None
    rows = []
    for item in run.checkpoints:
        name = str(item.file.relative_to(start)) if start is not None else item.file.name
        rows.append((name, *_row(item, rated=rated)))
    console.table(heads, rows)
    console.line(f"folder {start or run.checkpoints[-1].file.parent}")
    return OK


def _row(item: CheckpointView, *, rated: bool) -> list[object]:
    marks = [word for word, on in (("best", item.best), ("best mos", item.best_mos)) if on]
    known = [number if number >= 0 else "-" for number in (item.epoch, item.step)]
    scores = [number(item.val_mel), *([number(item.val_mos)] if rated else [])]
    return [*known, f"{item.bytes / 1e6:.1f}", age(item.time), *scores, item.problem or ", ".join(marks)]


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
