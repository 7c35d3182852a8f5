"""The run directory: what each file of it is called and how it is read and written.

The directory is the interface between the processes of a run and whoever watches it, so every writer follows two rules.
A JSON file is replaced as a whole (a reader sees the old one or the new one, never half of one). A JSON-lines file only
grows, one whole line a write. Nothing here imports more than the standard library: a viewer pays for it at its start.

`status.json` and `events.jsonl` are reports. A full disk must not end a training run because its report can't be
written, so `write_status` and `append_event` answer False instead of raising.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import RunActiveError

FORMAT = 1
"""Format number that `run.json` and `status.json` carry."""

SETTINGS = "run.toml"
IDENTITY = "run.json"
LAUNCH = "launch.json"
STATUS = "status.json"
EVENTS = "events.jsonl"
LOCK = "run.lock"
STEP_LOCK = "step.lock"
STOP = "stop.request"
CHECKPOINTS = "checkpoints"
CHECKPOINT_INDEX = "index.jsonl"
METRICS = "metrics"
SAMPLES = "samples"
LOGS = "logs"
VOICE_CONFIG = "config.json"
PHONEME_MAP = "phonemes.json"
"""Copy of the user's own phoneme ids: what a checkpoint has learned must not change with a file elsewhere."""
SPLIT = "split.json"
PREPARED = "prepare.json"
EXPORTS = "exports.jsonl"
"""One line an export, so that a later viewer knows what was exported and how equal it is. In the run that saved the
checkpoint; of Piper's checkpoints, beside the exported voices."""

MESSAGE_LIMIT = 500
"""Characters of a status message; longer ones are cut, for they are shown in one line."""

# C0, DEL, C1 and the bidirectional controls: a message is shown in a terminal and may quote foreign bytes.
_UNSAFE = dict.fromkeys([*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], " ")


def one_line(text: str) -> str:
    """The text as one line without control characters, at most `MESSAGE_LIMIT` characters."""
    line = " ".join(text.translate(_UNSAFE).split())
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"


def plain(value: Any) -> Any:
    """The value as JSON can hold it: NaN and infinities become None, paths become text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def write_json(path: Path, data: Mapping[str, Any], *, durable: bool = False) -> None:
    """Replace a JSON file as a whole.

    Args:
        path: the file; its folder must exist.
        data: what it will hold.
        durable: also wait until the disk has it, so that it survives a power failure.

    Raises:
        OSError: the disk refused; the old file is intact.
    """
    # Two threads or processes may write at once: each has its own temporary file and the last one wins.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    text = json.dumps(plain(data), ensure_ascii=False, indent=1, default=str)
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        OSError: it can't be read.
        ValueError: it is not a JSON object.
    """
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        # ValueError, as for text that is no JSON at all: the file is damaged either way.
        raise ValueError(f"{path.name}: an object is wanted, this is a {type(data).__name__}")  # noqa: TRY004
    return data


def append_line(path: Path, record: Mapping[str, Any], *, durable: bool = False) -> None:
    """Append one record to a JSON-lines file, as one write.

    Raises:
        OSError: the disk refused.
    """
    line = json.dumps(plain(record), ensure_ascii=False, default=str).encode() + b"\n"
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line  # a writer died in the middle of its line
        view = memoryview(line)
        while view:
            view = view[os.write(handle, view) :]
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a JSON-lines file; lines that are not an object (a torn last line) are passed over."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record


def read_status(run: Path) -> dict[str, Any]:
    """What `status.json` says; empty when there is none or it is damaged."""
    try:
        return read_json(run / STATUS)
    except (OSError, ValueError):
        return {}


def write_status(run: Path, **changes: Any) -> bool:
    """Change some fields of `status.json`; `updated`, `host` and `format` are filled in.

    Returns:
        False when the disk refused; the old status stays. On a full disk it is written over, if it fits.
    """
    status = {**read_status(run), **changes}
    if isinstance(status.get("message"), str):
        status["message"] = one_line(status["message"])
    status.update(format=FORMAT, updated=time.time(), host=socket.gethostname())
    try:
        write_json(run / STATUS, status)
    except OSError as error:
        return error.errno in {errno.ENOSPC, errno.EDQUOT} and _write_over(run / STATUS, status)
    return True


def _write_over(path: Path, data: Mapping[str, Any]) -> bool:
    """Write a JSON file where it stands: on a full disk a new file has no room, but the old one keeps its block.

    A reader might see half of it, which it takes for a damaged status until its next look; but a run that ends because
    the disk is full can still say so.

    Returns:
        False when it does not fit or the disk refused.
    """
    text = json.dumps(plain(data), ensure_ascii=False, indent=1, default=str).encode() + b"\n"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            about = os.fstat(handle)
            if len(text) > max(about.st_size, 512 * about.st_blocks):
                return False
            # Space is no part of JSON, so that what is left of a longer old text needs no second step.
            os.pwrite(handle, text.rstrip(b"\n").ljust(about.st_size - 1) + b"\n", 0)
        finally:
            os.close(handle)
    except OSError:
        return False
    return True


def append_event(run: Path, kind: str, **fields: Any) -> bool:
    """Append a line to `events.jsonl`; False when the disk refused."""
    try:
        append_line(run / EVENTS, {"time": time.time(), "kind": kind, **fields})
    except OSError:
        return False
    return True


def is_gone(run: Path) -> bool:
    """Whether somebody removed the run: its directory, or what says that it is one. It must not be made again."""
    try:
        (run / IDENTITY).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # a disk that does not answer now is not a decision to remove anything
    return False


def gone_message(run: Path) -> str:
    """The line for a run that was removed under its processes."""
    return f"{run.name}: the run's directory was removed, so nothing can be saved; the run ends. Start a new run"


def stop_requested(run: Path) -> bool:
    """Whether somebody asked the run to stop."""
    return (run / STOP).exists()


def ask_to_stop(run: Path) -> None:
    """Ask the run to stop at the next step boundary, with a checkpoint."""
    (run / STOP).touch()


def clear_stop(run: Path) -> None:
    """Take the request back, or mark it as done."""
    (run / STOP).unlink(missing_ok=True)


class StatusWriter:
    """`status.json` for a process that has news more often than anybody can read.

    Changes are kept in memory and written at most every `seconds`; `now=True` writes at once.
    """

    def __init__(self, run: Path, *, seconds: float = 0.5) -> None:
        self._run = run
        self._seconds = seconds
        self._changes: dict[str, Any] = {}
        self._written = -math.inf

    def update(self, *, now: bool = False, **changes: Any) -> None:
        """Note changes, and write them when it is time."""
        self._changes.update(changes)
        clock = time.monotonic()
        if (now or clock - self._written >= self._seconds) and self._changes:
            self._written = clock
            if write_status(self._run, **self._changes):
                self._changes.clear()


class FileLock:
    """A `flock` that dies with the process that holds it, however it dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def acquire(self, *, seconds: float = 2.0) -> None:
        """Take the lock and write our process id into the file.

        Args:
            seconds: how long to try; a reader that asks `is_held` has the lock for some microseconds.

        Raises:
            RunActiveError: another process has it.
        """
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_there(handle):
                    break
                os.close(handle)  # its last holder removed the file: who comes next would lock another one
                handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(handle)
                    raise RunActiveError(
                        f"{self.path.parent.name}: another process runs it (it holds {self.path.name})"
                    ) from None
                time.sleep(0.02)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def _is_there(self, handle: int) -> bool:
        """Whether the file that we have open is the one that others will find."""
        try:
            return os.path.samestat(os.fstat(handle), self.path.stat())
        except FileNotFoundError:
            return False

    def fileno(self) -> int:
        """The descriptor, to be inherited by a child that must go on holding the lock."""
        if self._handle is None:
            raise ValueError("the lock is not held")
        return self._handle

    def release(self) -> None:
        """Close our descriptor; the lock is free when no child holds a copy."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def is_held(path: Path) -> bool:
    """Whether some process holds the lock of this file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared, so that two readers never take each other for the holder.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without flock: the reader falls back to the heartbeat
    finally:
        os.close(handle)
    return False
