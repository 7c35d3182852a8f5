"""The verbs `init` and `health`."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from workbench.report.languages import Language

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
    from workbench.report.scan_lines import health_lines

    words = language(args.language or "en")
    workspace = open_workspace(args) if args.path is None else _workspace_of(args.path)
    if args.shard is not None:
        return _measure_shard(workspace, args, console)
    report = scan(workspace, console, executor=args.executor, words=words)
    if workspace.file.exists():
        report = _with_comparisons(report, workspace)
    if args.sarif is not None:
        _write_sarif(report, workspace, args.sarif)
    if args.language is not None:
        report = translated(report, words)
    console.answer(report)
    for line in health_lines(report, words, None if args.all else _SHOWN_PER_KIND):
        console.line(line)
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


def scan(
    workspace: Workspace, console: Console, *, executor: str = "auto", words: Language | None = None
) -> dict[str, Any]:
    """The report of the dataset scan, made in a worker.

    Args:
        workspace: whose dataset is looked at.
        console: where progress is printed.
        executor: where recordings are measured.
        words: language of the progress; None: English.

    Raises:
        WorkbenchError: the dataset can't be read at all.
    """
    from workbench.report.languages import language
    from workbench.report.scan_lines import progress_words
    from workbench.workers import Worker
    from workbench.workers.health_report import scan_with

    title, counted = progress_words(words or language("en"))
    lines = ProgressLines(console, title)
    with Worker("audio") as worker:
        progress = lambda done, total, _: lines(done, total, counted)  # noqa: E731 - as a name, it fits the line
        return scan_with(worker, on_progress=progress, executor_name=executor, **_scanned(workspace))


def _scanned(workspace: Workspace) -> dict[str, Any]:
    """What a worker is told of the workspace: its file, or its settings if it has none."""
    settings = None if workspace.file.exists() else settings_as_dict(workspace)
    return {"workspace_file": str(workspace.file), "settings": settings}


def blocks(report: Mapping[str, Any]) -> bool:
    """Whether a finding keeps the training from starting."""
    return any(finding["severity"] == Severity.BLOCKS for finding in report["findings"])


def print_report(report: Mapping[str, Any], console: Console, *, limit: int | None) -> None:
    """Findings by severity, then whatever is in the summary, and a count of the findings.

    Args:
        report: what a worker returned.
        console: where to print to.
        limit: findings of one severity to print; None prints all.
    """
    from workbench.report.languages import language
    from workbench.report.scan_lines import count_line, finding_lines

    english = language("en")
    for line in finding_lines(report["findings"], english, limit):
        console.line(line)
    for name, value in report["summary"].items():
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            console.line(f"{name.replace('_', ' ')}: {round(value, 2) if isinstance(value, float) else value}")
    console.line(count_line(report["findings"], english))
