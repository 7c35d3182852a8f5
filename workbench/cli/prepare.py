"""The verb `prepare`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from workbench.cli.context import open_host, open_workspace
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console, ProgressLines
from workbench.config import Workspace
from workbench.errors import ConfigError
from workbench.jobs.checks import check_dataset, check_front_end

PREPARE = "workbench.train.shards:prepare_clips"
MISSING = "workbench.train.shards:missing_clips"
_SHOWN_DROPPED = 30


def run_prepare(args: argparse.Namespace, console: Console) -> int:
    """Make the clips of the dataset, or look which are missing; exit code 1 when some are."""
    from workbench.workers import Worker

    if args.check and (args.shard or args.verify or args.executor != "auto"):
        raise ConfigError("--check only looks; leave out --shard, --verify and --executor")
    workspace = open_workspace(args)
    check_dataset(workspace)
    check_front_end(workspace, open_host(args, workspace, console))
    file = str(workspace.file)
    with Worker("audio") as worker:
        if args.check:
            report = worker.call(MISSING, on_progress=ProgressLines(console, "looking"), workspace_file=file)
            return _tell_missing(report, console)
        report = worker.call(
            PREPARE,
            on_progress=ProgressLines(console, "preparing"),
            workspace_file=file,
            shard=args.shard,
            verify=args.verify,
            executor_name=args.executor,
        )
    _tell(report, workspace, console)
    return OK


def _tell(report: Mapping[str, Any], workspace: Workspace, console: Console) -> None:
    console.answer(report)
    dropped = report["dropped"]
    for item in dropped[:_SHOWN_DROPPED]:
        console.line(f"{workspace.dataset.metadata}:{item['line']}: dropped {item['file']}: {item['reason']}")
    if len(dropped) > _SHOWN_DROPPED:
        console.line(f"… and {len(dropped) - _SHOWN_DROPPED} more rows are dropped (--json names them)")
    shard = f"shard {report['shard']}: " if report["shard"] else ""
    console.line(
        f"{shard}{report['clips']} clips, {report['seconds'] / 3600:.2f} h; {len(dropped)} rows dropped; "
        f"{report['made']} made new"
    )


def _tell_missing(report: Mapping[str, Any], console: Console) -> int:
    console.answer(report)
    if not report["missing"]:
        console.line(f"all {report['clips']} clips are prepared")
        return OK
    for shard in report["shards"]:
        console.line(
            f"shard {shard['shard']} ({shard['state']}): {shard['rows']} rows have no clip; "
            f"run: workbench prepare --shard {shard['shard']}"
        )
    console.line(f"{report['missing']} of {report['rows']} rows have no clip yet; `workbench prepare` makes them all")
    return NO
