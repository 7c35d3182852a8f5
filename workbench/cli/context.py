"""Find the workspace, the plugins, and the run or checkpoint that the user named."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cli.output import Console
from workbench.config import WORKSPACE_FILE, Workspace, did_you_mean, load_workspace, shown
from workbench.errors import CheckpointError, ConfigError, RunError
from workbench.host import Host

if TYPE_CHECKING:
    from workbench.jobs.runs import RunView


def workspace_place(args: argparse.Namespace) -> Path:
    """The folder or file that `-C` names; the current folder without it."""
    place: Path | None = args.workspace
    return place if place is not None else Path()


def open_workspace(args: argparse.Namespace) -> Workspace:
    """The workspace that the user means.

    Raises:
        ConfigError: there is none, or it is wrong.
    """
    place = workspace_place(args)
    if args.workspace is not None and not place.exists():
        raise ConfigError(f"{place}: there is no such file or folder; -C names a workspace")
    if place.is_dir() and not (place / WORKSPACE_FILE).exists():
        where = "here" if args.workspace is None else f"in {place}"
        raise ConfigError(f"there is no {WORKSPACE_FILE} {where}; write one with `workbench init`, or name one with -C")
    return load_workspace(place)


def open_workspace_if_any(args: argparse.Namespace) -> Workspace | None:
    """The workspace that the user means; None when none is named and the current folder has none.

    Raises:
        ConfigError: the one that is named or here is wrong.
    """
    if args.workspace is None and not (workspace_place(args) / WORKSPACE_FILE).exists():
        return None
    return open_workspace(args)


def open_host(args: argparse.Namespace, workspace: Workspace | None, console: Console) -> Host:
    """The plugins; what is wrong with their switches is told."""
    host = Host.load(workspace, safe=args.safe)
    for problem in host.problems:
        console.note(f"note: {problem}")
    return host


def find_run(workspace: Workspace, name: str) -> RunView:
    """The run with this id, the beginning of one, this folder, or `latest`; ours before Piper's.

    Raises:
        RunError: there is no such run, or several begin like this.
    """
    from workbench.jobs.piper_runs import PiperRuns
    from workbench.jobs.runs import list_runs, read_run

    folder = Path(name)
    if (folder / "run.json").is_file() or (folder / "run.toml").is_file():
        return read_run(folder.absolute())
    piper = PiperRuns(workspace.piper_runs).list_runs()
    if folder.is_dir():  # one of Piper's that the workspace does not name
        piper += [run for run in PiperRuns(folder.absolute()).list_runs() if run.holds(folder.absolute())]
    runs: list[RunView] = [*list_runs(workspace.runs), *piper]
    if not runs:
        raise RunError("there is no run yet; start one with `workbench train`")
    if name == "latest":
        return runs[0]
    # A run of Piper is found by any of its versions; what two runs have in common is shown with the later one.
    held = [
        run
        for run in piper
        if run.holds(folder.absolute()) or name in {version.name for version in (*run.versions, *run.failed)}
    ]
    exact = (
        [run for run in runs if name in (run.id, run.label)]
        or held[:1]
        or [run for run in runs if run.id.startswith(name)]
    )
    if len(exact) > 1:
        raise RunError(f"'{name}' is the beginning of {len(exact)} runs: {', '.join(run.id for run in exact)}")
    if not exact:
        hint = did_you_mean(name, [run.id for run in runs]) or "; `workbench runs` lists them"
        raise RunError(f"there is no run '{name}'{hint}")
    return exact[0]


def find_own_run(workspace: Workspace, name: str) -> RunView:
    """As `find_run`, for what changes a run: Piper's own are only looked at.

    Raises:
        RunError: there is no such run, several begin like this, or it is Piper's.
    """
    from workbench.jobs.runs import PIPER

    run = find_run(workspace, name)
    if run.kind == PIPER:
        newest = f": workbench train --from {shown(run.checkpoints[-1].file)}" if run.checkpoints else ""
        raise RunError(f"{run.label} is a run of Piper's own and only looked at; a new run can go on from it{newest}")
    return run


def find_checkpoint(workspace: Workspace, name: str) -> tuple[Path, Path | None]:
    """A checkpoint file and the run it belongs to.

    Args:
        workspace: where to look for runs.
        name: a file; a run, whose newest checkpoint is meant; `latest`; `best` (lowest validation mel of the latest
            run that has checkpoints).

    Returns:
        The file, and the run's folder (None for a file outside of any run).

    Raises:
        CheckpointError: there is none.
        RunError: there is no such run.
    """
    from workbench.jobs.runs import OURS

    path = Path(name)
    if path.is_file():
        absolute = path.absolute()
        run = absolute.parent.parent
        return absolute, run if (run / "run.json").is_file() else None
    if path.suffix == ".ckpt":
        raise CheckpointError(f"{name}: there is no such checkpoint; `workbench checkpoints` lists them")
    of_any_run = name in ("latest", "best")
    run_view = _latest_with_checkpoints(workspace) if of_any_run else find_run(workspace, name)
    if not run_view.checkpoints:
        raise CheckpointError(f"run {run_view.id} has no checkpoint yet")
    chosen = run_view.best if name == "best" else None
    # What belongs to a checkpoint of Piper's is found by its place.
    return (chosen or run_view.checkpoints[-1]).file, run_view.folder if run_view.kind == OURS else None


def _latest_with_checkpoints(workspace: Workspace) -> RunView:
    from workbench.jobs.piper_runs import PiperRuns
    from workbench.jobs.runs import list_runs

    runs = [
        run for run in [*list_runs(workspace.runs), *PiperRuns(workspace.piper_runs).list_runs()] if run.checkpoints
    ]
    if not runs:
        raise CheckpointError("there is no checkpoint yet; `workbench train` writes some")
    return runs[0]
