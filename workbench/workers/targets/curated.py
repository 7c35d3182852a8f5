"""A dataset as it was curated, written out for whoever trains it elsewhere."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from core_vits.manifest import ManifestError, Row
from workbench.config import load_workspace
from workbench.errors import DatasetError
from workbench.jobs.curation import read_curation
from workbench.jobs.dataset import read_table

TABLE, RECORDINGS = "metadata.csv", "wavs"


def write(
    workspace_file: str, folder: str, progress: Callable[[float, float, str], None] | None = None
) -> dict[str, Any]:
    """Write table and recordings: without the excluded rows, with corrected texts and mended copies.

    Args:
        workspace_file: `workbench.toml` or its folder.
        folder: to make; it must not exist, or be empty.
        progress: called with rows done, rows in all, and what is being done.

    Returns:
        `rows`: how many were written; `without_recording`: how many were not, for want of a recording.

    Raises:
        ConfigError: the workspace can't be read.
        DatasetError: the table can't be read, or the folder can't be written.
    """
    workspace, target = load_workspace(Path(workspace_file)), Path(folder)
    try:
        manifest = read_table(workspace)
    except ManifestError as error:
        raise DatasetError(str(error)) from error
    curation = read_curation(workspace.curation)
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise DatasetError(f"{target}: is there already; name a folder that is new or empty")
        (target / RECORDINGS).mkdir(parents=True)
        written: list[Row] = []
        for done, row in enumerate(manifest.rows):
            if progress is not None:
                progress(done, len(manifest.rows), "recordings")
            source = curation.recording(workspace.audio_folder, row.file)
            if source is not None:
                _copy(source, target / RECORDINGS / _name(row.file, source))
                written.append(row)
        # The table last: a folder that has one is complete.
        _write_table(target / TABLE, written, workspace.dataset.delimiter, quoting=workspace.dataset.quoting)
    except OSError as error:
        raise DatasetError(f"{target}: can't be written ({error.strerror or error})") from error
    return {"rows": len(written), "without_recording": len(manifest.rows) - len(written)}


def _name(file: str, source: Path) -> PurePosixPath:
    """The name that the row will find: as written, with the suffix that the recording has."""
    name = PurePosixPath(file)
    return name if name.suffix.lower() == source.suffix.lower() else PurePosixPath(f"{file}{source.suffix}")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():  # else another row of the same recording
        # No hard link: who edits it there must not change the original.
        shutil.copyfile(source, target)


def _write_table(path: Path, rows: list[Row], delimiter: str, *, quoting: bool) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        quoted = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        for row in rows:
            columns = [row.file, *([row.speaker] if row.speaker is not None else []), row.text]
            columns += [" ".join(map(str, row.phoneme_ids))] if row.phoneme_ids else []
            if quoting:
                quoted.writerow(columns)
            elif any(delimiter in column for column in columns):
                raise DatasetError(f"{row.file}: its text contains the delimiter '{delimiter}'; correct the text")
            else:
                file.write(delimiter.join(columns) + "\n")
