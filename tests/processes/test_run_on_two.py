"""A real run of the demo's recordings on two processes (gloo, CPU): trained, stopped, resumed, killed in part."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core_vits.checkpoint import EXTRAS_KEY, load_checkpoint
from workbench.config import Workspace, load_workspace
from workbench.host import Host
from workbench.jobs.rundir import read_json, read_lines
from workbench.jobs.runs import RunView, read_run, still_busy
from workbench.jobs.start import request_stop, resume_run, start_run, wait

CLIPS = 9

WORKSPACE = """
[voice]
name = "aelita"
language = "ru"
quality = "tiny"
[audio]
sample_rate = 16000
[training]
epochs = 100
batch_size = 2
validation_split = 0.25
test_clips = 1
log_every_steps = 1
validate_every_epochs = 100
checkpoint_every_epochs = 100
launcher = "ddp"
devices = 2
"""


@pytest.fixture
def workspace(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    demo = repo / "workbench" / "demo"
    rows = (demo / "metadata.csv").read_text(encoding="utf-8").splitlines()[:CLIPS]
    (tmp_path / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "wavs").mkdir()
    for row in rows:
        for recording in (demo / "wavs").glob(f"{Path(row.split('|')[0]).stem}.*"):
            shutil.copy(recording, tmp_path / "wavs")
    (tmp_path / "workbench.toml").write_text(WORKSPACE)
    return load_workspace(tmp_path)


def until(folder: Path, condition: Callable[[RunView], object], what: str) -> RunView:
    deadline = time.monotonic() + 100
    while not condition(view := read_run(folder)):
        assert still_busy(folder), f"the run has ended ({view.state}: {view.message}) before {what}"
        assert time.monotonic() < deadline, f"{what}: not within 100 s; {view.status}"
        time.sleep(0.1)
    return view


def trainers(folder: Path) -> list[int]:
    """Processes of the run's trainer, by their command line; the launcher is not among them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"workbench.train" in words and str(folder).encode() in words:
            found.append(int(path.parent.name))
    return sorted(found)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_processes_train_stop_at_the_same_step_go_on_and_complete(workspace: Workspace) -> None:
    host = Host.load(workspace)
    folder = start_run(workspace, host).folder
    until(folder, lambda view: view.status.step >= 3, "three steps were trained")
    assert len(trainers(folder)) == 2
    request_stop(folder)
    stopped = wait(folder, 60)
    assert (stopped.state, stopped.status.exit_code) == ("stopped", 0)
    assert trainers(folder) == []
    assert len(stopped.checkpoints) == 1
    saved = stopped.checkpoints[0]
    extras = load_checkpoint(saved.file)[EXTRAS_KEY]
    # 9 clips: 2 for validation, 1 to speak, 6 to train; 3 a process, 2 a batch.
    assert (extras["step"], extras["batches_per_epoch"]) == (saved.step, 2)
    assert len(extras["rng_of_others"]) == 1
    split = read_json(folder / "split.json")

    settings = (folder / "run.toml").read_text()
    (folder / "run.toml").write_text(settings.replace("max_steps = 0", f"max_steps = {saved.step + 2}"))
    resume_run(folder, host)
    completed = wait(folder, 100)
    assert (completed.state, completed.status.exit_code) == ("completed", 0)
    assert completed.checkpoints[-1].step == completed.status.step == saved.step + 2
    assert completed.status.val_mel is not None
    assert read_json(folder / "split.json") == split
    events = list(read_lines(folder / "events.jsonl"))
    assert [event for event in events if event["kind"] == "error"] == []
    assert sum(event["kind"] == "validation" for event in events) == 1  # one process writes
    assert sorted(path.name for path in (folder / "logs").iterdir()) == [
        "prepare.log", "supervisor.log", "train-rank-1.log", "train.log",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_when_one_of_two_is_killed_the_run_fails_with_that_reason_and_its_checkpoint_is_whole(
    workspace: Workspace,
) -> None:
    host = Host.load(workspace)
    folder = start_run(workspace, host, overrides={"training.checkpoint_every_epochs": 1}).folder
    first = until(folder, lambda view: view.checkpoints, "a checkpoint was saved").status.pid
    (second,) = set(trainers(folder)) - {first}
    os.kill(second, signal.SIGKILL)
    failed = wait(folder, 60)
    assert (failed.state, failed.status.exit_code) == ("failed", 128 + signal.SIGKILL)
    assert failed.message == "process 2 of 2 (rank 1) was killed by SIGKILL (out of memory?); the others were ended"
    assert trainers(folder) == []
    for checkpoint in failed.checkpoints:
        assert load_checkpoint(checkpoint.file)[EXTRAS_KEY]["step"] == checkpoint.step
    errors = [event["message"] for event in read_lines(folder / "events.jsonl") if event["kind"] == "error"]
    assert errors == []  # what the first process noticed is no reason
