"""No verb: the terminal workbench on this folder's workspace; without a terminal, the same facts as plain lines."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from workbench.cli.context import open_host, open_workspace, workspace_place
from workbench.cli.guard import OK
from workbench.cli.output import Console
from workbench.cli.runs import show_run
from workbench.config import WORKSPACE_FILE, Workspace, load_workspace, propose_workspace, shown, write_workspace
from workbench.errors import ConfigError


def run_viewer(args: argparse.Namespace, console: Console) -> int:
    """Open the workspace; offer to write one where there is none."""
    workspace = _workspace(args, console)
    if workspace is None:
        return OK
    if not has_screen():
        show_workspace(args, workspace, console)
        return OK
    from workbench.tui.app import run

    return run(workspace, open_host(args, workspace, console))


def has_screen() -> bool:
    """Whether a full-screen program makes sense: a terminal at both ends that can move its cursor."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _workspace(args: argparse.Namespace, console: Console) -> Workspace | None:
    """The workspace; None when the user does not want one written.

    Raises:
        ConfigError: there is none and nobody to ask; the message says what to do.
    """
    place = workspace_place(args)
    if not place.is_dir() or (place / WORKSPACE_FILE).exists():
        return open_workspace(args)
    from workbench.adopt import looks_like_piper  # only who has no workspace pays for it

    piper = looks_like_piper(place)
    if piper:
        _offer_to_adopt(place, piper, console)
        return None
    proposal = propose_workspace(place)
    if proposal.workspace is None:
        raise ConfigError(f"no {WORKSPACE_FILE} in {_folder(place)}, and nothing to make one from: {proposal.reason}")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            f"no {WORKSPACE_FILE} in {_folder(place)}; there are {proposal.reason}: write one with `workbench init`"
        )
    console.line(f"There is no {WORKSPACE_FILE} in {_folder(place)}.")
    console.line(f"Found {proposal.reason}.")
    if not _agreed(f"Write {WORKSPACE_FILE}? [y/n] "):
        console.line("Nothing was written.")
        return None
    return load_workspace(write_workspace(proposal.workspace))


def _offer_to_adopt(place: Path, piper: str, console: Console) -> None:
    """Offer to take over the Piper project that lies there. What is to be looked at comes before opening it.

    Raises:
        ConfigError: there is nobody to ask, or it can't be understood; the message says what to do.
    """
    from workbench.adopt import adopt
    from workbench.cli.adopt import write_adoption

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            f"no {WORKSPACE_FILE} in {_folder(place)}; it is a Piper project ({piper}): "
            "take it over with `workbench adopt`"
        )
    console.line(f"There is no {WORKSPACE_FILE} in {_folder(place)}. It is a Piper project ({piper}).")
    if _agreed(f"Take it over? Only {WORKSPACE_FILE} is written. [y/n] "):
        write_adoption(adopt([str(place)]), console)
    else:
        console.line("Nothing was written; `workbench init` makes a workspace of the recordings alone.")


def _agreed(question: str) -> bool:
    while True:
        try:
            answer = input(question).strip().lower()
        except EOFError:
            return False
        if answer in ("y", "yes", "д", "да"):
            return True
        if answer in ("n", "no", "н", "нет"):
            return False


def _folder(place: Path) -> str:
    return "this folder" if place.resolve() == Path.cwd() else str(place)


def show_workspace(args: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    """Voice, dataset, runs and plugins in plain lines."""
    from workbench.jobs.piper_runs import PiperRuns
    from workbench.jobs.runs import list_runs
    from workbench.jobs.voice_files import exported_voices

    voice = workspace.voice
    console.line(f"voice {voice.name}, language {voice.language}, quality {voice.quality} ({shown(workspace.file)})")
    for title, path in (("metadata", workspace.metadata), ("recordings", workspace.audio_folder)):
        console.line(f"{title} {shown(path)}{'' if path.exists() else ' (not there)'}")
    runs = list_runs(workspace.runs)
    if runs:
        console.line(f"runs: {len(runs)}, the latest:")
        show_run(runs[0], console)
    else:
        console.line("no run yet; start one: workbench train")
    piper = PiperRuns(workspace.piper_runs)
    labels = ", ".join(run.label for run in piper.list_runs())
    if labels or piper.problem:
        console.line(f"runs of Piper's own, read-only: {labels or piper.problem}")
    voices = exported_voices(workspace.voices)
    console.line(f"exported voices: {', '.join(path.name for path in voices) or 'none'}")
    failed = [record for record in open_host(args, workspace, console).plugins if record.state == "failed"]
    for record in failed:
        console.line(f"plugin {record.name} failed: {record.reason}")
    console.line("This is no terminal that can show screens, so this was all; `workbench --help` lists the verbs.")
