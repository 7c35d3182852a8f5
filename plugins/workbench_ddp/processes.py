"""Several processes of one run on this machine: `python -m workbench_ddp.processes COUNT RUN`.

It starts `python -m workbench.train RUN` COUNT times with torchrun's environment, and ends as they do. torchrun itself
is not used: told to stop by a signal it ends with an error although every process saved and left, a SIGKILL of it
leaves the processes running, and it takes torch's seconds and memory to start. The trainer runs under either.

* SIGTERM is passed on, and the exit code is 0 when all processes leave in order.
* When one fails, the others are ended, and the last line printed says which one failed and why.
* When this process is killed, the kernel tells the others to save and leave.

Standard library only, one thread.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

LOOK_SECONDS = 0.1
"""How often the processes are looked at."""
SETTLE_SECONDS = 3.0
"""After one failed, how long the others may take to notice by themselves."""
GRACE_SECONDS = 7.0
"""After SIGTERM, how long a process that can't go on may take; it may wait inside a library that hears no signals."""
PEER_LOST = 3
"""Exit code of a process that ends because another one has; it is never the reason."""

_PR_SET_PDEATHSIG = 1
_MEETING = "VOICE_WORKBENCH_MEETING"
_FAILURE_NOTE = "TORCHELASTIC_ERROR_FILE"


@dataclass(frozen=True)
class Ended:
    """A process that did not end well."""

    rank: int
    code: int
    """As `subprocess` has it: negative for a signal."""
    note: str
    """Why, in its own words; empty when it left none."""
    time: float
    """Of the note, Unix seconds; infinite when there is none."""

    @property
    def order(self) -> tuple[int, float]:
        """Sorts what was a cause before what was its effect."""
        if self.code < 0:
            return 0, 0.0  # a signal that did not come from us needs no other explanation
        return (2 if self.code == PEER_LOST else 1), self.time


class Processes:
    """The processes of one run."""

    def __init__(self, command: Sequence[str], count: int, logs: Path, folder: Path) -> None:
        """
        Args:
            command: of each process.
            count: how many.
            logs: folder for what all but the first print; the first one prints where we do.
            folder: empty, for the file they meet by and their last words.
        """
        self._command = list(command)
        self._count = count
        self._logs = logs
        self._folder = folder
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._codes: dict[int, int] = {}
        self._ended_by_us: set[int] = set()
        self._asked_to_stop = False

    def run(self) -> int:
        """Start them, wait for them, and return the exit code of the run."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._start()
        while self._running and not any(self._codes.values()):
            self._look()
        if not any(self._codes.values()):
            return 0
        self._end_others()
        cause = min(self._failed(), key=lambda ended: ended.order)
        sys.stderr.write(f"{self._why(cause)}\n")
        return cause.code if cause.code > 0 else 128 - cause.code

    def _start(self) -> None:
        inherited = _inherited()
        for rank in range(self._count):
            log = self._log(rank)
            try:
                self._running[rank] = subprocess.Popen(
                    self._command,
                    env={**os.environ, **environment(rank, self._count, self._folder)},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT if log is not None else None,
                    # Whoever holds our lock as long as we live holds it as long as one of them does.
                    pass_fds=inherited,
                    preexec_fn=_die_with_parent(),
                )
            finally:
                if log is not None:
                    os.close(log)
        if self._asked_to_stop:  # meanwhile
            self._tell(signal.SIGTERM)

    def _log(self, rank: int) -> int | None:
        if rank == 0:
            return None
        path = self._logs / f"train-rank-{rank}.log"
        try:
            return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:  # the run was removed, or the disk is full
            return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_stop = True
        self._tell(signal.SIGTERM)

    def _tell(self, number: signal.Signals) -> None:
        for process in self._running.values():
            process.send_signal(number)

    def _look(self) -> None:
        """Note who has ended."""
        ended = {rank: code for rank, process in self._running.items() if (code := process.poll()) is not None}
        self._codes.update(ended)
        for rank in ended:
            del self._running[rank]
        if not ended:
            time.sleep(LOOK_SECONDS)

    def _end_others(self) -> None:
        """After a failure: let the others notice, then tell them, then end them."""
        for number, seconds in ((None, SETTLE_SECONDS), (signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, None)):
            if number is not None:
                self._ended_by_us.update(self._running)
                self._tell(number)
            deadline = None if seconds is None else time.monotonic() + seconds
            while self._running and (deadline is None or time.monotonic() < deadline):
                self._look()

    def _failed(self) -> list[Ended]:
        """Those that failed by themselves."""
        failed = []
        for rank, code in self._codes.items():
            if code != 0 and not (rank in self._ended_by_us and code < 0):
                note, noted = _note(self._folder / f"failure-{rank}.json")
                failed.append(Ended(rank, code, note, noted))
        return failed

    def _why(self, cause: Ended) -> str:
        """One line on why the run failed."""
        who = f"process {cause.rank + 1} of {self._count} (rank {cause.rank})"
        if cause.code < 0:
            number = -cause.code
            name = signal.Signals(number).name if number in {item.value for item in signal.Signals} else str(number)
            hint = " (out of memory?)" if number == signal.SIGKILL else ""
            return f"{who} was killed by {name}{hint}; the others were ended"
        log = "train.log" if cause.rank == 0 else f"train-rank-{cause.rank}.log"
        return f"{who}: {cause.note or f'ended with exit code {cause.code}; see logs/{log}'}"


def environment(rank: int, count: int, folder: Path) -> Mapping[str, str]:
    """What a process must know: torchrun's names, and the file that all of them meet by."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "GROUP_RANK": "0",
        _MEETING: str(folder / "meeting"),
        _FAILURE_NOTE: str(folder / f"failure-{rank}.json"),
        # All are on this machine; a name of it that no resolver knows must not matter.
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"),
    }


def _note(path: Path) -> tuple[str, float]:
    """Message and time of a process's last words, in torchrun's form."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))["message"]
        return str(about["message"]), path.stat().st_mtime
    except (OSError, ValueError, KeyError, TypeError):
        return "", float("inf")


def _inherited() -> tuple[int, ...]:
    """Open files that were handed to us."""
    numbers = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    found = []
    for number in numbers:
        try:
            if number > 2 and os.get_inheritable(number):
                found.append(number)
        except OSError:  # the one that listed them
            continue
    return tuple(found)


def _die_with_parent() -> Callable[[], None]:
    """What a process runs before its program: it gets SIGTERM when we die, however that happens."""
    parent = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # loaded here: between fork and exec a library can't safely be

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGTERM)

    return arm


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) != 2 or not given[0].isdigit() or int(given[0]) < 1:
        sys.stderr.write("usage: python -m workbench_ddp.processes COUNT RUN (a run directory)\n")
        return 2
    run = Path(given[1])
    with tempfile.TemporaryDirectory(prefix="voice-workbench-") as folder:
        command = [sys.executable, "-m", "workbench.train", str(run)]
        return Processes(command, int(given[0]), run / "logs", Path(folder)).run()


if __name__ == "__main__":
    sys.exit(main())
