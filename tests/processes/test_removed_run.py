"""A run whose directory is removed while its trainer computes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.jobs.rundir import write_json

TRAINER = """
import sys, time
from pathlib import Path
from workbench.train import __main__ as trainer
run = Path(sys.argv[1])

def train(run, stop):
    (run / "up").touch()
    while not run.with_name("go").exists():  # the step during which everything happens
        time.sleep(0.02)
    while not stop():
        time.sleep(0.02)
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    return "stopped"

trainer.train = train
sys.exit(trainer.main([str(run)]))
"""


@pytest.mark.parametrize("signalled", [False, True])
def test_the_trainer_notices_says_so_and_makes_nothing_again(tmp_path: Path, signalled: bool) -> None:
    run = tmp_path / "r"
    run.mkdir()
    write_json(run / "run.json", {"format": 1})
    command = [sys.executable, "-c", TRAINER, str(run)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as trainer:
        deadline = time.monotonic() + 30
        while not (run / "up").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        shutil.rmtree(run)
        if signalled:
            os.kill(trainer.pid, signal.SIGTERM)
        (tmp_path / "go").touch()
        said = trainer.communicate(timeout=30)[1]
    assert trainer.returncode == 2
    assert said == "r: the run's directory was removed, so nothing can be saved; the run ends. Start a new run\n"
    assert not run.exists()
