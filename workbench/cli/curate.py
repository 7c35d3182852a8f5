"""The verb `curate`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core_vits.manifest import Manifest, ManifestError, Row, find_recording
from workbench.cli.context import open_workspace
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console, ProgressLines
from workbench.config import Workspace, shown
from workbench.errors import DatasetError
from workbench.jobs.curating import Curator
from workbench.jobs.curation import RENAMED, Curation, read_curation
from workbench.jobs.dataset import read_table_as_written, rows_of

MEND = "workbench.workers.targets.mend:mend"
WRITE = "workbench.workers.targets.curated:write"
_SHOWN = 20
_FILES = (1, 1_000_000, "one FILE or more")
_ITEMS = {
    "list": (0, 0, "nothing"),
    "exclude": _FILES,
    "include": _FILES,
    "correct": (2, 2, "a FILE and its TEXT"),
    "mend": _FILES,
    "take": (2, 2, "a FILE and the OTHER one"),
    "undo": (0, 0, "nothing"),
    "write": (1, 1, "a FOLDER"),
}
"""What each action wants behind it: at least, at most, in words."""


def run_curate(args: argparse.Namespace, console: Console) -> int:
    """List or change what was decided about single rows."""
    workspace = open_workspace(args)
    items: Sequence[str] = args.items
    least, most, wanted = _ITEMS[args.action]
    if not least <= len(items) <= most:
        raise DatasetError(f"curate {args.action}: {wanted} is wanted behind it, not {len(items)} of them")
    if args.action == "list":
        return _list(workspace, console)
    if args.action == "write":
        return _write(workspace, Path(items[0]), console)
    if args.action == "mend":
        return _mend(workspace, items, args, console)
    done = _decide(workspace, args.action, items, args.why)
    console.line(done)
    console.answer({"done": done})
    return OK


def _decide(workspace: Workspace, action: str, items: Sequence[str], why: str) -> str:
    """
    Raises:
        DatasetError: there is no such row, or it can't be written down.
    """
    curator = Curator(workspace.curation)
    if action == "undo":
        return curator.undo()
    if action == "include":
        excluded = read_curation(workspace.curation).excluded
        unknown = next((file for file in items if file not in excluded), None)
        if unknown is not None:
            raise DatasetError(f"{unknown}: is not excluded; see `workbench curate`")
        return curator.include(items)
    manifest = _table(workspace)
    if action == "exclude":
        rows = [row for file in items for row in _rows(workspace, manifest, file)]
        return curator.exclude(rows, why or "by hand")
    (row, *others) = _rows(workspace, manifest, items[0])
    if action == "correct":
        if others:
            raise DatasetError(f"{items[0]}: has {1 + len(others)} rows; correct them in {workspace.dataset.metadata}")
        return curator.correct(row, items[1])
    if find_recording(workspace.audio_folder, items[1]) is None:
        raise DatasetError(f"{items[1]}: there is no such recording in {workspace.dataset.audio}")
    return curator.take({row.file: (items[1], RENAMED, "")}, f"{row.file} is taken from {items[1]}")


def _table(workspace: Workspace) -> Manifest:
    try:
        return read_table_as_written(workspace)
    except ManifestError as error:
        raise DatasetError(str(error)) from error


def _rows(workspace: Workspace, manifest: Manifest, file: str) -> list[Row]:
    rows = rows_of(manifest, file)
    if not rows:
        raise DatasetError(f"{file}: no row of {workspace.dataset.metadata} names this recording")
    return rows


def _list(workspace: Workspace, console: Console) -> int:
    curation, history = read_curation(workspace.curation), Curator(workspace.curation).history()
    parts = {"excluded": curation.excluded, "corrected": curation.corrected, "other recordings": curation.recordings}
    for name, lines in parts.items():
        console.line(f"{name}: {len(lines)}")
        for file, line in list(lines.items())[:_SHOWN]:
            console.line(f"  {file}  {'  '.join(part for part in line if part)}")
        if len(lines) > _SHOWN:
            console.line(f"  … and {len(lines) - _SHOWN} more in {shown(workspace.curation)}")
    for done in history[-_SHOWN:]:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(done.time))
        console.line(f"{when}  {done.what}{'  (undone)' if done.undone else ''}")
    for where, message in (*curation.problems, *_without_effect(workspace, curation)):
        console.line(f"warns   {where}: {message}")
    console.answer(
        {
            "folder": str(workspace.curation),
            **{name: {file: list(line) for file, line in lines.items()} for name, lines in parts.items()},
            "history": [{"time": done.time, "what": done.what, "undone": done.undone} for done in history],
            "problems": [f"{where}: {message}" for where, message in curation.problems],
        }
    )
    return OK


def _without_effect(workspace: Workspace, curation: Curation) -> list[tuple[str, str]]:
    """Decisions about recordings that the table does not name."""
    try:
        files = {row.file for row in read_table_as_written(workspace).rows}
    except ManifestError:
        return []
    tables: Sequence[Mapping[str, Any]] = (curation.excluded, curation.corrected, curation.recordings)
    unknown = [file for table in tables for file in table if file not in files]
    return [(file, f"no row of {workspace.dataset.metadata} has this name") for file in unknown[:_SHOWN]]


def _mend(workspace: Workspace, items: Sequence[str], args: argparse.Namespace, console: Console) -> int:
    from workbench.workers import Worker

    manifest = _table(workspace)
    files = list(dict.fromkeys(row.file for file in items for row in _rows(workspace, manifest, file)))
    with Worker("audio") as worker:
        made: Mapping[str, Any] = worker.call(
            MEND,
            on_progress=ProgressLines(console, "mending"),
            workspace_file=str(workspace.file),
            files=files,
            ways=list(args.how),
            gain_db=args.gain,
        )
    takes = {file: (str(take), str(how), str(of)) for file, (take, how, of) in made["takes"].items()}
    if takes:
        how = next(iter(takes.values()))[1] or "16 bit, mono"
        number = f"{len(takes)} recording{'s' * (len(takes) > 1)}"
        console.line(Curator(workspace.curation).take(takes, f"mended {number}: {how}"))
    for file, reason in made["failed"].items():
        console.line(f"not mended: {file}: {reason}")
    console.answer(dict(made))
    return NO if made["failed"] else OK


def _write(workspace: Workspace, folder: Path, console: Console) -> int:
    from workbench.workers import Worker

    with Worker("audio") as worker:
        made: Mapping[str, Any] = worker.call(
            WRITE,
            on_progress=ProgressLines(console, "writing"),
            workspace_file=str(workspace.file),
            folder=str(folder.absolute()),
        )
    console.line(f"wrote {made['rows']} rows and their recordings to {shown(folder)}")
    console.answer(dict(made))
    return OK
