"""Polling: cheap when idle, within its budget, safe to ask from another thread."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tail.event_files import START, EventWriter, event_name, scalar_record

from workbench.tail.follower import RunFollower


def test_folder_may_appear_later(tmp_path: Path) -> None:
    follower = RunFollower(tmp_path / "metrics")
    assert not follower.poll()
    assert (follower.tags(), follower.audio(), follower.last_event_wall_time) == ([], [], None)
    assert len(follower.series("loss")) == 0
    EventWriter(tmp_path / "metrics" / event_name()).scalar("loss", 1, 2.0)
    changes = follower.poll()
    assert (changes.tags, changes.new_tags) == ({"loss"}, {"loss"})
    assert follower.last_event_wall_time == START + 1


def test_file_made_right_after_a_poll_is_found_by_the_next(tmp_path: Path) -> None:
    follower = RunFollower(tmp_path)
    for number in range(20):
        follower.poll()
        EventWriter(tmp_path / event_name(number)).scalar(f"tag{number:02d}", 1, 2.0)
        assert follower.poll().new_tags == {f"tag{number:02d}"}


def test_file_made_in_the_same_tick_as_the_last_look_is_found(tmp_path: Path) -> None:
    follower = RunFollower(tmp_path)
    follower.poll()
    tick = tmp_path.stat().st_mtime_ns
    EventWriter(tmp_path / event_name()).scalar("loss", 1, 2.0)
    os.utime(tmp_path, ns=(tick, tick))
    assert follower.poll().new_tags == {"loss"}


def test_folders_below_and_other_files_are_left_alone(tmp_path: Path) -> None:
    EventWriter(tmp_path / "another_run" / event_name()).scalar("loss", 1, 2.0)
    (tmp_path / "events.out.tfevents.folder").mkdir()
    (tmp_path / "hparams.yaml").write_text("a: 1\n")
    follower = RunFollower(tmp_path)
    assert not follower.poll()
    assert follower.files() == []


def test_idle_poll_costs_microseconds(tmp_path: Path) -> None:
    EventWriter(tmp_path / event_name()).scalars("loss", range(10))
    follower = RunFollower(tmp_path)
    follower.poll()
    begin = time.process_time()
    for _ in range(1000):
        assert not follower.poll(0.25)
    # About 10 µs with the folder settled and 40 µs while it is listed each time; the bound is for a loaded machine.
    assert (time.process_time() - begin) / 1000 < 0.001


def test_budget_ends_a_poll_and_the_next_ones_go_on(tmp_path: Path) -> None:
    for number in range(3):
        writer = EventWriter(tmp_path / event_name(number), START + 10 * number)
        writer.scalars(f"tag{number}", range(5))
    follower = RunFollower(tmp_path)
    seen = []
    for _ in range(3):
        changes = follower.poll(0.0)
        seen.append((sorted(changes.tags), changes.complete))
    assert seen == [(["tag2"], False), (["tag1"], False), (["tag0"], True)], "newest file first, one chunk each"
    assert follower.poll(0.0).complete


def test_long_file_is_read_in_chunks(tmp_path: Path) -> None:
    path = tmp_path / event_name()
    path.write_bytes(b"".join(scalar_record("loss", step, step / 8) for step in range(30_000)))
    follower = RunFollower(tmp_path)
    lengths = []
    while True:
        changes = follower.poll(0.0)
        lengths.append(len(follower.series("loss")))
        if changes.complete:
            break
    assert len(lengths) > 1
    assert lengths == sorted(lengths)
    assert follower.series("loss").steps.tolist() == list(range(30_000))


def test_points_handed_out_never_change(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    writer.scalars("loss", range(10))
    follower = RunFollower(tmp_path)
    follower.poll()
    before = follower.series("loss")
    copy = before.steps.tolist()
    writer.scalars("loss", range(10, 300))
    follower.poll()
    assert before.steps.tolist() == copy
    with pytest.raises(ValueError, match="read-only"):
        before.values[0] = 1.0


def test_another_thread_may_ask_while_one_polls_and_a_process_writes(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from tail.event_files import EventWriter, event_name\n"
        "for number in range(3):\n"
        "    writer = EventWriter(Path(sys.argv[1]) / event_name(number), 1.7e9 + 1000 * number)\n"
        "    for step in range(number * 200, number * 200 + 250):\n"
        "        writer.scalar('loss', step, step / 8)\n"
        "        writer.scalar(f'tag/{step % 40}', step, step / 8)\n"
    )
    tests = str(Path(__file__).parent.parent)
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), tests])
    follower = RunFollower(tmp_path)
    failures: list[BaseException] = []
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                for tag in follower.tags():
                    points = follower.series(tag)
                    assert points.values.tolist() == [step / 8 for step in points.steps.tolist()]
                follower.problems()
                follower.files()
                assert follower.audio() == []
        except BaseException as error:
            failures.append(error)
            raise

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        while child.poll() is None:
            follower.poll(0.05)
            time.sleep(0.01)
        follower.poll()
    finally:
        done.set()
        asker.join()
        child.kill()
        child.wait()
    assert failures == []
    assert child.returncode == 0
    assert follower.series("loss").steps.tolist() == list(range(650))
    assert follower.problems() == []


def test_reader_needs_neither_tensorboard_nor_torch() -> None:
    program = (
        "import sys\n"
        "import workbench.tail.follower, workbench.tail.downsample, workbench.tail.axes, workbench.tail.chain\n"
        "heavy = {'torch', 'lightning', 'tensorboard', 'google', 'tensorflow', 'textual', 'librosa', 'onnxruntime'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
