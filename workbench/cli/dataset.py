"""The verbs `init` and `health`."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.api import Severity
from workbench.cli.context import open_workspace, workspace_place
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console, ProgressLines
from workbench.config import (
    WORKSPACE_FILE,
    Workspace,
    load_workspace,
    propose_workspace,
    settings_as_dict,
    shown,
    with_overrides,
    workspace_to_toml,
    write_workspace,
)
from workbench.errors import DatasetError

MEASURE = "workbench.workers.targets.health:measure_part"
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
    """Look at the whole dataset; exit code 1 when something can't be trained, with --strict also for warnings."""
    from workbench.report.findings import translated
    from workbench.report.languages import language

    workspace = open_workspace(args) if args.path is None else _workspace_of(args.path)
    if args.shard is not None:
        return _measure_shard(workspace, args, console)
    report = scan(workspace, console, executor=args.executor)
    if workspace.file.exists():
        report = _with_comparisons(report, workspace)
    if args.sarif is not None:
        _write_sarif(report, workspace, args.sarif)
    if args.language is not None:
        report = translated(report, language(args.language))
    console.answer(report)
    print_report(report, console, limit=None if args.all else _SHOWN_PER_KIND)
    bad = ("error", "warning") if args.strict else ("error",)
    return NO if any(finding["level"] in bad for finding in report["findings"]) else OK


def _with_comparisons(report: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    """With what the last comparisons of recordings and texts found, as far as it holds."""
    from workbench.mismatch.known import known_of, rows_of_scan, with_comparisons

    table = Path(workspace.dataset.metadata).name
    return with_comparisons(report, known_of(workspace.cache, table, rows_of_scan(report["utterances"])))


def _workspace_of(path: Path) -> Workspace:
    """The workspace of a folder or file; where there is none, one that fits the dataset, and is not written.

    Raises:
        ConfigError: there is one, and it is wrong.
        DatasetError: there is no dataset.
    """
    if path.suffix == ".toml" or (path / WORKSPACE_FILE).exists():
        return load_workspace(path)
    proposal = propose_workspace(path, unfit=True)
    if proposal.workspace is None:
        raise DatasetError(proposal.reason)
    folder = hashlib.blake2b(os.fsencode(proposal.workspace.root), digest_size=8).hexdigest()
    return with_overrides(proposal.workspace, {"paths.cache": str(cache_folder() / folder)})


def cache_folder() -> Path:
    """Where what is remembered of datasets without a workspace goes."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "voice-workbench"


def _write_sarif(report: Mapping[str, Any], workspace: Workspace, file: Path) -> None:
    from workbench.cli.sarif import as_sarif

    text = json.dumps(as_sarif(report, workspace), ensure_ascii=True, indent=1)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DatasetError(f"{file}: can't be written: {error.strerror or error}") from None


def _measure_shard(workspace: Workspace, args: argparse.Namespace, console: Console) -> int:
    from workbench.workers import Worker

    part, parts = args.shard
    with Worker("audio") as worker:
        answer = worker.call(
            MEASURE,
            on_progress=ProgressLines(console, f"measuring part {part} of {parts}"),
            part_number=part,
            parts=parts,
            executor_name=args.executor,
            **_scanned(workspace),
        )
    console.answer(answer)
    console.line(
        f"part {part} of {parts}: {answer['measured']} recordings measured, {answer['known']} were known; "
        f"remembered in {shown(Path(answer['memo']))}"
    )
    return OK


def scan(workspace: Workspace, console: Console, *, executor: str = "auto") -> dict[str, Any]:
    """The report of the dataset scan, made in a worker.

    Raises:
        WorkbenchError: the dataset can't be read at all.
    """
    from workbench.workers import Worker
    from workbench.workers.health_report import scan_with

    with Worker("audio") as worker:
        progress = ProgressLines(console, "looking at the dataset")
        return scan_with(worker, on_progress=progress, executor_name=executor, **_scanned(workspace))


def _scanned(workspace: Workspace) -> dict[str, Any]:
    """What a worker is told of the workspace: its file, or its settings if it has none."""
    settings = None if workspace.file.exists() else settings_as_dict(workspace)
    return {"workspace_file": str(workspace.file), "settings": settings}


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
    for line in _comparisons(report):
        console.line(line)
    counts = Counter(finding["severity"] for finding in findings)
    told = ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])
    console.line(f"findings: {told or 'none'}")


def _comparisons(report: Mapping[str, Any]) -> Iterator[str]:
    """Who compared recordings with their texts, and when; nothing where nobody could."""
    for one in report.get("comparisons", ()):
        then = time.strftime("%Y-%m-%d %H:%M", time.localtime(one["time"]))
        told = f"{one['rows']} compared by {one['by']}, {then}; new or changed since: {one['changed']}"
        yield f"recordings and texts: {told}"
    if report.get("comparisons") == []:
        yield "recordings and texts: not compared; `workbench mismatch` does"
