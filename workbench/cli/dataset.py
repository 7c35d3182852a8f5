"""The verbs `init` and `health`."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.api import Severity
from workbench.cli.context import open_workspace, workspace_place
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console, ProgressLines
from workbench.config import Workspace, propose_workspace, shown, workspace_to_toml, write_workspace
from workbench.errors import ConfigError, DatasetError

SCAN = "workbench.workers.targets.health:scan"
_SHOWN_PER_KIND = 30


def run_init(args: argparse.Namespace, console: Console) -> int:
    """Write a workspace file for the dataset in a folder."""
    folder: Path = args.folder if args.folder is not None else workspace_place(args)
    proposal = propose_workspace(folder)
    if proposal.workspace is None:
        raise DatasetError(proposal.reason)
    if args.print:
        console.line(workspace_to_toml(proposal.workspace).rstrip("\n"))
        console.answer({"reason": proposal.reason, "toml": workspace_to_toml(proposal.workspace)})
        return OK
    file = write_workspace(proposal.workspace)
    console.line(f"found {proposal.reason}")
    console.line(f"wrote {shown(file)}; look through it, then: workbench health")
    console.answer({"file": str(file), "reason": proposal.reason})
    return OK


def run_health(args: argparse.Namespace, console: Console) -> int:
    """Look at the whole dataset; exit code 1 when something blocks the training."""
    workspace = open_workspace(args)
    report = scan(workspace, console)
    console.answer(report)
    print_report(report, console, limit=None if args.all else _SHOWN_PER_KIND)
    return NO if blocks(report) else OK


def scan(workspace: Workspace, console: Console) -> Mapping[str, Any]:
    """The report of the dataset scan, made in a worker.

    Raises:
        WorkbenchError: the dataset can't be read at all.
    """
    from workbench.workers import Worker

    if not workspace.file.exists():
        raise ConfigError(f"{shown(workspace.file)}: there is no workspace file; write one with `workbench init`")
    with Worker("audio") as worker:
        report: Mapping[str, Any] = worker.call(
            SCAN, on_progress=ProgressLines(console, "looking at the dataset"), workspace_file=str(workspace.file)
        )
    return report


def blocks(report: Mapping[str, Any]) -> bool:
    """Whether a finding keeps the training from starting."""
    return any(finding["severity"] == Severity.BLOCKS for finding in report["findings"])


def print_report(report: Mapping[str, Any], console: Console, *, limit: int | None) -> None:
    """Findings by severity, then the summary and a count of the findings.

    Args:
        report: what `scan` returned.
        console: where to print to.
        limit: findings of one severity to print; None prints all.
    """
    findings: Sequence[Mapping[str, Any]] = report["findings"]
    for severity in Severity:
        chosen = [finding for finding in findings if finding["severity"] == severity]
        for finding in chosen[:limit]:
            fix = f"  [fix: {finding['fix']}]" if finding.get("fix") else ""
            console.line(f"{severity:6}  {finding['subject']}: {finding['message']}{fix}")
        if limit is not None and len(chosen) > limit:
            console.line(f"{severity:6}  … and {len(chosen) - limit} more (--all prints them)")
    for name, value in report["summary"].items():
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            console.line(f"{name.replace('_', ' ')}: {round(value, 2) if isinstance(value, float) else value}")
    counts = Counter(finding["severity"] for finding in findings)
    told = ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])
    console.line(f"findings: {told or 'none'}")
