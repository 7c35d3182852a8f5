"""Resumed runs, second writers, fresh starts: one history out of several files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tail.event_files import START, EventWriter, event_name, tone

from workbench.tail.follower import RunFollower


def read(folder: Path, *earlier: Path) -> RunFollower:
    follower = RunFollower(folder, earlier)
    assert follower.poll().complete
    return follower


def test_resume_supersedes_the_tail_that_was_discarded(tmp_path: Path) -> None:
    EventWriter(tmp_path / event_name(0), START).scalars("loss", range(0, 1000, 10))
    EventWriter(tmp_path / event_name(1), START + 5000).scalars("loss", range(800, 1600, 10))
    follower = read(tmp_path)
    assert follower.series("loss").steps.tolist() == list(range(0, 1600, 10))
    (tail,) = follower.superseded("loss")
    assert tail.steps.tolist() == list(range(800, 1000, 10))
    assert tail.wall_times.max() < START + 5000
    assert len(follower.segments("loss")) == 1


def test_two_resumes_leave_two_discarded_tails(tmp_path: Path) -> None:
    EventWriter(tmp_path / event_name(0), START).scalars("loss", range(100))
    EventWriter(tmp_path / event_name(1), START + 5000).scalars("loss", range(80, 150))
    EventWriter(tmp_path / event_name(2), START + 9000).scalars("loss", range(70, 90))
    follower = read(tmp_path)
    points = follower.series("loss")
    assert points.steps.tolist() == list(range(90))
    assert points.wall_times[75] > START + 9000
    assert [tail.steps.tolist() for tail in follower.superseded("loss")] == [[*range(70, 100)], [*range(80, 150)]]


def test_resume_while_we_watch_supersedes_as_soon_as_it_writes(tmp_path: Path) -> None:
    EventWriter(tmp_path / event_name(0), START).scalars("loss", range(100))
    follower = read(tmp_path)
    second = EventWriter(tmp_path / event_name(1), START + 5000)
    follower.poll()
    assert follower.superseded("loss") == []
    second.scalar("loss", 80, 1.0)
    assert follower.poll().tags == {"loss"}
    assert follower.series("loss").steps.tolist() == list(range(81))
    second.scalar("loss", 81, 1.0)
    follower.poll()
    assert follower.series("loss").steps.tolist() == list(range(82))


def test_fresh_run_in_the_same_folder_is_a_segment_of_its_own(tmp_path: Path) -> None:
    EventWriter(tmp_path / event_name(0), START).scalars("loss", range(100))
    EventWriter(tmp_path / event_name(1), START + 5000).scalars("loss", range(30))
    follower = read(tmp_path)
    old, new = follower.segments("loss")
    assert (len(old), len(new)) == (100, 30)
    assert follower.series("loss").steps.tolist() == list(range(30))
    assert follower.superseded("loss") == []


def test_older_file_that_still_grows_loses_nothing(tmp_path: Path) -> None:
    old = EventWriter(tmp_path / event_name(0), START)
    old.scalars("loss", range(50))
    new = EventWriter(tmp_path / event_name(1), START + 1000)
    new.scalar("loss", 45, 1.0, START + 1001)
    follower = read(tmp_path)
    old.wall_time = START + 2000
    old.scalars("loss", range(50, 100))
    assert follower.poll().tags == {"loss"}
    assert len(follower.series("loss")) == 101
    assert follower.series("loss").steps.tolist() == sorted([*range(100), 45])
    assert follower.superseded("loss") == []


def test_second_writer_with_its_own_tags_touches_nothing(tmp_path: Path) -> None:
    EventWriter(tmp_path / event_name(0), START).scalars("train/mel", range(100))
    EventWriter(tmp_path / event_name(1), START + 5000).scalars("test/mel", range(3))
    follower = read(tmp_path)
    assert follower.tags() == ["test/mel", "train/mel"]
    assert len(follower.series("train/mel")) == 100
    assert follower.superseded("train/mel") == []


def test_tag_that_never_left_step_zero_is_kept(tmp_path: Path) -> None:
    for number in range(2):
        writer = EventWriter(tmp_path / event_name(number), START + 5000 * number)
        writer.scalar("hp_metric", 0, -1.0)
        writer.scalars("loss", range(50 * number, 50 * number + 60))
    follower = read(tmp_path)
    assert follower.series("hp_metric").steps.tolist() == [0, 0]
    assert follower.series("loss").steps.tolist() == list(range(110))


def test_files_count_by_the_time_of_their_first_event_not_by_name(tmp_path: Path) -> None:
    EventWriter(tmp_path / "events.out.tfevents.zzz", START).scalars("loss", range(100))
    EventWriter(tmp_path / "events.out.tfevents.aaa", START + 5000).scalars("loss", range(50, 60))
    assert read(tmp_path).series("loss").steps.tolist() == list(range(60))


def test_chain_of_version_folders_is_one_history(tmp_path: Path) -> None:
    EventWriter(tmp_path / "version_0" / event_name(5), START).scalars("loss", range(100))
    EventWriter(tmp_path / "version_1" / event_name(0), START + 5000).scalars("loss", range(90, 120))
    follower = read(tmp_path / "version_1", tmp_path / "version_0")
    assert follower.series("loss").steps.tolist() == list(range(120))
    assert [len(tail) for tail in follower.superseded("loss")] == [10]


def test_clips_written_again_after_a_resume_are_superseded(tmp_path: Path) -> None:
    wav, frames = tone(0.1)
    for number, steps in enumerate([(100, 200, 300), (300, 400)]):
        writer = EventWriter(tmp_path / event_name(number), START + 5000 * number)
        for step in steps:
            writer.clip("Сколько стоит билет?", step, wav, frames)
    follower = read(tmp_path)
    assert [clip.step for clip in follower.audio()] == [100, 200, 300, 400]
    assert follower.audio()[2].wall_time > START + 5000
    assert [clip.step for clip in follower.superseded_audio()] == [300]


def test_not_a_number_is_kept(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    for step, value in enumerate([1.0, float("nan"), float("inf"), 2.0]):
        writer.scalar("loss", step, value)
    np.testing.assert_array_equal(read(tmp_path).series("loss").values, [1.0, np.nan, np.inf, 2.0])
