"""Several processes of one run: who is blamed, who is told, and that none stays behind. The trainers are stand-ins."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TRAINER = """
import json, os, signal, sys, time
from pathlib import Path
rank, folder = int(os.environ["RANK"]), Path(sys.argv[1])
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))

def note(message):
    Path(os.environ["TORCHELASTIC_ERROR_FILE"]).write_text(json.dumps({"message": {"message": message}}))

def wait_for(condition):
    while not condition():
        time.sleep(0.01)

def all_up():
    return len(list(folder.glob("up-*"))) == int(os.environ["WORLD_SIZE"])

(folder / f"pid-{rank}").write_text(str(os.getpid()))
(folder / f"up-{rank}").touch()
wait_for(all_up)
print(f"rank {rank} is up", flush=True)
"""

PARENT = """
import sys
from pathlib import Path
from workbench_ddp import processes
processes.SETTLE_SECONDS = processes.GRACE_SECONDS = 0.5
script, count, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
(folder / "logs").mkdir()
(folder / "meet").mkdir()
command = [sys.executable, "-c", script, str(folder)]
sys.exit(processes.Processes(command, count, folder / "logs", folder / "meet").run())
"""

STAYS = "wait_for(lambda: asked); (folder / f'left-{rank}').touch()"


class Run:
    """A launcher with its processes."""

    def __init__(self, folder: Path, body: str, count: int = 2, fd: int | None = None) -> None:
        self.folder = folder
        command = [sys.executable, "-c", PARENT, TRAINER + body, str(count), str(folder)]
        passed = () if fd is None else (fd,)
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=passed
        )

    def up(self, count: int = 2) -> list[int]:
        until(lambda: len(list(self.folder.glob("up-*"))) == count, "all are up")
        return [int((self.folder / f"pid-{rank}").read_text()) for rank in range(count)]

    def end(self) -> tuple[int, str]:
        """Exit code, and the last line that was printed."""
        _, errors = self.process.communicate(timeout=40)
        return self.process.returncode, errors.splitlines()[-1] if errors else ""


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def make(body: str, count: int = 2, fd: int | None = None) -> Run:
        runs.append(Run(tmp_path, body, count, fd))
        return runs[-1]

    yield make
    for run in runs:
        for path in tmp_path.glob("pid-*"):
            if is_alive(int(path.read_text())):
                os.kill(int(path.read_text()), signal.SIGKILL)
        run.process.kill()
        run.process.communicate()


def test_all_that_end_well_are_a_run_that_ended_well(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start("sys.exit(0)", count=3)
    assert run.end() == (0, "")
    assert (tmp_path / "logs" / "train-rank-2.log").read_text() == "rank 2 is up\n"
    assert not (tmp_path / "logs" / "train-rank-0.log").exists()


def test_each_has_its_number_and_they_meet_at_one_place(start: Callable[..., Run], tmp_path: Path) -> None:
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "VOICE_WORKBENCH_MEETING")
    run = start(f"(folder / f'env-{{rank}}').write_text(json.dumps([os.environ[name] for name in {names}]))")
    assert run.end()[0] == 0
    first, second = (json.loads((tmp_path / f"env-{rank}").read_text()) for rank in (0, 1))
    assert first == ["0", "0", "2", "2", str(tmp_path / "meet" / "meeting")]
    assert second == ["1", "1", *first[2:]]


def test_a_signal_to_stop_is_passed_on_and_ends_well(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start(STAYS)
    run.up()
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == (0, "")
    assert (tmp_path / "left-0").exists()
    assert (tmp_path / "left-1").exists()


def test_a_killed_process_is_named_and_the_others_are_ended(start: Callable[..., Run]) -> None:
    run = start("if rank == 0: wait_for(lambda: False)\n" + STAYS)
    pids = run.up()
    os.kill(pids[1], signal.SIGKILL)
    code, line = run.end()
    assert line == "process 2 of 2 (rank 1) was killed by SIGKILL (out of memory?); the others were ended"
    assert code == 128 + signal.SIGKILL
    assert not any(is_alive(pid) for pid in pids)


def test_the_cause_is_told_and_not_what_it_led_to(start: Callable[..., Run]) -> None:
    """The first one notices that the second is gone and says so, before anybody has looked at either."""
    body = """
if rank == 1:
    note("the GPU's memory is full")
    sys.exit(2)
time.sleep(0.05)
sys.exit(3)
"""
    assert start(body).end() == (2, "process 2 of 2 (rank 1): the GPU's memory is full")


def test_a_kill_is_the_cause_also_where_another_one_left_a_note_first(
    start: Callable[..., Run],
) -> None:
    body = """
if rank == 1:
    os.kill(os.getpid(), signal.SIGSEGV)
note("something strange happened")
sys.exit(1)
"""
    code, line = start(body).end()
    assert line.startswith("process 2 of 2 (rank 1) was killed by SIGSEGV")
    assert code == 128 + signal.SIGSEGV


def test_one_that_says_nothing_is_named_with_its_log(start: Callable[..., Run]) -> None:
    assert start("sys.exit(5 if rank else 3)").end() == (
        5,
        "process 2 of 2 (rank 1): ended with exit code 5; see logs/train-rank-1.log",
    )


def test_when_the_launcher_is_killed_the_processes_are_told_to_leave(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start(STAYS)
    pids = run.up()
    run.process.kill()
    run.process.wait()
    until(lambda: not any(is_alive(pid) for pid in pids), "both left")
    assert (tmp_path / "left-0").exists()
    assert (tmp_path / "left-1").exists()


def test_a_lock_that_was_handed_down_is_held_until_the_last_one_has_left(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    handle = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    run = start("wait_for(lambda: asked and (folder / 'go').exists())", fd=handle)
    pids = run.up()
    os.close(handle)
    run.process.kill()
    run.process.wait()
    other = os.open(tmp_path / "lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    (tmp_path / "go").touch()
    until(lambda: not any(is_alive(pid) for pid in pids), "both left")
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)


@pytest.mark.parametrize("arguments", [[], ["2"], ["0", "run"], ["x", "run"], ["1", "2", "3"]])
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    from workbench_ddp.processes import main

    assert main(arguments) == 2
