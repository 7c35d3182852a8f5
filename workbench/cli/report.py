"""The verb `report`."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.cli.context import workspace_place
from workbench.cli.dataset import scan
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console
from workbench.config import Workspace, shown, with_overrides
from workbench.errors import ConfigError


def run_report(args: argparse.Namespace, console: Console) -> int:
    """Report on a workspace or a Piper project; exit code 1 when it is not ready, or not known to be."""
    from workbench.report import make_report
    from workbench.report.document import document
    from workbench.report.languages import choose_language, language
    from workbench.report.markdown import write_markdown
    from workbench.report.plain import plain_lines

    place = _place(args)
    if args.output is not None:
        _check_output(args.output)
    report = make_report(place, None if args.quick else lambda workspace: scan_anywhere(workspace, console))
    chosen = language(args.language) if args.language else choose_language(os.environ, report.language)
    console.answer(document(report, chosen))
    if args.output is not None:
        write_markdown(report, chosen, args.output)
        console.line(f"wrote {shown(args.output)}")
    else:
        for line in plain_lines(report, chosen):
            console.line(line)
    return OK if report.ready else NO


def _check_output(file: Path) -> None:
    """
    Raises:
        ConfigError: what stands there is not to be replaced, or there is no such folder.
    """
    if file.exists() and not (file.is_file() and file.suffix == ".md"):
        raise ConfigError(f"{file}: is there already and no .md file, so it was left as it is; name another file")
    if not file.absolute().parent.is_dir():
        raise ConfigError(f"{file}: there is no such folder; make it, or name another file")


def _place(args: argparse.Namespace) -> Path:
    """What is meant: the argument, else what `-C` names, else the current folder.

    Raises:
        ConfigError: there is nothing there.
    """
    place: Path = args.path if args.path is not None else workspace_place(args)
    if not place.exists():
        raise ConfigError(f"{place}: there is no such folder; that of a workspace or of a Piper project is wanted")
    return place.absolute()


def scan_anywhere(workspace: Workspace, console: Console) -> Mapping[str, Any]:
    """What a scan finds, also in a project that has no workspace file.

    Raises:
        WorkbenchError: the dataset can't be read at all.
    """
    if workspace.file.exists():
        return scan(workspace, console)
    with tempfile.TemporaryDirectory(prefix="workbench-report-") as elsewhere:
        # What is measured is remembered there, for nothing is written in the project.
        return scan(with_overrides(workspace, {"paths.cache": elsewhere}), console)
