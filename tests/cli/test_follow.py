"""What is printed while a run is followed."""

from __future__ import annotations

import io
from pathlib import Path

from workbench.cli.follow import _Told
from workbench.cli.output import Console
from workbench.jobs.rundir import append_event
from workbench.jobs.runs import RunStatus, RunView


def running(folder: Path, epoch: int, message: str = "", pid: int = 1) -> RunView:
    status = RunStatus(phase="train", state="running", epoch=epoch, epochs=3, message=message, pid=pid)
    return RunView(id=folder.name, folder=folder, status=status, live=True, state="running", message=message)


def test_a_problem_of_a_run_that_goes_on_is_told_once_when_it_comes(tmp_path: Path) -> None:
    out = io.StringIO()
    told = _Told(Console(as_json=False, out=out), records=False)
    told.look(running(tmp_path, 0))
    for epoch in (1, 2):
        told.look(running(tmp_path, epoch, "the disk is full"))
    assert out.getvalue().splitlines() == [
        "train  epoch 1/3",
        "train  epoch 2/3",
        "note: the disk is full",
        "train  epoch 3/3",
    ]


def test_a_line_that_says_nothing_new_is_not_printed_again(tmp_path: Path) -> None:
    out = io.StringIO()
    told = _Told(Console(as_json=False, out=out), records=False)
    told.look(running(tmp_path, 0))
    told._printed = 0.0
    told.look(running(tmp_path, 0, pid=7))
    assert out.getvalue().splitlines() == ["train  epoch 1/3"]


def test_rows_that_are_not_trained_are_told_once_when_training_begins(tmp_path: Path) -> None:
    out = io.StringIO()
    told = _Told(Console(as_json=False, out=out), records=False)
    append_event(tmp_path, "prepare_done", trained=40, dropped=0, made=40)
    append_event(tmp_path, "prepare_done", trained=39, dropped=1, made=0)
    for epoch in (0, 1):
        told.look(running(tmp_path, epoch))
    assert out.getvalue().splitlines() == [
        "note: 1 row is not trained; `workbench health` says which and why",
        "train  epoch 1/3",
        "train  epoch 2/3",
    ]
