"""Training runs as a viewer sees them: read from their directories, never from the processes.

Reading a run never fails. A run directory may be half written, damaged, or of a program that is newer than this one;
then the view says so in its state and message.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from core_vits.checkpoint_names import OPTIMIZERS, OWN_NAME
from core_vits.scores import Score, best_of, compared_over
from workbench.errors import RunError
from workbench.jobs.rundir import (
    CHECKPOINT_INDEX,
    CHECKPOINTS,
    FORMAT,
    IDENTITY,
    LAUNCH,
    LOCK,
    STATUS,
    STEP_LOCK,
    is_held,
    one_line,
    read_json,
    read_lines,
)

RUNNING, COMPLETED, STOPPED, FAILED = "running", "completed", "stopped", "failed"
LOST, NEW, UNREADABLE = "lost", "new", "unreadable"

OURS, PIPER = "workbench", "piper"
"""Kinds of runs."""

HEARTBEAT_SECONDS = 60.0
"""On another host the lock can't be seen; a status that is younger than this means that the run lives."""


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """`status.json`, with a default for whatever it does not say."""

    phase: str = ""
    """`starting`, `prepare`, `train`, `validate`, `checkpoint` or `done`."""
    state: str = ""
    epoch: int = 0
    """The epoch that runs, from 0."""
    epochs: int = 0
    step: int = 0
    """Batches trained."""
    optimizer_step: int = 0
    batch: int = 0
    """Batches trained of this epoch."""
    batches_per_epoch: int = 0
    steps_per_second: float = 0.0
    data_wait: float = 0.0
    """Share of the time that training waits for data, 0 to 1."""
    eta_seconds: float | None = None
    progress: Mapping[str, Any] | None = None
    """`done`, `total`, `what` and `eta_seconds` of something with an end."""
    device: str = ""
    """Where it computes: `cpu`, `cuda:0`."""
    memory: Mapping[str, Any] | None = None
    """What the largest batch takes: `needed_bytes` of `available_bytes`, in `parts`."""
    losses: Mapping[str, float] = field(default_factory=dict)
    val_mel: float | None = None
    val_clips: int = 0
    """Validation clips that it is the mean of."""
    val_clips_of: int = 0
    """Validation clips that there are; those that don't fit into the memory are left out."""
    message: str = ""
    outcome: str = ""
    """How the step process says that it ended; the supervisor makes `state` of it."""
    pid: int = 0
    updated: float = 0.0
    """Unix seconds."""
    host: str = ""
    exit_code: int | None = None

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """The field, or the default when there is no such field."""
        return getattr(self, name, default)


@dataclass(frozen=True, kw_only=True)
class CheckpointView:
    """A checkpoint that is on disk."""

    file: Path
    epoch: int
    """From 0. Negative, as the next two, where nothing tells: a file of Piper's under a name of somebody's own."""
    step: int
    """Batches."""
    optimizer_step: int
    bytes: int
    time: float
    """Unix seconds."""
    val_mel: float | None = None
    score: Score = field(default_factory=Score)
    """What it is compared by with others of its run."""
    val_mos: float | None = None
    """Rating of Piper's validation clips, higher is better."""
    kind: str = ""
    """Why it was written: `epoch`, `timer`, `stop`; of Piper's, what it was kept for: `last`, `val_mel`, `val_mos`."""
    best: bool = False
    """It has the lowest validation mel loss of its run, of those over the same clips."""
    best_mos: bool = False
    """It has the highest rating of its run."""
    problem: str = ""
    """What is wrong with the file, as far as its ends tell."""


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A run at one moment."""

    id: str
    folder: Path
    identity: Mapping[str, Any] = field(default_factory=dict)
    """`run.json`: voice, language, quality, seed, created, versions, …"""
    status: RunStatus = field(default_factory=RunStatus)
    live: bool = False
    """A supervisor holds the run's lock."""
    state: str = NEW
    """`running`, `completed`, `stopped`, `failed`, `lost`, `new` or `unreadable`; of Piper's, `running` or `piper`."""
    message: str = ""
    """One line for the user: why it failed, or what is wrong with its files."""
    checkpoints: tuple[CheckpointView, ...] = ()
    """Oldest first."""

    @property
    def kind(self) -> str:
        """Whose run it is: `workbench`, or `piper`, which is shown and never touched."""
        return OURS

    @property
    def label(self) -> str:
        """How it is called on the screen; the id names it everywhere."""
        return self.id

    @property
    def details(self) -> tuple[str, ...]:
        """What there is to say of it beyond its state, one line each."""
        return (self.message,) if self.message else ()

    def holds(self, folder: Path) -> bool:
        """Whether a folder is that of this run."""
        return folder == self.folder

    @property
    def created(self) -> float:
        """Unix seconds."""
        value = self.identity.get("created")
        return float(value) if isinstance(value, int | float) else 0.0

    @property
    def best(self) -> CheckpointView | None:
        """The checkpoint with the lowest validation mel loss of those that are compared, else the newest one."""
        marked = [view for view in self.checkpoints if view.best]
        return marked[-1] if marked else (self.checkpoints[-1] if self.checkpoints else None)


def val_mel_text(status: RunStatus, loss: str) -> str:
    """The validation mel loss, and over how many clips where that is not all of them.

    Args:
        status: with a loss.
        loss: in digits.
    """
    left_out = status.val_clips < status.val_clips_of
    return f"val mel {loss}" + (f" (over {status.val_clips} of {status.val_clips_of} clips)" if left_out else "")


def list_runs(runs_folder: Path) -> list[RunView]:
    """All runs of a folder, newest first; empty when there is no such folder.

    Raises:
        RunError: it is no folder, or can't be read.
    """
    try:
        folders = [entry for entry in runs_folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        raise RunError(
            f"{runs_folder}: a file stands where the folder of the runs is wanted. Move it away, or set runs in "
            "[paths] of workbench.toml"
        ) from None
    except OSError as error:
        raise RunError(
            f"{runs_folder}: the folder of the runs can't be read ({error.strerror or error}). Make it readable"
        ) from None
    markers = (IDENTITY, STATUS, LAUNCH)
    runs = [read_run(folder) for folder in folders if any((folder / name).exists() for name in markers)]
    return sorted(runs, key=lambda run: (run.created, run.id), reverse=True)


def read_run(folder: Path) -> RunView:
    """The run in a directory, whatever condition it is in."""
    live = is_held(folder / LOCK)
    view = RunView(id=folder.name, folder=folder, live=live, checkpoints=read_checkpoints(folder))
    try:
        identity = read_json(folder / IDENTITY)
    except (OSError, ValueError) as error:
        return replace(view, state=UNREADABLE, message=_damaged(IDENTITY, error))
    try:
        status = _status(read_json(folder / STATUS))
    except FileNotFoundError:
        return replace(view, identity=identity, state=RUNNING if live else NEW)
    except (OSError, ValueError) as error:
        state = RUNNING if live else UNREADABLE
        return replace(view, identity=identity, state=state, message=_damaged(STATUS, error))
    state, message = _state(status, live)
    if identity.get("format", FORMAT) != FORMAT:
        message = f"written by another version of the workbench (format {identity['format']}); shown as far as possible"
    return replace(view, identity=identity, status=status, live=live, state=state, message=message)


def still_busy(folder: Path) -> bool:
    """Whether any process of the run is alive: the supervisor, or a trainer that outlived it and is still saving."""
    return is_held(folder / LOCK) or is_held(folder / STEP_LOCK)


def read_checkpoints(folder: Path) -> tuple[CheckpointView, ...]:
    """The checkpoints of a run, oldest first: what the index says, and files that it does not mention."""
    checkpoints = folder / CHECKPOINTS
    records: dict[str, Mapping[str, Any]] = {}
    for record in read_lines(checkpoints / CHECKPOINT_INDEX):
        name = record.get("file")
        if isinstance(name, str):
            records.pop(name, None)
            if not record.get("removed"):
                records[name] = record
    views = []
    with contextlib.suppress(OSError), os.scandir(checkpoints) as entries:
        for entry in entries:
            match = OWN_NAME.fullmatch(entry.name)
            if match:
                with contextlib.suppress(OSError):
                    views.append(_checkpoint(entry, match, records.get(entry.name, {})))
    views.sort(key=lambda view: (view.optimizer_step, view.epoch, view.time))
    scores = [view.score for view in views]
    over, ranked = compared_over(scores), best_of(scores)
    lowest = scores[ranked[0]].loss if ranked else None
    return tuple(
        replace(view, best=lowest is not None and view.score.loss == lowest and view.score.over == over)
        for view in views
    )


def _checkpoint(entry: os.DirEntry[str], match: re.Match[str], record: Mapping[str, Any]) -> CheckpointView:
    about = entry.stat()
    return CheckpointView(
        file=Path(entry.path),
        epoch=int(match.group(1)),
        step=int(match.group(2)) // OPTIMIZERS,
        optimizer_step=int(match.group(2)),
        bytes=about.st_size,
        time=_number(record.get("time")) or about.st_mtime,
        val_mel=_number(record.get("val_mel")),
        score=Score.of_record(record),
        kind=str(record.get("kind", "")),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _damaged(name: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{name} is missing"
    return one_line(f"{name} can't be read: {error}")


def _status(data: Mapping[str, Any]) -> RunStatus:
    """A status of well-typed fields; what has the wrong type counts as not said."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "str": str,
        "int": int,
        "float": (int, float),
        "float | None": (int, float),
        "int | None": int,
        "Mapping[str, Any] | None": dict,
        "Mapping[str, float]": dict,
    }
    values: dict[str, Any] = {}
    for item in fields(RunStatus):
        value = data.get(item.name)
        if isinstance(value, kinds[str(item.type)]) and not isinstance(value, bool):
            values[item.name] = value
    return RunStatus(**values)


def _state(status: RunStatus, live: bool) -> tuple[str, str]:
    """State and message of a run whose status can be read."""
    if live:
        return RUNNING, status.message
    if status.state in (COMPLETED, STOPPED, FAILED):
        return status.state, status.message
    if status.host and status.host != socket.gethostname() and time.time() - status.updated < HEARTBEAT_SECONDS:
        return RUNNING, f"runs on {status.host}"
    if status.state == RUNNING:
        return LOST, status.message or "its supervisor is gone; resume it from its last checkpoint"
    return NEW, status.message
