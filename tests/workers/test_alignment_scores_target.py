"""A checkpoint's opinion of the clips of its run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_project import Project, prepared
from tiny_voice import write_checkpoint

from workbench.errors import CheckpointError, DatasetError, RunError
from workbench.mismatch.kept import ASKED, read_kept
from workbench.workers.targets.alignment_scores import batches, score

TEXT = "Он шёл по дороге и смотрел на звёзды"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared run of twelve clips with a checkpoint that has not learned anything."""
    project = Project(tmp_path_factory.mktemp("project"))
    for number in range(12):
        project.clip(f"clip{number}", f"{TEXT} {number}.", seconds=2 + number / 20, seed=number)
    run = project.run()
    prepared(run)
    write_checkpoint(run / "checkpoints" / "epoch=0-step=2.ckpt")
    return run


def checkpoint(run: Path) -> str:
    return str(run / "checkpoints" / "epoch=0-step=2.ckpt")


def test_every_clip_gets_a_score_and_an_untrained_voice_accuses_nobody(run: Path) -> None:
    seen: list[tuple[float, float, str]] = []
    report = json.loads(json.dumps(score(checkpoint(run), str(run), "m.csv", lambda *step: seen.append(step))))
    assert {clip["row"] for clip in report["clips"]} == set(range(1, 13))
    gains = [clip["gain"] for clip in report["clips"]]
    assert gains == sorted(gains)
    assert [finding["rule"] for finding in report["findings"]] == ["mismatch.unusable"]
    assert report["findings"][0]["subject"] == "m.csv"
    assert report["summary"]["judged"] is False
    assert seen[0] == (0, 12, "clips")


def test_the_scores_are_the_same_each_time(run: Path) -> None:
    assert score(checkpoint(run), str(run), "m.csv") == score(checkpoint(run), str(run), "m.csv")


def test_with_a_workspace_only_clips_are_asked_about_that_are_new(run: Path, tmp_path: Path) -> None:
    (tmp_path / "workbench.toml").write_text('[voice]\nname = "a"\nlanguage = "ru"\n', "utf-8")
    seen: list[tuple[float, float, str]] = []
    arguments = {"workspace_file": str(tmp_path / "workbench.toml")}
    first = score(checkpoint(run), str(run), "m.csv", lambda *step: seen.append(step), **arguments)
    assert first["clips"] == score(checkpoint(run), str(run), "m.csv")["clips"]
    assert len(seen) > 0
    kept = read_kept(tmp_path / ".cache", ASKED)
    assert kept is not None
    assert [finding["rule"] for finding in kept.findings] == ["mismatch.unusable"]
    assert set(kept.clips) == set(range(1, 13))
    (memo,) = (tmp_path / ".cache" / "asked").iterdir()
    lines = memo.read_text("utf-8").splitlines()
    memo.write_text("\n".join(lines[:-1]) + "\n", "utf-8")
    seen.clear()
    assert score(checkpoint(run), str(run), "m.csv", lambda *step: seen.append(step), **arguments) == first
    assert 0 < seen[0][1] < 12 or len(seen) == 1
    seen.clear()
    assert score(checkpoint(run), str(run), "m.csv", lambda *step: seen.append(step), **arguments) == first
    assert seen == []


def test_a_run_that_was_not_prepared_says_so(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"prepare\.json can't be read"):
        score(checkpoint(run), str(tmp_path), "m.csv")


def test_clips_that_are_gone_are_an_error_of_the_dataset(run: Path, tmp_path: Path) -> None:
    found = json.loads((run / "prepare.json").read_text("utf-8"))
    for change in ({"cache": str(tmp_path / "nowhere")}, {"trained": [{**found["trained"][0], "key": "gone"}]}):
        (tmp_path / "prepare.json").write_text(json.dumps({**found, **change}), "utf-8")
        with pytest.raises(DatasetError, match=r"Prepare"):
            score(checkpoint(run), str(tmp_path), "m.csv")


def test_a_file_that_is_no_checkpoint_is_one_line(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError):
        score(str(tmp_path / "a.ckpt"), str(run), "m.csv")


@pytest.mark.parametrize("lengths", [[], [5], [9, 5, 7], list(range(1, 40)), [4000] * 9, [100] * 33 + [9000]])
def test_batches_hold_every_clip_once_and_none_alone(lengths: list[int]) -> None:
    parts = batches(lengths)
    assert sorted(index for part in parts for index in part) == list(range(len(lengths)))
    ordered = [lengths[index] for part in parts for index in part]
    assert ordered == sorted(lengths)
    if len(lengths) >= 4:
        assert all(4 <= len(part) <= 19 for part in parts)
