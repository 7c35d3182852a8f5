"""The verb `doctor`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.api import Finding, Severity
from workbench.cli.context import open_host, open_workspace_if_any
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console
from workbench.host.doctor import REMOTE, run_checks

_CHECK_SECONDS = 60.0


def run_doctor(args: argparse.Namespace, console: Console) -> int:
    """Check this machine; exit code 1 when something blocks."""
    from workbench.workers import Worker

    workspace = open_workspace_if_any(args)
    host = open_host(args, workspace, console)
    workers: dict[str, Worker] = {}

    def elsewhere(pool: str, target: str) -> Sequence[Mapping[str, Any]]:
        worker = workers.setdefault(pool, Worker(pool))
        found: Sequence[Mapping[str, Any]] = worker.call(REMOTE, timeout=_CHECK_SECONDS, check=target)
        return found

    findings: list[Finding] = []
    try:
        for item in run_checks(host, workspace, os.environ, elsewhere):
            findings.append(item)
            fix = f"  [fix: {item.fix}]" if item.fix else ""
            console.line(f"{item.severity:6}  {item.subject}: {item.message}{fix}")
    finally:
        for worker in workers.values():
            worker.close()
    blocked = any(item.severity == Severity.BLOCKS for item in findings)
    console.answer({"ok": not blocked, "findings": [item.as_json() for item in findings]})
    return NO if blocked else OK
