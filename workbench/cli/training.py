"""The verbs `train` and `stop`."""

from __future__ import annotations

import argparse
import tomllib
from typing import TYPE_CHECKING, Any

from workbench.cli.context import find_checkpoint, find_own_run, open_host, open_workspace
from workbench.cli.follow import ENDED, follow, outcome, run_as_json
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console
from workbench.config import Workspace
from workbench.errors import ConfigError, RunError

if TYPE_CHECKING:
    from workbench.jobs.runs import RunView


def run_train(args: argparse.Namespace, console: Console) -> int:
    """Start or resume a training; follow it unless `--detach`."""
    from workbench.jobs.start import resume_run, run_workspace, start_run

    workspace = open_workspace(args)
    overrides = read_overrides(args)
    host = open_host(args, workspace, console)
    if args.resume is None:
        run = start_run(workspace, host, overrides=overrides)
        console.note(f"started run {run.id}")
    elif overrides or args.resume.endswith(".ckpt"):
        # A run keeps the settings that it was started with, so other settings make another run.
        checkpoint, folder = find_checkpoint(workspace, args.resume)
        settings = run_workspace(folder) if folder is not None else workspace
        run = start_run(settings, host, resume=checkpoint, overrides=overrides)
        console.note(f"started run {run.id}, which goes on from {checkpoint.name}")
    else:
        run = resume_run(find_own_run(workspace, args.resume).folder, host)
        console.note(f"resumed run {run.id}")
    for failure in host.failures:
        console.note(f"note: {failure}")
    if args.detach:
        console.line(f"follow it: workbench runs {run.id} --follow    stop it: workbench stop")
        console.answer(run_as_json(run))
        return OK
    return follow_to_the_end(run, console)


def follow_to_the_end(run: RunView, console: Console) -> int:
    """Follow a run; Ctrl-C ends the following, never the run."""
    try:
        ended = follow(run, console)
    except KeyboardInterrupt:
        console.note("")
        console.note(f"training goes on; follow it again: workbench runs {run.id} --follow    stop it: workbench stop")
        return OK
    return outcome(ended, console)


def read_overrides(args: argparse.Namespace) -> dict[str, Any]:
    """Settings that the command line overrides, as `table.key` and value.

    Raises:
        ConfigError: a `--set` is not of the form TABLE.KEY=VALUE.
    """
    overrides: dict[str, Any] = {}
    for item in args.set:
        name, equals, text = item.partition("=")
        if not equals or "." not in name:
            raise ConfigError(f"--set {item}: TABLE.KEY=VALUE is wanted, for instance training.batch_size=8")
        overrides[name.strip()] = _value(text.strip())
    if args.epochs is not None:
        overrides["training.epochs"] = args.epochs
    if args.max_steps is not None:
        overrides["training.max_steps"] = args.max_steps
    return overrides


def _value(text: str) -> Any:
    """A value as in the workspace file; text needs no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def run_stop(args: argparse.Namespace, console: Console) -> int:
    """Ask a run to stop and wait until it has."""
    from workbench.jobs.start import request_stop, wait

    workspace = open_workspace(args)
    run = find_own_run(workspace, args.run_name) if args.run_name is not None else _active(workspace)
    if not run.live:
        raise RunError(f"run {run.id} is not active: {run.state}")
    folder = run.folder
    request_stop(folder)
    console.note(f"asked run {run.id} to stop at its next step")
    ended = wait(folder, timeout=args.wait) if args.wait else run
    if ended.state not in ENDED or ended.live:
        console.line(
            f"it is still {ended.status.phase or ended.state}; it will stop (workbench runs {run.id} shows it)"
        )
        console.answer(run_as_json(ended))
        return NO if args.wait else OK
    console.answer(run_as_json(ended))
    console.line(f"run {ended.id}: {ended.state} at batch {ended.status.step}")
    return OK


def _active(workspace: Workspace) -> RunView:
    from workbench.jobs.runs import list_runs

    live = [run for run in list_runs(workspace.runs) if run.live]
    if not live:
        raise RunError("no run is active; `workbench runs` lists them")
    return live[0]
