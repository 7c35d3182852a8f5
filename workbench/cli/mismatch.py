"""The verb `mismatch`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core_vits.hold import held
from workbench.api import Severity
from workbench.cli.context import find_checkpoint, open_workspace
from workbench.cli.dataset import print_report
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console, ProgressLines
from workbench.config import Workspace, shown
from workbench.errors import CheckpointError, ConfigError

LISTEN = "workbench.workers.targets.mismatch:listen"
SCORE = "workbench.workers.targets.alignment_scores:score"
_SHOWN_PER_KIND = 30
_SECONDS_BETWEEN_LINES = 15.0
"""It may take an hour."""


def run_mismatch(args: argparse.Namespace, console: Console) -> int:
    """Look for recordings that don't say what their texts say; exit code 1 when there are some."""
    workspace = open_workspace(args)
    if not workspace.file.exists():
        raise ConfigError(f"{shown(workspace.file)}: there is no workspace file; write one with `workbench init`")
    report = _score(workspace, args.checkpoint, console) if args.checkpoint else _listen(workspace, args, console)
    console.answer(report)
    print_report(report, console, limit=None if args.all else _SHOWN_PER_KIND)
    return NO if any(finding["severity"] == Severity.WARNS for finding in report["findings"]) else OK


def _listen(workspace: Workspace, args: argparse.Namespace, console: Console) -> Mapping[str, Any]:
    from workbench.workers import Worker

    with Worker("audio") as worker:
        try:
            report: Mapping[str, Any] = worker.call(
                LISTEN,
                on_progress=ProgressLines(console, "listening", seconds=_SECONDS_BETWEEN_LINES),
                workspace_file=str(workspace.file),
                recognizer=args.recognizer,
                threads=args.threads,
            )
        except KeyboardInterrupt:
            console.note("stopped; what was heard is kept, and the next `workbench mismatch` goes on from there")
            raise
    return report


def _score(workspace: Workspace, name: str, console: Console) -> Mapping[str, Any]:
    """
    Raises:
        CheckpointError: there is no such checkpoint, or it belongs to no run that has prepared clips.
    """
    from workbench.workers import Worker

    checkpoint, run = find_checkpoint(workspace, name)
    if run is None:
        raise CheckpointError(
            f"{shown(checkpoint)}: it belongs to no run of the workbench, so its prepared clips are not known; name a "
            "checkpoint of a run, or leave out --checkpoint"
        )
    console.note(f"asking {checkpoint.name} of {run.name}")
    with Worker("torch") as worker, held(checkpoint):
        report: Mapping[str, Any] = worker.call(
            SCORE,
            on_progress=ProgressLines(console, "aligning"),
            checkpoint=str(checkpoint),
            run_folder=str(run),
            table=Path(workspace.dataset.metadata).name,
            workspace_file=str(workspace.file),
        )
    return report
