"""`workbench prepare`: clips without a run, whole or by shards, and whether some are missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_project import Project

import workbench_espeak

from .conftest import Command

pytestmark = pytest.mark.skipif(bool(workbench_espeak.available()), reason=workbench_espeak.available() or "there")

SETTINGS = '[voice]\nname = "probe"\nlanguage = "ru"\nquality = "tiny"\n[audio]\nsample_rate = 16000\n'


@pytest.fixture
def project(folder: Path) -> Project:
    made = Project(folder)
    for number in range(4):
        made.clip(f"clip{number}", f"Это предложение номер {number}.", seed=number)
    made.rows.append(("lost", "Нет записи."))
    made.run()
    (folder / "workbench.toml").write_text(SETTINGS)
    return made


def test_shards_are_prepared_checked_and_named(workbench: Command, project: Project) -> None:
    first = workbench("prepare", "--shard", "1/2")
    assert first.code == 0
    assert "metadata.csv:5: dropped lost: there is no such recording" in first.out
    assert "shard 1/2: 2 clips" in first.out
    check = workbench("prepare", "--check")
    assert check.code == 1
    assert "shard 2/2 (not begun): 2 rows have no clip; run: workbench prepare --shard 2/2" in check.out
    assert workbench("prepare", "--check", "--json").json["shards"] == [
        {"shard": "2/2", "rows": 2, "state": "not begun"}
    ]
    rest = workbench("prepare", "--json")
    assert rest.code == 0
    assert (rest.json["clips"], rest.json["made"], rest.json["shard"]) == (4, 2, None)
    assert [item["file"] for item in rest.json["dropped"]] == ["lost"]
    done = workbench("prepare", "--check")
    assert (done.code, done.out.splitlines()[-1]) == (0, "all 4 clips are prepared")


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/", "/3", "a/b", "1/3/5", "-1/3", "1/0", ""])
def test_a_shard_that_is_none_is_refused_in_one_line(workbench: Command, folder: Path, shard: str) -> None:
    outcome = workbench("prepare", f"--shard={shard}")
    assert outcome.code == 2
    assert "is no part such as 2/16" in outcome.error


@pytest.mark.parametrize("option", ["--shard=1/2", "--verify", "--executor=processes"])
def test_looking_and_making_are_not_mixed(workbench: Command, project: Project, option: str) -> None:
    outcome = workbench("prepare", "--check", option)
    assert (outcome.code, outcome.error) == (2, "--check only looks; leave out --shard, --verify and --executor")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ["here", "processes", "ray"])
def test_clips_are_cut_where_it_is_said(workbench: Command, project: Project, name: str) -> None:
    if name == "ray":
        pytest.importorskip("ray")
    made = workbench("prepare", "--executor", name, "--json")
    assert made.code == 0, made.err
    assert (made.json["clips"], made.json["made"]) == (4, 4)


def test_an_executor_that_is_none_is_refused_in_one_line(workbench: Command, project: Project) -> None:
    outcome = workbench("prepare", "--executor", "slurm")
    assert outcome.code == 2
    assert "argument --executor: invalid choice: 'slurm' (choose from" in outcome.error


@pytest.mark.parametrize("verb", ["prepare", "health"])
def test_ray_that_is_not_installed_is_one_line(
    workbench: Command, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "ray.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    outcome = workbench(verb, "--executor", "ray")
    assert outcome.code == 2
    assert "pip install 'voice-workbench[ray]'" in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err


def test_a_dataset_that_can_not_be_prepared_is_one_line(workbench: Command, project: Project, folder: Path) -> None:
    (folder / "metadata.csv").unlink()
    outcome = workbench("prepare")
    assert outcome.code == 2
    assert "there is no such metadata file" in outcome.error
