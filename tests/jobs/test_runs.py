"""Runs as viewers see them, in every condition that a directory can be in."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.jobs.rundir import FileLock, append_line, write_json, write_status
from workbench.jobs.runs import list_runs, read_run, still_busy


def make(folder: Path, **status: object) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    write_json(folder / "run.json", {"format": 1, "id": folder.name, "created": 100.0, "voice": "v"})
    if status:
        write_status(folder, **status)
    return folder


def checkpoint(
    run: Path, name: str, *, val_mel: float | None = None, noted: bool = True, size: int = 10, **more: object
) -> None:
    path = run / "checkpoints" / name
    path.write_bytes(b"x" * size)
    if noted:
        append_line(
            path.parent / "index.jsonl", {"file": name, "time": 5.0, "val_mel": val_mel, "kind": "epoch", **more}
        )


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[FileLock]:
    run = make(tmp_path / "r", state="running", phase="train")
    held = FileLock(run / "run.lock")
    held.acquire()
    yield held
    held.release()


def test_a_run_whose_lock_is_held_is_running(lock: FileLock) -> None:
    run = read_run(lock.path.parent)
    assert (run.live, run.state, run.status.phase) == (True, "running", "train")


def test_a_running_status_without_a_lock_is_a_lost_run(lock: FileLock) -> None:
    lock.release()
    run = read_run(lock.path.parent)
    assert (run.live, run.state) == (False, "lost")
    assert "resume" in run.message


def test_a_trainer_that_outlives_its_supervisor_keeps_the_run_busy(lock: FileLock) -> None:
    folder = lock.path.parent
    lock.release()
    assert not still_busy(folder)
    step = FileLock(folder / "step.lock")
    step.acquire()
    assert still_busy(folder)
    assert not read_run(folder).live
    step.release()


@pytest.mark.parametrize("state", ["completed", "stopped", "failed"])
def test_final_states_are_shown_as_they_are(tmp_path: Path, state: str) -> None:
    run = read_run(make(tmp_path / "r", state=state, message="why"))
    assert (run.state, run.message) == (state, "why")


def test_a_run_of_another_host_lives_by_its_heartbeat(tmp_path: Path) -> None:
    folder = make(tmp_path / "r", state="running")
    data = json.loads((folder / "status.json").read_text())
    write_json(folder / "status.json", {**data, "host": "elsewhere", "updated": time.time() - 5})
    assert read_run(folder).state == "running"
    write_json(folder / "status.json", {**data, "host": "elsewhere", "updated": time.time() - 500})
    assert read_run(folder).state == "lost"
    assert socket.gethostname() != "elsewhere"


def test_a_run_that_has_not_begun_is_new(tmp_path: Path) -> None:
    assert read_run(make(tmp_path / "r")).state == "new"


def test_a_status_of_wrong_types_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    folder = make(tmp_path / "r", state="stopped", epoch="three", losses=[1], val_mel=None, step=7, message=5)
    status = read_run(folder).status
    assert (status.epoch, dict(status.losses), status.step, status.message) == (0, {}, 7, "")
    assert status["step"] == status.get("step") == 7


@pytest.mark.parametrize("name", ["run.json", "status.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b"null"])
def test_damaged_files_are_a_state_and_not_an_exception(tmp_path: Path, name: str, content: bytes) -> None:
    folder = make(tmp_path / "r", state="completed")
    (folder / name).write_bytes(content)
    run = read_run(folder)
    assert run.state == "unreadable"
    assert name in run.message
    assert "\n" not in run.message


def test_random_damage_never_raises(tmp_path: Path) -> None:
    folder = make(tmp_path / "r", state="running", epoch=3, losses={"mel": 1.0})
    checkpoint(folder, "epoch=0-step=2.ckpt", val_mel=1.0)
    files = [folder / "run.json", folder / "status.json", folder / "checkpoints" / "index.jsonl"]
    originals = [path.read_bytes() for path in files]
    choose = random.Random(3)
    for _ in range(300):
        for path, original in zip(files, originals, strict=True):
            damaged = bytearray(original)
            for _ in range(choose.randint(0, 5)):
                damaged[choose.randrange(len(damaged))] = choose.randrange(256)
            path.write_bytes(damaged[: choose.randrange(len(damaged) + 1)] if choose.random() < 0.3 else damaged)
        assert len(read_run(folder).checkpoints) == 1


def test_checkpoints_are_listed_oldest_first_and_the_best_is_marked(tmp_path: Path) -> None:
    folder = make(tmp_path / "r")
    checkpoint(folder, "epoch=9-step=200.ckpt", val_mel=2.0)
    checkpoint(folder, "epoch=2-step=60.ckpt", val_mel=1.5)
    checkpoint(folder, "epoch=10-step=220.ckpt", noted=False, size=33)
    (folder / "checkpoints" / ".ckpt-1-ab.tmp").touch()
    (folder / "checkpoints" / "notes.txt").touch()
    views = read_run(folder).checkpoints
    assert [view.optimizer_step for view in views] == [60, 200, 220]
    assert [view.best for view in views] == [True, False, False]
    assert (views[2].step, views[2].bytes, views[2].val_mel) == (110, 33, None)
    best = read_run(folder).best
    assert best is not None
    assert best.epoch == 2


def test_the_best_is_chosen_of_validations_over_the_same_clips(tmp_path: Path) -> None:
    folder = make(tmp_path / "r")
    whole, part = ({"val_over": over, "val_clips": clips, "val_clips_of": 9} for over, clips in (("a", 9), ("b", 8)))
    checkpoint(folder, "epoch=0-step=2.ckpt", val_mel=2.0, **whole)
    checkpoint(folder, "epoch=1-step=4.ckpt", val_mel=2.1, **whole)
    checkpoint(folder, "epoch=2-step=6.ckpt", val_mel=1.0, **part)
    views = read_run(folder).checkpoints
    assert [view.best for view in views] == [True, False, False]
    assert (views[2].score.clips, views[2].score.complete) == (8, False)
    checkpoint(folder, "epoch=3-step=8.ckpt", val_mel=1.1, **part)
    assert [view.best for view in read_run(folder).checkpoints] == [False, False, True, False]


def test_a_checkpoint_that_was_removed_is_not_listed(tmp_path: Path) -> None:
    folder = make(tmp_path / "r")
    checkpoint(folder, "epoch=0-step=2.ckpt", val_mel=1.0)
    (folder / "checkpoints" / "epoch=0-step=2.ckpt").unlink()
    append_line(folder / "checkpoints" / "index.jsonl", {"file": "epoch=0-step=2.ckpt", "removed": True, "time": 6.0})
    assert read_run(folder).checkpoints == ()


def test_runs_are_listed_newest_first_and_other_folders_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path / "b")
    make(tmp_path / "a")
    write_json(tmp_path / "a" / "run.json", {"format": 1, "created": 200.0})
    (tmp_path / "notes").mkdir()
    (tmp_path / ".hidden").mkdir()
    assert [run.id for run in list_runs(tmp_path)] == ["a", "b"]
    assert list_runs(tmp_path / "none") == []


def test_a_run_of_a_newer_format_is_shown_with_a_remark(tmp_path: Path) -> None:
    folder = make(tmp_path / "r", state="completed")
    write_json(folder / "run.json", {"format": 2, "created": 1.0})
    assert "another version" in read_run(folder).message
