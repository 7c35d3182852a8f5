"""Files as crashes, full disks and network file systems leave them."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pytest
from tail.event_files import START, EventWriter, event_name, record_bytes, scalar_record, tone

from workbench.errors import RunError
from workbench.tail.follower import RunFollower
from workbench.tail.reader import RECORD_LIMIT, read_audio


def steps_of(follower: RunFollower, tag: str = "loss") -> list[int]:
    return follower.series(tag).steps.tolist()


@pytest.fixture
def hundred(tmp_path: Path) -> EventWriter:
    writer = EventWriter(tmp_path / event_name())
    writer.scalars("loss", range(100))
    return writer


def test_half_written_record_is_read_when_it_is_whole(hundred: EventWriter) -> None:
    follower = RunFollower(hundred.path.parent)
    follower.poll()
    record = scalar_record("loss", 100, 12.5)
    for octet in range(len(record) - 1):
        with hundred.path.open("ab") as file:
            file.write(record[octet : octet + 1])
        assert not follower.poll()
        assert follower.problems() == []
        assert len(follower.series("loss")) == 100
    assert follower.files()[0].lag_bytes == len(record) - 1
    with hundred.path.open("ab") as file:
        file.write(record[-1:])
    changes = follower.poll()
    assert (changes.tags, changes.new_tags, changes.complete) == ({"loss"}, frozenset(), True)
    assert steps_of(follower) == list(range(101))
    assert follower.files()[0].lag_bytes == 0


def test_half_written_clip_is_indexed_when_it_is_whole(tmp_path: Path) -> None:
    wav, frames = tone(4.0)
    source = EventWriter(tmp_path / "elsewhere")
    source.clip("sentence", 10, wav, frames)
    source.scalar("loss", 3, 0.5)
    data = source.path.read_bytes()
    target = tmp_path / "run" / event_name()
    target.parent.mkdir()
    target.write_bytes(data[:100_000])
    follower = RunFollower(target.parent)
    follower.poll()
    assert (follower.audio(), follower.problems()) == ([], [])
    with target.open("ab") as file:
        file.write(data[100_000:])
    changes = follower.poll()
    assert changes.audio_added == 1
    assert read_audio(follower.audio()[0]) == wav
    assert steps_of(follower) == [3]


@pytest.mark.parametrize("where", ["length", "high length", "length checksum", "wall time", "tag", "value", "checksum"])
def test_flipped_byte_costs_one_point_and_shows_a_badge(hundred: EventWriter, where: str) -> None:
    record = hundred.offsets[50]
    size = hundred.offsets[51] - record
    places = {"length": 0, "high length": 6, "length checksum": 9, "wall time": 15, "tag": size - 12}
    position = record + (places | {"value": size - 6, "checksum": size - 2})[where]
    data = bytearray(hundred.path.read_bytes())
    data[position] ^= 0x40
    hundred.path.write_bytes(data)
    follower = RunFollower(hundred.path.parent)
    changes = follower.poll()
    assert steps_of(follower) == [step for step in range(100) if step != 49]
    (problem,) = follower.problems()
    assert (problem.offset, problem.resumed_at) == (record, record + size)
    assert changes.problems_added == 1
    assert str(problem).startswith(f"{hundred.path.name}: bad record @ {record}: ")


def test_zeros_at_the_end_are_shown_and_what_is_appended_after_them_is_read(hundred: EventWriter) -> None:
    end = hundred.path.stat().st_size
    with hundred.path.open("ab") as file:
        file.write(bytes(4096))
    follower = RunFollower(hundred.path.parent)
    assert follower.poll().problems_added == 1
    (problem,) = follower.problems()
    assert (problem.offset, problem.resumed_at) == (end, None)
    assert "zeros" in problem.reason
    hundred.scalars("loss", range(100, 200))
    follower.poll()
    assert steps_of(follower) == list(range(200))
    (problem,) = follower.problems()
    assert (problem.offset, problem.resumed_at) == (end, end + 4096)


def test_zeros_that_become_data_were_no_damage(hundred: EventWriter) -> None:
    record = scalar_record("loss", 100, 12.5)
    end = hundred.path.stat().st_size
    with hundred.path.open("ab") as file:
        file.write(bytes(len(record)))
    follower = RunFollower(hundred.path.parent)
    follower.poll()
    assert len(follower.problems()) == 1
    with hundred.path.open("r+b") as file:
        file.seek(end)
        file.write(record)
    hundred.scalar("loss", 101, 1.0)
    follower.poll()
    assert follower.problems() == []
    assert steps_of(follower) == list(range(102))


def test_last_record_whose_data_come_late_is_no_damage(hundred: EventWriter) -> None:
    """A network file system can show the new length of a file before the last pages."""
    record = scalar_record("loss", 100, 12.5)
    end = hundred.path.stat().st_size
    with hundred.path.open("ab") as file:
        file.write(record[:20] + bytes(len(record) - 20))
    follower = RunFollower(hundred.path.parent)
    follower.poll()
    assert len(follower.series("loss")) == 100
    (problem,) = follower.problems()
    assert (problem.offset, problem.resumed_at) == (end, None)
    with hundred.path.open("r+b") as file:
        file.seek(end)
        file.write(record)
    os.utime(hundred.path, (START, START))  # the clock of the server, in a tick of its own
    follower.poll()
    assert follower.problems() == []
    assert steps_of(follower) == list(range(101))


def test_last_record_that_stays_damaged_is_passed_when_more_is_written(hundred: EventWriter) -> None:
    record = scalar_record("loss", 100, 12.5)
    end = hundred.path.stat().st_size
    with hundred.path.open("ab") as file:
        file.write(record[:20] + bytes(len(record) - 20))
    follower = RunFollower(hundred.path.parent)
    follower.poll()
    hundred.scalar("loss", 101, 1.0)
    follower.poll()
    assert steps_of(follower) == [*range(100), 101]
    (problem,) = follower.problems()
    assert (problem.offset, problem.resumed_at) == (end, end + len(record))


def test_record_cut_short_by_a_crash_does_not_swallow_what_follows(hundred: EventWriter) -> None:
    record = scalar_record("loss", 100, 12.5)
    with hundred.path.open("ab") as file:
        file.write(record[:-9])
    end = hundred.offsets[-1]
    hundred.scalars("loss", range(101, 120))
    follower = RunFollower(hundred.path.parent)
    follower.poll()
    assert steps_of(follower) == [*range(100), *range(101, 120)]
    (problem,) = follower.problems()
    assert problem.offset > end


def test_clip_cut_short_by_a_crash_does_not_swallow_what_follows(tmp_path: Path) -> None:
    wav, frames = tone(5.0)
    source = EventWriter(tmp_path / "elsewhere")
    source.clip("sentence", 10, wav, frames)
    writer = EventWriter(tmp_path / "run" / event_name())
    writer.scalars("loss", range(10))
    with writer.path.open("ab") as file:
        file.write(source.path.read_bytes()[source.offsets[1] :][:150_000])
    writer.scalars("loss", range(10, 3000))
    follower = RunFollower(writer.path.parent)
    follower.poll()
    assert steps_of(follower) == list(range(3000))
    assert follower.audio() == []
    assert len(follower.problems()) == 1


@pytest.mark.parametrize(
    ("way", "started"),
    [
        ("renamed over", START),
        ("renamed over", START + 5000),
        ("truncated", START),
        ("rewritten in place", START + 5000),
    ],
    ids=["renamed over, same first bytes", "renamed over", "truncated, same first bytes", "rewritten in place"],
)
def test_file_replaced_under_the_same_name_is_read_anew(hundred: EventWriter, way: str, started: float) -> None:
    first = hundred.path.parent / "first"
    hundred.path.rename(first)
    EventWriter(hundred.path).scalar("gain", 0, 0.0)  # so that both files can begin alike
    with hundred.path.open("ab") as file:
        file.write(first.read_bytes()[hundred.offsets[1] :])
    first.unlink()
    follower = RunFollower(hundred.path.parent)
    follower.poll()
    assert follower.tags() == ["gain", "loss"]
    other = EventWriter(hundred.path.parent / "new", started)
    other.scalars("gain", range(10 if way == "truncated" else 400))
    data = other.path.read_bytes()
    if way == "renamed over":
        other.path.rename(hundred.path)
    else:
        other.path.unlink()
        with hundred.path.open("r+b") as file:
            file.write(data)
            file.truncate()
    changes = follower.poll()
    assert changes.restarted
    assert changes.tags == {"loss", "gain"}
    assert follower.tags() == ["gain"]
    assert len(follower.series("loss")) == 0


def test_removed_file_takes_its_points_along(hundred: EventWriter) -> None:
    follower = RunFollower(hundred.path.parent)
    follower.poll()
    hundred.path.unlink()
    assert follower.poll().restarted
    assert follower.tags() == []
    assert not follower.poll()


def test_endless_number_ends(tmp_path: Path) -> None:
    (tmp_path / event_name()).write_bytes(b"\xff" * 3_000_000)
    writer = EventWriter(tmp_path / event_name(1))
    writer.scalar("loss", 1, 1.0)
    for bomb in (b"\xff" * 60, b"\x09" + b"\xff" * 60, b"\x09" + bytes(8) + b"\x10" + b"\xff" * 50_000, b"\x2a" * 300):
        writer.data(bomb)
    writer.scalar("loss", 2, 1.0)
    follower = RunFollower(tmp_path)
    begin = time.process_time()
    follower.poll()
    assert time.process_time() - begin < 5
    assert steps_of(follower) == [1, 2]
    reasons = [problem.reason for problem in follower.problems() if problem.path == writer.path]
    assert len(reasons) == 4
    assert all("not a TensorBoard event" in reason for reason in reasons)


def test_record_of_a_million_fields_is_refused_in_time(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    writer.data(b"\x10\x01" * 1_000_000)
    writer.scalar("loss", 1, 1.0)
    follower = RunFollower(tmp_path)
    begin = time.process_time()
    follower.poll()
    assert time.process_time() - begin < 5
    assert steps_of(follower) == [1]
    assert "fields" in follower.problems()[0].reason


def test_record_beyond_the_limit_is_skipped_with_a_badge(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    writer.scalar("loss", 1, 1.0)
    begin = writer.path.stat().st_size
    length = struct.pack("<Q", RECORD_LIMIT + 1)
    header = length + struct.pack("<I", struct.unpack("<I", record_header_checksum(length))[0])
    with writer.path.open("ab") as file:
        file.write(header)
        file.truncate(begin + 12 + RECORD_LIMIT + 1 + 4)  # sparse: takes no room
    writer.scalar("loss", 2, 1.0)
    follower = RunFollower(tmp_path)
    follower.poll()
    assert steps_of(follower) == [1, 2]
    (problem,) = follower.problems()
    assert problem.offset == begin
    assert "64 MiB" in problem.reason


def record_header_checksum(length: bytes) -> bytes:
    """The checksum TensorBoard's own writer gives to these eight bytes: they are data here."""
    return record_bytes(length)[-4:]


def test_file_that_is_no_event_file_is_a_badge(tmp_path: Path) -> None:
    (tmp_path / "notes.tfevents.txt").write_text("just a note\n" * 100)
    follower = RunFollower(tmp_path)
    assert follower.poll()
    assert [problem.offset for problem in follower.problems()] == [0]
    assert follower.tags() == []


def test_empty_and_tiny_files_are_no_damage(tmp_path: Path) -> None:
    (tmp_path / event_name(0)).touch()
    (tmp_path / event_name(1)).write_bytes(b"\x18")
    follower = RunFollower(tmp_path)
    follower.poll()
    assert follower.problems() == []


@pytest.mark.skipif(
    not Path("/proc/self/mem").exists(), reason="needs Linux: /proc/self/mem can be opened and not read"
)
def test_file_that_cannot_be_read_is_a_badge_and_the_others_are_read(hundred: EventWriter) -> None:
    (hundred.path.parent / event_name(7)).symlink_to("/proc/self/mem")
    follower = RunFollower(hundred.path.parent)
    changes = follower.poll()
    assert changes.problems_added == 1
    assert "can't be read" in follower.problems()[0].reason
    assert len(follower.series("loss")) == 100
    assert not follower.poll(), "an old error is no news"


def test_clip_of_a_vanished_or_cut_file_is_one_clear_line(tmp_path: Path) -> None:
    wav, frames = tone(1.0)
    writer = EventWriter(tmp_path / event_name())
    writer.clip("sentence", 1, wav, frames)
    follower = RunFollower(tmp_path)
    follower.poll()
    (clip,) = follower.audio()
    os.truncate(writer.path, 1000)
    with pytest.raises(RunError, match="bytes are left"):
        read_audio(clip)
    writer.path.unlink()
    with pytest.raises(RunError, match="can't be read: No such file"):
        read_audio(clip)
