"""The verbs `train` and `stop`."""

from __future__ import annotations

import argparse
import tomllib
from typing import TYPE_CHECKING, Any

from workbench.cli.context import find_checkpoint, find_own_run, find_run, open_host, open_workspace
from workbench.cli.follow import ENDED, follow, outcome, run_as_json
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console, ProgressLines
from workbench.config import Workspace, settings_as_dict, with_overrides
from workbench.errors import CheckpointError, ConfigError, RunError

if TYPE_CHECKING:
    from workbench.jobs.runs import RunView


PLAN = "workbench.workers.targets.starting:plan"


def run_train(args: argparse.Namespace, console: Console) -> int:
    """Start or resume a training; follow it unless `--detach`. What a run begins with is told before."""
    from workbench.jobs.start import resume_run, start_run

    workspace = open_workspace(args)
    host = open_host(args, workspace, console)
    own = _run_to_go_on(args, workspace)
    settings = _settings(args, workspace, own)
    plan = None
    if args.plan or (own is None and settings.start_checkpoint is not None):
        plan = make_plan(settings, console, own=own is not None)
    refusal = plan["refusal"] if plan is not None else ""
    if args.plan:
        if refusal:
            console.note(f"can't begin: {refusal}")
        console.answer(plan)
        return NO if refusal else OK
    if own is not None:
        run = resume_run(own.folder, host)
        console.note(f"resumed run {run.id}")
    else:
        if refusal:
            raise CheckpointError(refusal)
        run = start_run(settings, host, model=plan["model"] if plan is not None else None)
        begun = settings.start_checkpoint
        console.note(f"started run {run.id}" + (f", which begins with {begun.name}" if begun is not None else ""))
        _say_batches(settings, console)
    for failure in host.failures:
        console.note(f"note: {failure}")
    if args.detach:
        console.line(f"follow it: workbench runs {run.id} --follow    stop it: workbench stop")
        console.answer(run_as_json(run))
        return OK
    return follow_to_the_end(run, console)


def _run_to_go_on(args: argparse.Namespace, workspace: Workspace) -> RunView | None:
    """The run that goes on in its own directory; None when a new one is wanted.

    Raises:
        ConfigError: the options contradict each other.
        RunError: there is no such run.
    """
    from workbench.jobs.runs import OURS

    if args.resume is None:
        return None
    if args.begin is not None:
        raise ConfigError("--resume and --from both name what to go on from; give one of them")
    # A run keeps the settings that it was started with, so other settings make another run.
    if read_overrides(args) or args.mode or args.learning_rate or args.resume.endswith(".ckpt"):
        return None
    run = find_run(workspace, args.resume)
    # Nor does a run of Piper's go on in its own directory: nothing is ever written there.
    return run if run.kind == OURS else None


def _settings(args: argparse.Namespace, workspace: Workspace, own: RunView | None) -> Workspace:
    """The settings of the run that is to begin, with the checkpoint that it begins with under `[start]`.

    Raises:
        ConfigError: the options contradict each other.
        CheckpointError: there is no such checkpoint.
    """
    from workbench.jobs.start import going_on_from, run_workspace

    start: dict[str, Any] = {}
    if own is not None:
        workspace = run_workspace(own.folder)
        if own.checkpoints:
            start["start.checkpoint"] = str(own.checkpoints[-1].file)
    elif args.resume is not None:
        checkpoint, folder = find_checkpoint(workspace, args.resume)
        workspace = run_workspace(folder) if folder is not None else workspace
        start = dict(going_on_from(checkpoint, workspace if folder is not None else None))
    elif args.begin == "none":
        start["start.checkpoint"] = ""
    elif args.begin is not None:
        start["start.checkpoint"] = str(find_checkpoint(workspace, args.begin)[0])
    for name in ("mode", "learning_rate"):
        if getattr(args, name) is not None:
            start[f"start.{name}"] = getattr(args, name)
    settings = with_overrides(workspace, {**start, **read_overrides(args)})
    if settings.start_checkpoint is None and (args.mode or args.learning_rate):
        raise ConfigError("--mode and --learning-rate say how to begin with a checkpoint; name one with --from")
    return settings


def make_plan(settings: Workspace, console: Console, *, own: bool = False) -> dict[str, Any]:
    """Work out in a worker how a run begins, and tell it.

    Raises:
        WorkbenchError: the checkpoint or the data set can't be read.
    """
    from workbench.workers import Worker

    tables = settings_as_dict(settings)
    tables["workspace"] = {"root": str(settings.root), "file": str(settings.file)}
    with Worker("torch") as worker:
        plan: dict[str, Any] = worker.call(
            PLAN, on_progress=ProgressLines(console, "checkpoint"), settings=tables, own=own
        )
    width = max(len(fact["label"]) for fact in plan["facts"])
    for fact in plan["facts"]:
        mark = "! " if fact["warning"] else ""
        console.note(f"{fact['label']:<{width}}  {mark}{fact['text']}")
    return plan


def _say_batches(settings: Workspace, console: Console) -> None:
    """How the clips will be divided; the first batch is some seconds away."""
    from workbench.jobs.batches import batches_of

    line = batches_of(settings)
    if line:
        console.note(line)


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
