"""Hashes of recordings are kept, and never of a file that could change without being noticed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core_vits import recordings
from core_vits.recordings import Recordings, hash_recording


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the files that are read."""
    names: list[str] = []

    def hashed(path: Path) -> str:
        names.append(path.name)
        return hash_recording(path)

    monkeypatch.setattr(recordings, "hash_recording", hashed)
    return names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written now was written long ago."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 10**10)


def hashes(folder: Path, *files: Path, trust: bool = True) -> list[str | OSError]:
    kept = Recordings(folder, trust=trust)
    found = kept.hashes([(path, path.stat()) for path in files])
    kept.save()
    return found


def files(folder: Path, count: int = 3) -> list[Path]:
    made = [folder / f"{number}.wav" for number in range(count)]
    for number, path in enumerate(made):
        path.write_bytes(b"recording %d" % number)
    return made


def test_a_file_that_did_not_change_is_read_once(tmp_path: Path, read: list[str], settled: None) -> None:
    made = files(tmp_path)
    first = hashes(tmp_path, *made)
    assert first == [hash_recording(path) for path in made]
    assert sorted(read) == ["0.wav", "1.wav", "2.wav"]
    read.clear()
    assert hashes(tmp_path, *made) == first
    assert read == []
    assert hashes(tmp_path, *made, trust=False) == first
    assert sorted(read) == ["0.wav", "1.wav", "2.wav"]


def test_a_replacement_of_the_same_size_and_date_is_noticed(tmp_path: Path, read: list[str], settled: None) -> None:
    (path,) = files(tmp_path, 1)
    before, status = hashes(tmp_path, path), path.stat()
    path.write_bytes(b"recording X")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    changed = hashes(tmp_path, path)
    assert changed == [hash_recording(path)] != before
    other = tmp_path / "other"
    other.write_bytes(b"recording Y")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert hashes(tmp_path, path) == [hash_recording(path)] != changed


def test_a_hash_of_a_file_that_was_just_written_is_not_kept(tmp_path: Path, read: list[str]) -> None:
    (path,) = files(tmp_path, 1)
    hashes(tmp_path, path)
    path.write_bytes(b"recording X")  # perhaps within the same tick of the clock
    assert hashes(tmp_path, path) == [hash_recording(path)]
    assert read == ["0.wav", "0.wav"]


def test_a_file_that_changes_while_it_is_read_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: None
) -> None:
    (path,) = files(tmp_path, 1)

    def hashed_then_written(file: Path) -> str:
        digest = hash_recording(file)
        file.write_bytes(b"longer than it was")
        return digest

    monkeypatch.setattr(recordings, "hash_recording", hashed_then_written)
    hashes(tmp_path, path)
    monkeypatch.undo()
    assert hashes(tmp_path, path) == [hash_recording(path)]


def test_a_date_in_the_future_does_not_make_a_file_be_read_each_time(
    tmp_path: Path, read: list[str], settled: None
) -> None:
    (path,) = files(tmp_path, 1)
    os.utime(path, ns=(2 * 10**18, 2 * 10**18))
    hashes(tmp_path, path)
    hashes(tmp_path, path)
    assert read == ["0.wav"]


def test_what_cannot_be_read_is_told_and_stops_no_other(tmp_path: Path, settled: None) -> None:
    gone, there = files(tmp_path, 2)
    status = gone.stat()
    gone.unlink()
    found = Recordings(tmp_path).hashes([(gone, status), (there, there.stat())])
    assert isinstance(found[0], FileNotFoundError)
    assert found[1] == hash_recording(there)


@pytest.mark.parametrize(
    "damage", [b"", b"\0" * 50, b'["a", 1]\n', b"{}\n", b'[["a"], 1, 2, 3, 4, "x"]\n', b"[1, 2", b"\xff\xfe\n"]
)
def test_a_damaged_memory_costs_time_only(tmp_path: Path, read: list[str], settled: None, damage: bytes) -> None:
    made = files(tmp_path)
    first = hashes(tmp_path, *made)
    memory = tmp_path / "recordings.jsonl"
    memory.write_bytes(damage + memory.read_bytes()[20:])
    assert hashes(tmp_path, *made) == first
    assert len(read) > 3, "what the damage took is read again"


def test_what_other_shards_have_read_is_known(tmp_path: Path, read: list[str], settled: None) -> None:
    (tmp_path / "shard").mkdir()
    made = files(tmp_path)
    hashes(tmp_path / "shard", *made)
    read.clear()
    together = Recordings(tmp_path, [tmp_path / "shard"])
    together.hashes([(path, path.stat()) for path in made])
    assert read == []


def test_a_folder_that_cannot_be_written_costs_nothing_else(tmp_path: Path, settled: None) -> None:
    made = files(tmp_path)
    assert hashes(tmp_path / "missing", *made) == [hash_recording(path) for path in made]
