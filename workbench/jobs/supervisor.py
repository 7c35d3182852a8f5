"""The process that stands behind a run: `python -m workbench.jobs.supervisor [--detach] RUN`.

It holds the run's lock, executes the steps of `launch.json` one after another, and writes down how the run ended. It
has one thread and no heavy imports, so there is little in it that can fail: a run lives as long as this process does,
and when it dies in any way the kernel frees the lock (readers then see a lost run) and sends SIGTERM to the step (which
saves a checkpoint and leaves).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from workbench.errors import WorkbenchError
from workbench.jobs.rundir import (
    CHECKPOINT_INDEX,
    CHECKPOINTS,
    IDENTITY,
    LAUNCH,
    LOCK,
    LOGS,
    SETTINGS,
    STEP_LOCK,
    FileLock,
    append_event,
    ask_to_stop,
    clear_stop,
    gone_message,
    is_gone,
    one_line,
    read_json,
    read_lines,
    read_status,
    stop_requested,
    write_status,
)

if TYPE_CHECKING:
    from workbench.api import RunFacts
    from workbench.host import Host

LOOK_SECONDS = 0.25
"""How often the step and its stop request are looked at."""
GRACE_SECONDS = 60.0
"""After SIGTERM to us, how long a step may take to see the stop request before it gets SIGTERM itself."""
LAST_LINES_BYTES = 8192
SIGNALLED = 128
"""Exit codes above this are those of a program that passes on a signal, as shells count."""

_PR_SET_PDEATHSIG = 1


class Supervisor:
    """Runs the steps of one run."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._stop_seen = False
        self._terminated_at: float | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._events = RunEvents(run)

    def main(self, locked: Callable[[], None] = lambda: None) -> int:
        """Execute the run; returns the exit code.

        Args:
            locked: called when the run is ours.

        Raises:
            WorkbenchError: another supervisor has this run.
        """
        lock = FileLock(self._run / LOCK)
        lock.acquire()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        state, message, code = "failed", "", 1
        write_status(
            self._run, phase="starting", state="running", message="", outcome="", exit_code=None, progress=None
        )
        locked()
        try:
            append_event(self._run, "started", pid=os.getpid())
            state, message, code = self._steps()
        except Exception as error:  # noqa: BLE001  # whatever it is, the run must not look as if it went on
            message = f"the supervisor failed: {type(error).__name__}: {error}"
        finally:
            gone = is_gone(self._run)
            if not gone:
                self._write_end(state, message, code)
            lock.release()
        if gone:
            sys.stderr.write(f"{gone_message(self._run)}\n")
            return 2
        self._events.finished(state)
        return code

    def _write_end(self, state: str, message: str, code: int) -> None:
        clear_stop(self._run)
        write_status(
            self._run, phase="done", state=state, message=message, exit_code=code, progress=None, eta_seconds=None
        )
        append_event(self._run, "finished", state=state, message=one_line(message), exit_code=code)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """The first signal asks the step to stop as a stop request does; the second one tells it so itself."""
        if not is_gone(self._run):
            ask_to_stop(self._run)
        if self._terminated_at is not None and self._child is not None:
            self._tell_child(signal.SIGTERM)
        self._terminated_at = self._terminated_at or time.monotonic()

    def _steps(self) -> tuple[str, str, int]:
        """Execute the steps; returns state, message and exit code of the run."""
        steps: list[Mapping[str, Any]] = read_json(self._run / LAUNCH)["steps"]
        for index, step in enumerate(steps):
            if is_gone(self._run):
                break
            if stop_requested(self._run):
                return "stopped", "", 0
            name = str(step["name"])
            write_status(self._run, phase=name, message="", outcome="")
            code = self._execute(name, step)
            if is_gone(self._run):
                break
            status = read_status(self._run)
            self._events.look()
            if code != 0:
                return "failed", self._why(name, code, status), code if code > 0 else 128 - code
            outcome = status.get("outcome")
            last = index == len(steps) - 1
            if outcome == "stopped" or (outcome != "completed" and self._stop_seen and not last):
                return "stopped", str(status.get("message", "")), 0
        stopped = self._stop_seen and read_status(self._run).get("outcome") != "completed"
        return "stopped" if stopped else "completed", str(read_status(self._run).get("message", "")), 0

    def _execute(self, name: str, step: Mapping[str, Any]) -> int:
        """Run one step to its end; returns its exit code, negative for a signal."""
        logs = self._run / LOGS
        logs.mkdir(exist_ok=True)
        # The step holds this lock through an inherited descriptor, also when we die and it is still saving.
        busy = FileLock(self._run / STEP_LOCK)
        busy.acquire()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **step.get("env", {})}
        with (logs / f"{name}.log").open("ab") as log:
            try:
                self._child = subprocess.Popen(
                    [str(part) for part in step["argv"]],
                    cwd=step.get("cwd") or None,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(busy.fileno(),),
                    process_group=0,
                    preexec_fn=die_with_parent(),
                )
            except OSError as error:
                log.write(f"{step['argv'][0]} can't be started: {error.strerror or error}\n".encode())
                return 127
            finally:
                busy.release()
        write_status(self._run, pid=self._child.pid)
        return self._wait(self._child)

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        told = False
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.wait(LOOK_SECONDS)
                self._child = None
                # Once more: a quick step may see a request and end between two of our looks.
                self._stop_seen = self._stop_seen or stop_requested(self._run)
                return code
            self._stop_seen = self._stop_seen or stop_requested(self._run)
            self._events.look()
            if not told and is_gone(self._run):
                self._tell_child(signal.SIGTERM)  # our own steps notice by themselves, a launcher's program may not
                told = True
            if self._terminated_at is not None and time.monotonic() - self._terminated_at > GRACE_SECONDS:
                self._tell_child(signal.SIGTERM)
                self._terminated_at = time.monotonic()

    def _tell_child(self, number: signal.Signals) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, number)

    def _why(self, name: str, code: int, status: Mapping[str, Any]) -> str:
        """One line on why a step failed: what it said itself, else the last line of its log."""
        told, logged = str(status.get("message") or ""), last_line(self._run / LOGS / f"{name}.log")
        # A launcher that says by its code that a signal killed a process has written down which one.
        said = (logged or told) if code > SIGNALLED else (told or logged)
        if code >= 0:
            return said or f"{name} ended with exit code {code}; see {LOGS}/{name}.log"
        killer = signal.Signals(-code).name if -code in {item.value for item in signal.Signals} else str(-code)
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"{name} was killed by {killer}{hint}" + (f"; it last said: {said}" if said else "")


class RunEvents:
    """Tells plugins about checkpoints and the end of the run. Whatever goes wrong here does not touch the run."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._host: Host | None = None
        self._facts: RunFacts | None = None
        self._index = run / CHECKPOINTS / CHECKPOINT_INDEX
        self._seen = sum(1 for _ in read_lines(self._index))
        self._size = self._index_size()

    def look(self) -> None:
        """Report checkpoints that were saved since the last look."""
        size = self._index_size()
        if size == self._size:
            return
        self._size = size
        records = list(read_lines(self._index))
        fresh, self._seen = records[self._seen :], len(records)
        for record in fresh:
            if not record.get("removed") and isinstance(record.get("file"), str):
                self._emit("workbench_checkpoint_saved", checkpoint=self._index.parent / record["file"])

    def finished(self, outcome: str) -> None:
        """Report the end."""
        self._emit("workbench_run_finished", outcome=outcome)

    def _index_size(self) -> int:
        try:
            return self._index.stat().st_size
        except OSError:
            return 0

    def _emit(self, event: str, **arguments: Any) -> None:
        try:
            if self._host is None:
                self._host, self._facts = self._load()
            self._host.emit(event, run=self._facts, **arguments)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # plugins and their files are not ours
            append_event(self._run, "error", message=one_line(f"{event}: {type(error).__name__}: {error}"))

    def _load(self) -> tuple[Host, RunFacts]:
        # Loading plugins is only paid for by a run that has something to report.
        from workbench.api import RunFacts
        from workbench.config import workspace_from_dict
        from workbench.host import Host

        tables = tomllib.loads((self._run / SETTINGS).read_text(encoding="utf-8"))
        workspace = workspace_from_dict(tables, self._run / SETTINGS)
        facts = RunFacts(id=self._run.name, folder=self._run, workspace=workspace.file, settings=tables)
        return Host.load(workspace), facts


def die_with_parent() -> Callable[[], None]:
    """What a child runs before its program: it gets SIGTERM when this process dies, however it dies."""
    parent = os.getpid()
    # Loaded here, because between fork and exec a library can't safely be.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(128 + signal.SIGTERM)

    return arm


def last_line(log: Path) -> str:
    """The last line of a log that says something; empty when there is none."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LAST_LINES_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line for line in (one_line(line) for line in text.splitlines()) if line]
    return lines[-1] if lines else ""


def detach() -> Callable[[], None]:
    """Go on in a process of its own, whose parent is not the one that started us.

    The process that was started ends when the returned function is called, with exit code 0, or when we die before
    that, with exit code 2: whoever started it learns in one wait whether the run has begun.
    """
    heard, said = os.pipe()
    if os.fork():
        os.close(said)
        os._exit(0 if os.read(heard, 1) else 2)
    os.close(heard)

    def locked() -> None:
        os.write(said, b"1")
        os.close(said)

    return locked


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; exit code 2 for a run that can't be executed."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    detached = "--detach" in given
    runs = [item for item in given if item != "--detach"]
    if len(runs) != 1 or not (Path(runs[0]) / IDENTITY).is_file():
        sys.stderr.write("usage: python -m workbench.jobs.supervisor [--detach] RUN (a run directory)\n")
        return 2
    try:
        supervisor = Supervisor(Path(runs[0]).absolute())
        return supervisor.main(detach()) if detached else supervisor.main()
    except (WorkbenchError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
