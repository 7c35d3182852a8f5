"""The last values of an event file, read from its end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tail.event_files import START, EventWriter, event_name, tone

from workbench.tail import ending
from workbench.tail.ending import FARTHEST, REACH, read_ending


def test_the_newest_point_of_each_tag_is_told(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    writer.scalars("loss_g", range(10))
    writer.scalar("epoch", 9, 3.0)
    found = read_ending(writer.path)
    assert found is not None
    assert found.values == {"loss_g": (9, 1.125), "epoch": (9, 3.0)}
    assert found.wall_time == START + 11


def test_of_a_long_file_only_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = EventWriter(tmp_path / event_name())
    wav, frames = tone(1.0)
    writer.scalar("old", 0, 1.0)
    for step in range(20):
        writer.clip("sentence", step, wav, frames)
    writer.scalar("val_mel", 19, 0.25)
    read: list[int] = []
    pread = os.pread
    monkeypatch.setattr(ending.os, "pread", lambda fd, n, at: read.append(n) or pread(fd, n, at))
    found = read_ending(writer.path)
    assert found is not None
    assert found.values == {"val_mel": (19, 0.25)}
    assert writer.path.stat().st_size > 6 * REACH
    assert sum(read) < 3 * REACH


def test_a_run_that_was_killed_among_its_clips_is_read_from_further_back(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    writer.scalar("loss_g", 7, 2.0)
    wav, frames = tone(4.0)
    writer.clip("sentence", 16, wav, frames)
    assert REACH < writer.path.stat().st_size < FARTHEST
    found = read_ending(writer.path)
    assert found is not None
    assert found.values == {"loss_g": (7, 2.0)}


@pytest.mark.parametrize("content", [b"", b"no events at all" * 20_000, bytes(300_000), b"\xff" * 300_000])
def test_a_file_without_events_has_no_ending(tmp_path: Path, content: bytes) -> None:
    (tmp_path / event_name()).write_bytes(content)
    assert read_ending(tmp_path / event_name()) is None
    assert read_ending(tmp_path / "none") is None
    assert read_ending(tmp_path) is None


def test_damage_at_the_end_leaves_what_stands_before_it(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    writer.scalars("loss_g", range(100))
    with writer.path.open("ab") as file:
        file.write(b"\x1c\0\0\0\0\0\0\0garbage")
    found = read_ending(writer.path)
    assert found is not None
    assert found.values == {"loss_g": (99, 99 / 8)}
