"""Files of a run directory: whole or not at all, and never an exception out of a report."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from workbench.errors import RunActiveError
from workbench.jobs import rundir
from workbench.jobs.rundir import (
    MESSAGE_LIMIT,
    FileLock,
    StatusWriter,
    append_event,
    append_line,
    ask_to_stop,
    clear_stop,
    is_held,
    read_lines,
    read_status,
    stop_requested,
    write_json,
    write_status,
)


def test_status_changes_add_up_and_say_when_and_where(tmp_path: Path) -> None:
    assert write_status(tmp_path, phase="train", step=1)
    assert write_status(tmp_path, step=2)
    status = read_status(tmp_path)
    assert (status["phase"], status["step"], status["format"]) == ("train", 2, 1)
    assert status["updated"] > 0
    assert status["host"]


def test_a_damaged_status_is_replaced_by_a_good_one(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"phase": "tr')
    assert read_status(tmp_path) == {}
    assert write_status(tmp_path, phase="train")
    assert read_status(tmp_path)["phase"] == "train"


def test_numbers_that_json_does_not_have_become_null(tmp_path: Path) -> None:
    write_status(tmp_path, losses={"mel": math.nan, "kl": 1.5}, eta_seconds=math.inf)
    raw = json.loads((tmp_path / "status.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert raw["losses"] == {"mel": None, "kl": 1.5}
    assert raw["eta_seconds"] is None


def test_a_message_is_one_line_without_control_characters(tmp_path: Path) -> None:
    write_status(tmp_path, message="bad\x1b]0;title\x07\nfile \u202eevil " + "x" * 1000)
    message = read_status(tmp_path)["message"]
    assert message.startswith("bad ]0;title file evil x")
    assert len(message) == MESSAGE_LIMIT


def test_a_refusing_disk_does_not_raise_out_of_a_report(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert write_status(gone, phase="train") is False
    assert append_event(gone, "epoch") is False


def test_a_failed_replacement_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(tmp_path / "a.json", {"x": 1})

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_json(tmp_path / "a.json", {"x": 2})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_events_after_a_torn_line_are_read(tmp_path: Path) -> None:
    append_event(tmp_path, "started")
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"time": 1, "kind": "epo')
    append_event(tmp_path, "finished", state="completed")
    assert [event["kind"] for event in read_lines(tmp_path / "events.jsonl")] == ["started", "finished"]


@pytest.mark.parametrize("before", ["", "a longer message than the one that comes now, and then some"])
def test_a_full_disk_cannot_keep_a_run_from_saying_that_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    write_status(tmp_path, state="running", message=before)
    monkeypatch.setattr(rundir, "write_json", full_disk)
    assert write_status(tmp_path, state="failed", message="the disk is full")
    assert (read_status(tmp_path)["state"], read_status(tmp_path)["message"]) == ("failed", "the disk is full")
    assert not write_status(tmp_path, note="x" * 100_000), "this needs new blocks"
    assert read_status(tmp_path)["message"] == "the disk is full"


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_many_threads_append_whole_lines(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for index in range(50):
            append_line(tmp_path / "a.jsonl", {"writer": number, "index": index, "text": "ж" * 200})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = list(read_lines(tmp_path / "a.jsonl"))
    assert len(records) == 200
    assert {(record["writer"], record["index"]) for record in records} == {(w, i) for w in range(4) for i in range(50)}


def test_a_reader_never_sees_half_a_status(tmp_path: Path) -> None:
    write_status(tmp_path, step=0, filler="x" * 5000)
    stop = threading.Event()

    def write() -> None:
        step = 0
        while not stop.is_set():
            step += 1
            write_status(tmp_path, step=step)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        steps = [0]
        deadline = time.monotonic() + 30  # on a busy machine the writer may get its first turn late
        while (len(steps) < 300 or steps[-1] < 20) and time.monotonic() < deadline:
            steps.append(read_status(tmp_path)["step"])
    finally:
        stop.set()
        writer.join()
    assert steps == sorted(steps)
    assert steps[-1] >= 20


def test_status_writer_writes_at_most_as_often_as_told(tmp_path: Path) -> None:
    writer = StatusWriter(tmp_path, seconds=3600)
    writer.update(step=1)
    writer.update(step=2)
    assert read_status(tmp_path)["step"] == 1
    writer.update(now=True, phase="done")
    assert (read_status(tmp_path)["step"], read_status(tmp_path)["phase"]) == (2, "done")


def test_a_stop_request_is_a_file_that_anybody_can_touch(tmp_path: Path) -> None:
    assert not stop_requested(tmp_path)
    ask_to_stop(tmp_path)
    ask_to_stop(tmp_path)
    assert stop_requested(tmp_path)
    clear_stop(tmp_path)
    clear_stop(tmp_path)
    assert not stop_requested(tmp_path)


class TestLock:
    def test_only_one_holder(self, tmp_path: Path) -> None:
        first, second = FileLock(tmp_path / "run.lock"), FileLock(tmp_path / "run.lock")
        first.acquire()
        assert is_held(tmp_path / "run.lock")
        assert (tmp_path / "run.lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(RunActiveError, match="another process runs it"):
            second.acquire(seconds=0.05)
        first.release()
        assert not is_held(tmp_path / "run.lock")
        second.acquire()
        second.release()

    def test_the_kernel_frees_it_when_the_holder_is_killed(self, tmp_path: Path) -> None:
        code = (
            "import sys, time; from pathlib import Path; from workbench.jobs.rundir import FileLock\n"
            "FileLock(Path(sys.argv[1])).acquire(); print('held', flush=True); time.sleep(60)"
        )
        path = tmp_path / "run.lock"
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            assert is_held(path)
            process.kill()
        assert not is_held(path)

    def test_a_missing_lock_file_is_not_held(self, tmp_path: Path) -> None:
        assert not is_held(tmp_path / "run.lock")


def test_the_run_directory_is_read_without_heavy_imports() -> None:
    code = (
        "import sys, workbench.jobs.runs, workbench.jobs.start, workbench.jobs.supervisor\n"
        "heavy = {'torch', 'numpy', 'lightning', 'librosa', 'onnxruntime', 'tensorboard', 'textual'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
