"""A real run of the demo's recordings: prepared, trained, orphaned, resumed, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core_vits.checkpoint import EXTRAS_KEY, load_checkpoint
from workbench.config import load_workspace
from workbench.host import Host
from workbench.jobs.rundir import read_json, read_lines, read_status
from workbench.jobs.runs import RunView, read_run, still_busy
from workbench.jobs.start import request_stop, resume_run, start_run, wait

CLIPS = 8

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
test_clips = 1
log_every_steps = 1
checkpoint_every_epochs = 100
"""


def until(folder: Path, condition: Callable[[RunView], object], what: str) -> RunView:
    deadline = time.monotonic() + 90
    while not condition(view := read_run(folder)):
        assert still_busy(folder), f"the run has ended ({view.state}: {view.message}) before {what}"
        assert time.monotonic() < deadline, f"{what}: not within 90 s; {view.status}"
        time.sleep(0.1)
    return view


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_run_outlives_its_supervisor_long_enough_to_save_and_goes_on_where_it_was(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    demo = repo / "workbench" / "demo"
    rows = (demo / "metadata.csv").read_text(encoding="utf-8").splitlines()[:CLIPS]
    (tmp_path / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "wavs").mkdir()
    for row in rows:
        for recording in (demo / "wavs").glob(f"{Path(row.split('|')[0]).stem}.*"):
            shutil.copy(recording, tmp_path / "wavs")
    (tmp_path / "workbench.toml").write_text(WORKSPACE)
    workspace = load_workspace(tmp_path)
    host = Host.load(workspace)

    folder = start_run(workspace, host).folder
    until(folder, lambda view: view.status.step >= 2, "two steps were trained")
    split = read_json(folder / "split.json")
    os.kill(int((folder / "run.lock").read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while still_busy(folder):
        assert time.monotonic() < deadline, "the trainer did not leave"
        time.sleep(0.05)
    lost = read_run(folder)
    assert lost.state == "lost"
    assert len(lost.checkpoints) == 1
    saved = lost.checkpoints[0]
    assert saved.step >= 2
    extras = load_checkpoint(saved.file)[EXTRAS_KEY]
    assert extras["step"] == saved.step

    resume_run(folder, host)
    until(folder, lambda view: view.status.step > saved.step, "the resumed run trained a step")
    request_stop(folder)
    stopped = wait(folder, 60)
    assert (stopped.state, stopped.status.exit_code) == ("stopped", 0)
    assert stopped.checkpoints[-1].step > saved.step
    assert read_json(folder / "split.json") == split
    assert not (folder / "stop.request").exists()
    assert read_status(folder)["losses"]["mel"] > 0
    kinds = [event["kind"] for event in read_lines(folder / "events.jsonl")]
    assert "resumed" in kinds
    assert "error" not in kinds
