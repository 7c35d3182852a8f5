"""A dataset that several machines prepare: the clips that one would make, whatever is killed, and what is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from small_project import RATE, Project, prepared

import workbench_espeak
from core_vits.cache import CacheReader
from workbench.errors import DatasetError
from workbench.train.shards import missing_clips, prepare_clips

pytestmark = pytest.mark.skipif(bool(workbench_espeak.available()), reason=workbench_espeak.available() or "there")

WORKSPACE = """
[voice]
name = "probe"
language = "ru"
quality = "tiny"
[text]
phonemizer = "espeak"
[audio]
sample_rate = 16000
trim_silence = {trim}
"""
CODE = (
    "import sys; from workbench.train.shards import prepare_clips\n"
    "prepare_clips(sys.argv[1], (int(sys.argv[2]), int(sys.argv[3])), False, lambda *_: None)"
)


def workspace(project: Project, *, trim: bool = False) -> str:
    """Write table and settings; the workspace."""
    project.run()
    (project.root / "workbench.toml").write_text(WORKSPACE.format(trim=str(trim).lower()))
    return str(project.root)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    for number in range(7):
        made.clip(f"clip{number}", f"Это предложение номер {number}.", seed=number)
    return made


def build(place: str, shard: tuple[int, int] | None = None, **options: Any) -> dict[str, Any]:
    return prepare_clips(place, shard, options.get("verify", False), lambda *_: None)


def missing(place: str) -> dict[str, Any]:
    return missing_clips(place, lambda *_: None)


def contents(answer: dict[str, Any]) -> dict[str, tuple[object, ...]]:
    """All that the cache has, by key."""
    reader = CacheReader(Path(answer["cache"]))
    found = {
        key: (entry.file, entry.text, entry.phoneme_ids, entry.seconds_trimmed, reader.audio(entry).tobytes())
        for key, entry in reader.entries.items()
    }
    reader.close()
    return found


@pytest.mark.timeout(240)
def test_three_shards_at_once_make_what_one_build_makes_and_a_training_starts_warm(
    project: Project, tmp_path: Path
) -> None:
    place = workspace(project, trim=True)
    processes = [
        subprocess.Popen([sys.executable, "-c", CODE, place, str(number), "3"], stderr=subprocess.PIPE)
        for number in (1, 2, 3)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    together = missing(place)
    assert (together["clips"], together["missing"]) == (7, 0)
    sharded = contents(together)
    (project.root / ".cache").rename(tmp_path / "sharded")
    assert contents(build(place)) == sharded
    (project.root / ".cache").rename(tmp_path / "whole")
    (tmp_path / "sharded").rename(project.root / ".cache")
    summary = prepared(project.run(audio={"sample_rate": RATE, "trim_silence": True}))
    assert (summary["made"], len(summary["trained"])) == (0, 7)


def test_each_row_is_the_work_of_one_shard(project: Project) -> None:
    place = workspace(project)
    parts = [build(place, (number, 3)) for number in (1, 2, 3)]
    assert [part["made"] for part in parts] == [3, 2, 2]
    assert [part["shard"] for part in parts] == ["1/3", "2/3", "3/3"]
    assert build(place)["made"] == 0


def test_a_shard_that_is_missing_or_changed_is_named(project: Project) -> None:
    place = workspace(project)
    assert missing(place)["shards"] == []
    build(place, (1, 3))
    build(place, (3, 3))
    assert missing(place)["shards"] == [{"shard": "2/3", "rows": 2, "state": "not begun"}]
    build(place, (2, 3))
    assert missing(place)["missing"] == 0
    soundfile.write(project.wavs / "clip3.wav", np.random.default_rng(9).normal(0, 0.1, RATE).clip(-0.9, 0.9), RATE)
    assert missing(place)["shards"] == [{"shard": "1/3", "rows": 1, "state": "changed since"}]
    assert build(place, (1, 3))["made"] == 1
    assert missing(place)["missing"] == 0


def test_rows_that_give_no_clip_are_not_missing(project: Project) -> None:
    soundfile.write(project.wavs / "silent.wav", np.zeros(RATE), RATE)
    (project.wavs / "noise.wav").write_bytes(b"no sound")
    project.rows += [("silent", "Тишина."), ("noise", "Шум."), ("lost", "Нет."), ("clip0", "Это предложение номер 0.")]
    place = workspace(project)
    assert missing(place)["missing"] == 9, "nobody has looked at the two yet"
    dropped = [item for number in (1, 2) for item in build(place, (number, 2))["dropped"]]
    assert {item["file"] for item in dropped} == {"silent", "noise", "lost", "clip0"}
    report = missing(place)
    assert (report["clips"], report["missing"]) == (7, 0)


@pytest.mark.timeout(240)
def test_a_killed_shard_is_named_and_goes_on_where_it_was(project: Project) -> None:
    for number in range(10, 50):
        project.clip(f"clip{number}", f"Это предложение номер {number}.", seconds=4.0, seed=number)
    place = workspace(project, trim=True)
    process = subprocess.Popen([sys.executable, "-c", CODE, place, "2", "2"])
    index, deadline = None, time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        index = next((project.root / ".cache").glob("*/shard-2-of-2/index.jsonl"), None)
        if index is not None and index.stat().st_size > 1000:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert index is not None
    there = index.read_bytes().count(b"\n")
    build(place, (1, 2))
    (shard,) = missing(place)["shards"]
    assert (shard["shard"], shard["state"]) == ("2/2", "not finished")
    again = build(place, (2, 2))
    assert again["reused"] >= there > 0
    assert missing(place)["missing"] == 0


def test_only_a_recording_that_may_have_changed_is_read_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = workspace(project)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 10**10)
    build(place)
    read: list[str] = []
    from core_vits import recordings

    hashed = recordings.hash_recording
    monkeypatch.setattr(recordings, "hash_recording", lambda path: (read.append(path.name), hashed(path))[1])
    monkeypatch.setattr("core_vits.cache_files.FolderWriter._intact", lambda *_: pytest.fail("audio was read again"))
    assert build(place)["made"] == 0
    assert read == []
    project.clip("clip2", "Это предложение номер 2.", seed=77)
    project.rows.pop()
    assert build(workspace(project))["made"] == 1
    assert read == ["clip2.wav"]


def test_verify_reads_everything_and_mends_what_is_damaged(project: Project) -> None:
    place = workspace(project)
    whole = contents(build(place))
    (audio,) = (project.root / ".cache").glob("*/audio.i16")
    data = bytearray(audio.read_bytes())
    data[1000] ^= 0xFF
    audio.write_bytes(data)
    assert build(place)["made"] == 0, "a start looks at sizes only"
    assert build(place, verify=True)["made"] == 1
    assert contents(build(place)) == whole


def test_what_a_cache_says_reaches_the_user_as_an_error_of_the_workbench(project: Project) -> None:
    place = workspace(project)
    (project.root / ".cache").write_text("a file where the folder should be")
    with pytest.raises(DatasetError, match="can't be written"):
        build(place)
    os.unlink(project.root / ".cache")  # noqa: PTH108
    (project.root / "metadata.csv").unlink()
    with pytest.raises(DatasetError, match="no such file"):
        build(place)
