"""Viewer, supervisor and step killed with SIGKILL: what must go on goes on, and what must be seen is seen."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workbench.jobs.rundir import ask_to_stop, read_status, write_json
from workbench.jobs.runs import read_run, still_busy
from workbench.jobs.start import wait

STEP = """
import signal, sys, time
from pathlib import Path
from workbench.jobs.rundir import stop_requested, write_status
run, asked = Path(sys.argv[1]), []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
(run / "up").touch()
step = 0
while not asked and not stop_requested(run):
    step += 1
    write_status(run, step=step)
    time.sleep(0.02)
time.sleep(float(sys.argv[2]))  # saves a checkpoint
(run / "saved").touch()
write_status(run, outcome="stopped")
"""

VIEWER = """
import sys, time
from pathlib import Path
from workbench.jobs.start import _launch
print(_launch(Path(sys.argv[1])).state, flush=True)
time.sleep(600)
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """A run whose step takes 0.5 s to save after it was asked to stop."""
    folder = tmp_path / "r"
    (folder / "logs").mkdir(parents=True)
    write_json(folder / "run.json", {"format": 1, "id": "r", "created": 1.0})
    argv = [sys.executable, "-c", STEP, str(folder), "0.5"]
    write_json(folder / "launch.json", {"steps": [{"name": "train", "argv": argv}]})
    yield folder
    ask_to_stop(folder)
    wait(folder, 20)


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def supervisor_of(run: Path) -> int:
    return int((run / "run.lock").read_text())


def launch(run: Path) -> None:
    subprocess.run([sys.executable, "-m", "workbench.jobs.supervisor", "--detach", str(run)], check=True)
    until((run / "up").exists, "the step runs")


def test_a_run_survives_sigkill_of_the_viewer_and_the_loss_of_its_terminal(run: Path) -> None:
    viewer, terminal = pty.fork()
    if viewer == 0:
        os.execv(sys.executable, [sys.executable, "-c", VIEWER, str(run)])
    assert b"running" in os.read(terminal, 1000)
    os.kill(viewer, signal.SIGKILL)
    os.waitpid(viewer, 0)
    os.close(terminal)  # the kernel sends SIGHUP to what is left on it
    until((run / "up").exists, "the step runs")
    before = read_status(run)["step"]
    until(lambda: read_status(run).get("step", 0) > before + 3, "the step goes on")
    # A later viewer attaches by reading the directory, and can stop the run.
    assert read_run(run).state == "running"
    ask_to_stop(run)
    assert wait(run, 20).state == "stopped"


def test_sigkill_of_the_supervisor_is_seen_and_the_trainer_saves_and_leaves(run: Path) -> None:
    launch(run)
    step = int(read_status(run)["pid"])
    os.kill(supervisor_of(run), signal.SIGKILL)
    until(lambda: not read_run(run).live, "the lock is free")
    assert read_run(run).state == "lost"
    assert still_busy(run), "the trainer is still saving, and no other may start"
    until((run / "saved").exists, "the trainer saved")
    until(lambda: not is_alive(step), "the trainer left")
    assert not still_busy(run)
    assert read_run(run).state == "lost"


def test_sigkill_of_the_trainer_is_a_failed_run_with_a_reason(run: Path) -> None:
    launch(run)
    os.kill(int(read_status(run)["pid"]), signal.SIGKILL)
    view = wait(run, 20)
    assert view.state == "failed"
    assert "SIGKILL" in view.message


def test_a_lost_run_can_be_launched_again(run: Path) -> None:
    launch(run)
    os.kill(supervisor_of(run), signal.SIGKILL)
    until(lambda: not still_busy(run), "everything has left")
    (run / "up").unlink()
    launch(run)
    assert read_run(run).state == "running"
