"""What the processes of a run printed, and what there is to say of a run of Piper's, which printed into a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.jobs.rundir import LOGS
from workbench.jobs.runs import PIPER, RunView
from workbench.jobs.settings_files import settings_of

LOG_TAIL_BYTES = 32_768


def log_lines(run: RunView, count: int) -> Sequence[str]:
    """The tail of the log that was written last; of a run of Piper's, `described`."""
    if run.kind == PIPER:
        return described(run)
    newest: tuple[float, Path] | None = None
    for path in (run.folder / LOGS).glob("*.log"):
        try:
            about = path.stat()
        except OSError:
            continue
        if about.st_size and (newest is None or about.st_mtime >= newest[0]):
            newest = (about.st_mtime, path)
    return _last_lines(newest[1], count) if newest is not None else ()


def described(run: RunView) -> list[str]:
    """What there is to say of a run of Piper's, and its settings as they stand."""
    lines = [*run.details]
    for name, text in settings_of(run).items():
        lines += ["", f"── {name}", "", *text.splitlines()]
    return lines


def _last_lines(path: Path, count: int) -> Sequence[str]:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LOG_TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()
    # A progress bar rewrites its line with carriage returns: its last state is the line.
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    return [line for line in lines if line][-count:]
