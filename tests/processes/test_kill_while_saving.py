"""SIGKILL in the middle of saving a checkpoint, many times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

KILLS = 60

NURSERY = """
# Imports torch once, then forks a saver for each kill: sixty imports would take minutes.
import os, random, signal, sys, time
from pathlib import Path
import torch
from core_vits.checkpoint import load_checkpoint
from core_vits.scores import Score
from core_vits.train.keeper import CheckpointKeeper
from core_vits.train.settings import Position

torch.set_num_threads(1)
folder, kills = Path(sys.argv[1]), int(sys.argv[2])
choose = random.Random(1)


def save_for_ever(first, acknowledged):
    keeper = CheckpointKeeper(folder, keep_best=0, keep_last=2)
    os.write(acknowledged, b"ready\\n")
    step = first
    while True:
        step += 1
        payload = {"state_dict": {"w": torch.full((250_000,), float(step))}, "step": step}
        keeper.save(payload, Position(epoch=step, step=step), "epoch", Score())
        os.write(acknowledged, b"%d\\n" % step)


def newest():
    found = CheckpointKeeper(folder, keep_best=0, keep_last=2).newest(lambda line: problems.append(line))
    return (found[0], int(found[1]["step"]), found[1]) if found else (None, 0, None)


problems, torn, step = [], 0, 0
for number in range(kills):
    heard, said = os.pipe()
    child = os.fork()
    if child == 0:
        save_for_ever(step, said)
    os.close(said)
    log = b""
    while b"ready" not in log:
        log += os.read(heard, 4096)
    time.sleep(choose.uniform(0.0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while chunk := os.read(heard, 4096):
        log += chunk
    os.close(heard)
    torn += any(folder.glob(".ckpt-*.tmp"))
    done = [int(line) for line in log.split() if line.isdigit()]
    acknowledged = max(done, default=step)
    path, step, payload = newest()
    assert not problems, problems
    assert step >= acknowledged, f"kill {number}: {acknowledged} was acknowledged, {step} is the newest"
    if payload is not None:
        assert bool((payload["state_dict"]["w"] == float(step)).all())
    assert not list(folder.glob(".ckpt-*.tmp")), "a new start leaves no temporary file"
keeper = CheckpointKeeper(folder, keep_best=0, keep_last=2)
keeper.save(payload, Position(epoch=step + 1, step=step + 1), "epoch", Score())
assert len(list(folder.glob("*.ckpt"))) == 2, "the first save that is left alone removes all that was left behind"
print(f"{kills} kills, {torn} of them in the middle of a file, {step} saved")
"""


def test_the_newest_checkpoint_is_whole_however_often_the_saver_is_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NURSERY, str(tmp_path), str(KILLS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    _, words = done.stdout.split(" kills, ")
    assert int(words.split()[0]) > 0, f"no kill hit a save, so nothing was tested: {done.stdout}"
