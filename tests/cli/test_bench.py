"""The verb `bench`: every part measures something, and one that fails stops no other."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tiny_voice import voice_config, write_checkpoint

from workbench.api import VoiceIdentity
from workbench.bench.files import _write_events
from workbench.bench.parts import PARTS, Measured, Part
from workbench.bench.subject import DEMO, scratch, subject, with_recordings
from workbench.errors import WorkbenchError
from workbench.tail.follower import RunFollower
from workbench.workers import Worker
from workbench_onnx.exporter import StreamingExporter

from .conftest import HEAD, Command, copy_demo

SMALL = f'{HEAD}[training]\nbatch_size = 2\naccelerator = "cpu"\n'
FIELDS = {"value": float, "unit": str, "about": str, "limited_by": str, "advice": str, "figures": dict}


@pytest.fixture
def small(folder: Path) -> Path:
    """A workspace without recordings, and small batches."""
    (folder / "workbench.toml").write_text(SMALL)
    return folder


def measure(name: str, folder: Path) -> dict[str, Any]:
    """One part, in this process and shortly."""
    module, _, function = PARTS[name].target.partition(":")
    found: dict[str, Any] = getattr(importlib.import_module(module), function)(str(folder / "workbench.toml"), 0.01)
    return found


@pytest.mark.parametrize("name", PARTS)
def test_each_part_gives_a_figure_with_its_unit_and_limit_and_leaves_nothing_behind(name: str, small: Path) -> None:
    found = measure(name, small)
    assert {field: type(found[field]) for field in FIELDS} == FIELDS
    assert found["value"] > 0
    assert all(found[field].strip() for field in ("unit", "about", "limited_by", "advice"))
    assert all("\n" not in found[field] for field in ("unit", "about", "limited_by", "advice"))
    assert json.loads(json.dumps(found)) == found
    assert [path.name for path in small.iterdir()] == ["workbench.toml"]


def test_the_shares_are_shares(small: Path) -> None:
    # Above 1 by much, the bytes or operations would be counted wrongly; caches and turbo allow for a little.
    assert 0 < measure("align", small)["figures"]["share"] < 3
    step = measure("step", small)["figures"]
    assert 0 < step["share_of_matrix_product"] < 1.5
    assert (step["clips"], step["quality"], step["device"]) == (2, "tiny", "CPU, 1 thread")


def test_speaking_is_measured_with_the_exported_voice_of_the_workspace(small: Path) -> None:
    voices = small / "voices"
    voices.mkdir()
    checkpoint = write_checkpoint(small / "a.ckpt")
    StreamingExporter().export(
        checkpoint, voice_config(), VoiceIdentity(name="a", language="ru", quality="tiny"), voices
    )
    found = measure("speak", small)
    assert "ru-a-tiny.encoder.onnx by onnxruntime" in found["about"]
    assert found["figures"]["seconds_to_first_audio"] > 0


def test_preparing_takes_the_workspaces_recordings_and_else_the_demos(repo: Path, small: Path) -> None:
    assert str(DEMO) in measure("prepare", small)["about"]
    copy_demo(repo, small, 3)
    found = measure("prepare", small)
    assert f"3 recordings of {small}" in found["about"]
    assert not (small / ".cache").exists()


def test_without_a_workspace_the_demo_is_measured_and_nothing_is_written_beside_it(folder: Path) -> None:
    found = subject(None)
    assert (found.voice.quality, found.audio_folder.is_dir()) == ("tiny", True)
    assert {found.runs.parent, found.cache.parent, found.voices.parent} == {folder}
    assert with_recordings(found) is found


def test_a_scratch_folder_lies_on_the_disk_that_is_asked_about_and_is_removed(tmp_path: Path) -> None:
    with scratch(tmp_path / "not" / "there" / "yet") as folder:
        assert folder.parent == tmp_path
        (folder / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_the_event_file_that_is_read_has_every_point(tmp_path: Path) -> None:
    points = _write_events(tmp_path / "events.out.tfevents.1700000000.bench.1.0")
    follower = RunFollower(tmp_path)
    follower.poll()
    assert sum(len(follower.series(tag)) for tag in follower.tags()) == points
    assert follower.series("train/mel").steps[-1] == 2000


def test_the_command_answers_with_json_and_a_verdict(workbench: Command, small: Path) -> None:
    outcome = workbench("bench", "--json", "--seconds", "0.01", "--only", "step", "--only", "loader")
    assert outcome.code == 0
    answer = outcome.json
    assert answer["ok"] is True
    assert set(answer["machine"]) == {"cores", "load", "system", "python"}
    assert set(answer["parts"]) == {"step", "loader"}
    for part in answer["parts"].values():
        assert part["error"] == ""
        assert part["took_seconds"] >= 0
        assert set(FIELDS) < set(part)
    assert answer["verdict"].startswith("Training ")


class FakeWorker:
    """Answers at once; one part fails as a worker's errors do."""

    def __init__(self, pool: str) -> None:
        self.pool = pool

    def call(self, target: str, **_: object) -> Mapping[str, Any]:
        if target.endswith(":disk"):
            raise WorkbenchError("the disk is full;\nmake room")
        figures = {"clips_per_s": 10.0}
        return Measured(value=20.0, unit="x/s", about="a", limited_by="b", advice="c", figures=figures).as_json()

    def close(self) -> None:
        """Nothing runs."""


def test_a_part_that_fails_is_told_and_the_others_go_on(
    workbench: Command, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.cli.bench.Worker", FakeWorker)
    outcome = workbench("bench")
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert "  failed: the disk is full; make room" in lines
    assert lines.count("  20 x/s: a") == len(PARTS) - 1
    assert lines.count("  limited by b (c)") == len(PARTS) - 1
    assert lines[-1].startswith("Training may wait for its clips: the loader gives 20 a second, the step takes 10.")
    answer = workbench("bench", "--json").json
    assert answer["ok"] is False
    assert {name for name, part in answer["parts"].items() if part["error"]} == {"disk"}


def test_a_worker_that_dies_costs_its_part_only(
    workbench: Command, small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dies = Part(title="dying", target="os:abort", pool="audio")
    lives = Part(title="living", target=PARTS["events"].target, pool="audio")
    monkeypatch.setattr("workbench.cli.bench.PARTS", {"align": dies, "events": lives})
    monkeypatch.setattr("workbench.cli.bench.Worker", lambda pool: Worker(pool, log=tmp_path / "worker.log"))
    answer = workbench("bench", "--json", "--seconds", "0.01").json
    assert answer["parts"]["align"]["error"]
    assert answer["parts"]["events"]["value"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--only", "nothing"), "nothing"), (("--seconds", "-1"), "a number of seconds from 0")],
)
def test_a_wrong_option_is_one_line(workbench: Command, small: Path, arguments: tuple[str, ...], said: str) -> None:
    outcome = workbench("bench", *arguments)
    assert outcome.code == 2
    assert said in outcome.error
