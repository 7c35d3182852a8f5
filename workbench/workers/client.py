"""The client's side of a worker process. Standard library only: this is what the terminal workbench imports."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from workbench.errors import Cancelled, WorkbenchError, WorkerError
from workbench.workers import wire

POOLS = ("text", "audio", "torch")

Progress = Callable[[float, float, str], None]
"""Called with done, total and what is being done."""
Part = Callable[[Any], None]
"""Called with a piece of a long answer, as soon as it is there."""

_KEPT_LINES = 60
_LOG_LIMIT = 1_000_000
"""Bytes; a longer log starts anew with the next worker."""
_SECONDS_TO_LEAVE = 2.0
_NEVER_BEGAN = object()


def log_file(pool: str) -> Path:
    """Where workers of a pool leave what they print and their tracebacks."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "voice-workbench" / f"worker-{pool}.log"


class Worker:
    """One worker process, started when needed.

    Thread-safe: calls from several threads wait for one another; `cancel` and `close` never wait.
    """

    def __init__(self, pool: str, *, log: Path | None = None) -> None:
        """
        Args:
            pool: `text`, `audio` or `torch`.
            log: file that gets the worker's stderr; by default `log_file(pool)`.
        """
        if pool not in POOLS:
            raise ValueError(f"there is no worker pool {pool!r}; the pools are {', '.join(POOLS)}")
        self.pool = pool
        self.log = log_file(pool) if log is None else log
        self._turn = threading.Lock()
        """Held by the thread whose call runs."""
        self._guard = threading.Lock()
        """Held for moments, around the two fields below."""
        self._process: _Process | None = None
        self._calling = False
        self._cancelled = False
        self._number = 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process id; None when no worker runs."""
        process = self._process
        return process.popen.pid if process is not None and process.alive() else None

    def warm(self, module: str) -> None:
        """Start the process and let it import a module, for a call that comes soon; does not wait for it.

        Args:
            module: with what the call needs; whatever goes wrong with it, the call will say.
        """
        with contextlib.suppress(OSError, WorkerError, Cancelled):
            if self._turn.acquire(blocking=False):
                try:
                    with self._guard:
                        self._cancelled = False
                    self._begin().send(wire.encode({"warm": module}))
                finally:
                    self._turn.release()

    def call(
        self,
        target: str,
        *,
        timeout: float | None = None,
        on_progress: Progress | None = None,
        on_part: Part | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run `target` (`package.module:function`) in the worker and return its JSON value.

        Args:
            timeout: seconds after which the worker is killed; None waits for ever.
            on_progress: called on this thread; the target must take a parameter `progress`.
            on_part: called on this thread; the target must take a parameter `part`.
            kwargs: JSON values.

        Raises:
            WorkbenchError: the target raised one; same class, same message.
            Cancelled: `cancel` was called meanwhile.
            WorkerError: anything else went wrong in the worker, or it died. The traceback is a note of the error and
                in the log; the next call starts a new process.
        """
        with self._turn:
            self._number += 1
            request = wire.encode({"id": self._number, "target": target, "kwargs": kwargs})
            with self._guard:
                self._calling, self._cancelled = True, False
            deadline = None if timeout is None else time.monotonic() + timeout
            try:
                answer = self._ask(request, deadline, on_progress, on_part)
                # A worker that died while idle (the kernel's out-of-memory killer, say) never began the call.
                return self._ask(request, deadline, on_progress, on_part) if answer is _NEVER_BEGAN else answer
            except WorkbenchError:
                raise
            except BaseException:
                # Ctrl-C, or the listener of the progress failed: nobody waits for the answer any more.
                if self._process is not None:
                    self._process.kill()
                raise
            finally:
                with self._guard:
                    self._calling = False

    def cancel(self) -> None:
        """Kill the worker if a call runs in it; that call raises `Cancelled`. Nothing when it is idle."""
        with self._guard:
            if self._calling:
                self._cancelled = True
                if self._process is not None:
                    self._process.kill()

    def close(self) -> None:
        """End the process. A call that runs is cancelled; a later call starts a new process."""
        self.cancel()
        with self._guard:
            process, self._process = self._process, None
        if process is not None:
            process.leave()

    def _begin(self) -> _Process:
        with self._guard:
            if self._cancelled:
                raise self._cancellation()
            if self._process is not None and not self._process.alive():
                self._process.wait()
                self._process = None
            if self._process is None:
                self._process = _Process(self.pool, self.log)
            return self._process

    def _ask(self, request: bytes, deadline: float | None, on_progress: Progress | None, on_part: Part | None) -> Any:
        """Hand the request over and wait; `_NEVER_BEGAN` if the worker was dead before the call reached it."""
        process = self._begin()
        began = False
        with contextlib.suppress(BrokenPipeError):  # what follows finds the pipe's other end closed
            process.send(request)
        while True:
            try:
                line = process.receive(deadline)
            except TimeoutError:
                process.kill()
                raise WorkerError(
                    f"the {self.pool} worker did not answer in time and was ended; try again or raise the limit"
                ) from None
            if line is None:
                error = self._why_it_ended(process)
                if began or isinstance(error, Cancelled) or process.calls == 0:
                    raise error
                return _NEVER_BEGAN
            message = wire.decode(line)
            if "started" in message:
                began = True
                process.calls += 1
            elif "progress" in message:
                if on_progress is not None:
                    on_progress(*message["progress"])
            elif "part" in message:
                if on_part is not None:
                    on_part(message["part"])
            elif "error" in message:
                raise wire.error_from_message(message["error"])
            else:
                return message["result"]

    def _cancellation(self) -> Cancelled:
        return Cancelled(f"cancelled; the {self.pool} worker was ended")

    def _why_it_ended(self, process: _Process) -> WorkerError:
        code = process.wait()
        if self._cancelled:
            return self._cancellation()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        lines = process.last_lines()
        said = wire.last_words(lines)
        error = WorkerError(f"the {self.pool} worker died ({how}){': ' + said if said else ''}; log: {self.log}")
        error.add_note("\n".join(lines))
        return error


class _Process:
    """A running worker with its pipes."""

    def __init__(self, pool: str, log: Path) -> None:
        # -P: the folder the user stands in is data; a torch.py in it must not be imported.
        # Its own session: Ctrl-C reaches the client only, which then decides about the call.
        self.popen = subprocess.Popen(
            [sys.executable, "-P", "-m", "workbench.workers.main", pool],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            # Threads that wait by spinning starve a training on the same cores; NumPy's matrices are small here.
            env={
                "OMP_WAIT_POLICY": "PASSIVE",
                "OPENBLAS_NUM_THREADS": "1",
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                "PYTHONIOENCODING": "utf-8:backslashreplace",
            },
        )
        self._requests, self._answers, errors = self.popen.stdin, self.popen.stdout, self.popen.stderr
        if self._requests is None or self._answers is None or errors is None:
            raise WorkerError(f"the {pool} worker has no pipes")
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._answers, selectors.EVENT_READ)
        self._received = bytearray()
        self._doomed = False
        self.calls = 0
        """Calls that it began."""
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._drain = threading.Thread(target=self._keep_errors, args=(errors, log), daemon=True, name=f"{pool}-stderr")
        self._drain.start()

    def alive(self) -> bool:
        # A process that was sent SIGKILL still looks alive for a moment; a call must not be handed to it.
        return not self._doomed and self.popen.poll() is None

    def send(self, line: bytes) -> None:
        """
        Raises:
            BrokenPipeError: the worker is gone.
        """
        view = memoryview(line)
        try:
            while view:
                view = view[self._requests.write(view) :]  # type: ignore[union-attr]
        except ValueError:  # closed by `leave` on another thread
            raise BrokenPipeError from None

    def receive(self, deadline: float | None) -> bytes | None:
        """The next line; None when the worker is gone.

        Raises:
            TimeoutError: the deadline (monotonic seconds) passed.
        """
        looked_at = 0
        while True:
            end = self._received.find(b"\n", looked_at)
            looked_at = len(self._received)
            if end >= 0:
                line = bytes(self._received[:end])
                del self._received[: end + 1]
                return line
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and (left <= 0 or not self._selector.select(left)):
                raise TimeoutError
            try:
                chunk = self._answers.read(65_536)  # type: ignore[union-attr]
            except ValueError:  # closed by `leave` on another thread
                return None
            if not chunk:
                return None
            self._received += chunk

    def wait(self) -> int:
        code = self.popen.wait()
        self._close()
        return code

    def kill(self) -> None:
        self._doomed = True
        self.popen.kill()

    def leave(self) -> None:
        """Close the wire, which ends the worker; kill it if it does not go."""
        self._requests.close()  # type: ignore[union-attr]
        try:
            self.popen.wait(_SECONDS_TO_LEAVE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
        self.wait()

    def last_lines(self) -> list[str]:
        """What it printed last, oldest first."""
        return list(self._lines)

    def _close(self) -> None:
        # The pipe of stderr may be held open by a grandchild, so do not wait for ever.
        self._drain.join(0.5)
        self._selector.close()
        for pipe in (self._requests, self._answers):
            pipe.close()  # type: ignore[union-attr]

    def _keep_errors(self, errors: IO[bytes], log: Path) -> None:
        """Keep the last lines, and all of them in the log; a log that can't be written costs nothing else."""
        file: IO[bytes] | None = None
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            full = log.exists() and log.stat().st_size > _LOG_LIMIT
            file = log.open("wb" if full else "ab", buffering=0)
        except OSError:
            file = None
        with errors:
            for line in errors:
                self._lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                if file is not None:
                    try:
                        file.write(line)
                    except OSError:
                        file.close()
                        file = None
        if file is not None:
            file.close()
