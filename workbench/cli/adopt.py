"""The verb `adopt`."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from workbench.adopt import Adoption, adopt, parse_variables
from workbench.adopt.report import as_json, lines, toml
from workbench.cli.context import workspace_place
from workbench.cli.guard import OK
from workbench.cli.output import Console
from workbench.config import shown, write_workspace
from workbench.errors import ConfigError


def run_adopt(args: argparse.Namespace, console: Console) -> int:
    """Write a workspace file for a Piper project."""
    place = workspace_place(args)
    start = place if place.is_dir() else Path()
    adoption = adopt(args.path or [os.fspath(place)], to=args.to, variables=parse_variables(args.var), start=start)
    text = toml(adoption)
    if args.print:
        console.line(text.rstrip("\n"))
        console.answer({**as_json(adoption, written=None), "toml": text})
        return OK
    file = write_adoption(adoption, console)
    console.answer({**as_json(adoption, written=file), "next": next_command(file)})
    return OK


def write_adoption(adoption: Adoption, console: Console) -> Path:
    """Write the workspace file and tell all about it.

    Raises:
        ConfigError: there is one already, or it can't be written.
    """
    target = adoption.workspace.file
    if target.exists():
        raise ConfigError(
            f"{shown(target)}: is there already and was left as it is; move it away, name another folder with --to, or "
            "see with --print what would be written"
        )
    file = write_workspace(adoption.workspace, toml(adoption))
    for line in lines(adoption):
        console.line(line)
    console.line()
    console.line(f"wrote {shown(file)}, and changed nothing else; next: {next_command(file)}")
    return file


def next_command(file: Path) -> str:
    """What to type after the workspace file is written."""
    folder = file.parent
    return "workbench health" if folder == Path.cwd() else f"workbench health -C {shlex.quote(shown(folder))}"
