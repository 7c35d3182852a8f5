"""Piper's own runs on the command line: listed, shown, heard, exported, and never written to."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest
from piper_tree import FIRST, SENTENCES, START, add_checkpoint, make_version, tree_digest

from workbench.cli.context import find_checkpoint
from workbench.cli.parser import build_parser
from workbench.cli.training import _run_to_go_on, _settings
from workbench.config import load_workspace

from .conftest import HEAD, Command

CONFIG = '[paths]\npiper_runs = "lightning_logs"\n'


@pytest.fixture
def logs(folder: Path) -> Path:
    """A workspace with a chain of three versions, of which one start failed, and a run of the first Piper."""
    (folder / "workbench.toml").write_text(HEAD + CONFIG)
    logs = folder / "lightning_logs"
    make_version(logs, 0, epochs=range(3), rated=True)
    for name, epoch in (("epoch=1-val_mel=20.1", 1), ("epoch=2-val_mel=15.2", 2), ("epoch=2-val_mos=3.5", 2)):
        add_checkpoint(logs / "version_0", f"{name}.ckpt", epoch, 80 * (epoch + 1))
    resumed = "lightning_logs/version_0/checkpoints/epoch=1-val_mel=20.1.ckpt"
    make_version(logs, 1, resumed=resumed, started=START + 900)
    make_version(logs, 2, epochs=range(2, 5), resumed=resumed, started=START + 1800)
    add_checkpoint(logs / "version_2", "last.ckpt", 4, 400)
    make_version(logs, 3, epochs=range(1), generation=FIRST, started=START - 9000)
    return logs


def test_runs_lists_them_after_ours_as_read_only(workbench: Command, logs: Path) -> None:
    run = logs.parent / "runs" / "20270101-000000-probe"
    run.mkdir(parents=True)
    (run / "run.json").write_text('{"format": 1}')
    before = tree_digest(logs)
    lines = workbench("runs").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["20270101-000000-probe", "version_3", "version_0…2"]
    assert all("piper, read-only" in line for line in lines[2:])
    runs = workbench("runs", "--json").json["runs"]
    assert [(item["id"], item["kind"], item.get("read_only")) for item in runs] == [
        ("20270101-000000-probe", "workbench", None),
        ("version_3", "piper", True),
        ("version_2", "piper", True),
    ]
    assert [Path(version).name for version in runs[-1]["versions"]] == ["version_0", "version_2"]
    assert tree_digest(logs) == before


@pytest.mark.parametrize("name", ["version_2", "version_0", "version_1", "version_0…2", "lightning_logs/version_0"])
def test_a_run_is_found_by_any_of_its_versions(workbench: Command, logs: Path, name: str) -> None:
    out = workbench("runs", name).out
    assert "run version_0…2: piper, read-only\n" in out
    assert "epoch 5/1000  batch 200  mel" in out
    assert "goes on from version_0, epoch=1-val_mel=20.1.ckpt" in out


def test_a_run_that_the_workspace_does_not_name_is_shown_by_its_folder(workbench: Command, logs: Path) -> None:
    (logs.parent / "workbench.toml").write_text(HEAD)
    assert "run version_0…2" in workbench("checkpoints", "lightning_logs/version_2").out
    assert "there is no run yet" in workbench("checkpoints", "version_2").error


def test_checkpoints_lists_those_of_all_versions_with_both_scores(workbench: Command, logs: Path) -> None:
    lines = workbench("checkpoints", "version_2").out.splitlines()
    assert lines[1].split() == ["file", "epoch", "batch", "MB", "age", "val", "mel", "val", "mos"]
    # File, epoch and batch; behind size and age, the scores. `last.ckpt` has that of the last validation in the curves.
    assert [[*row[:3], *row[6:]] for row in map(str.split, lines[2:-1])] == [
        ["version_0/checkpoints/epoch=1-val_mel=20.1.ckpt", "1", "80", "20.100", "-"],
        ["version_0/checkpoints/epoch=2-val_mel=15.2.ckpt", "2", "120", "15.200", "3.500", "best"],
        ["version_0/checkpoints/epoch=2-val_mos=3.5.ckpt", "2", "120", "15.200", "3.500", "best", "mos"],
        ["version_2/checkpoints/last.ckpt", "4", "200", "6.950", "-"],
    ]
    document = workbench("checkpoints", "version_2", "--json").json
    assert [item["best"] for item in document["checkpoints"]] == [False, True, False, False]


def test_what_a_name_does_not_tell_is_null(workbench: Command, logs: Path) -> None:
    (logs / "version_3" / "checkpoints").mkdir()
    (logs / "version_3" / "checkpoints" / "odd.ckpt").write_bytes(b"odd")
    (item,) = workbench("checkpoints", "version_3", "--json").json["checkpoints"]
    assert (item["epoch"], item["step"], item["problem"]) == (None, None, "is no checkpoint")
    assert "odd.ckpt  -" in workbench("checkpoints", "version_3").out


def test_samples_are_listed_and_one_is_written_beside_the_voices(workbench: Command, logs: Path) -> None:
    before = tree_digest(logs)
    out = workbench("samples", "version_2").out.splitlines()
    assert out[0] == "run version_0…2: 10 samples"
    assert out[2].split()[:3] == ["1", "0", "40"]
    assert out[2].endswith(SENTENCES[0])
    assert out[-1].split()[:3] == ["10", "4", "200"]
    outcome = workbench("samples", "version_2", "--write", "10", "--json")
    wav = Path(outcome.json["wav"])
    assert wav.parent == logs.parent / "voices" / "spoken"
    assert wav.name.startswith("version_2-epoch4-Кто_там_где_да_или_нет_О")
    with wave.open(str(wav)) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (22050, 1102)
    assert tree_digest(logs) == before


def test_of_many_samples_the_newest_are_listed(workbench: Command, logs: Path) -> None:
    make_version(logs, 4, epochs=range(15), started=START + 5000)
    out = workbench("samples", "version_4").out.splitlines()
    assert out[0] == "run version_4: 30 samples, the newest 20"
    assert len(out) == 22
    assert len(workbench("samples", "version_4", "--all").out.splitlines()) == 32


def test_a_sample_is_written_where_one_wants_it_but_over_nothing_else(workbench: Command, logs: Path) -> None:
    assert workbench("samples", "version_2", "--write", "1", "--out", "a.wav").code == 0
    assert (logs.parent / "a.wav").read_bytes()[:4] == b"RIFF"
    assert workbench("samples", "version_2", "--write", "2", "--out", "a.wav").code == 0
    error = workbench("samples", "version_2", "--write", "1", "--out", "workbench.toml").error
    assert error.endswith("workbench.toml: is there already and is not a WAV; name another file")
    assert (logs.parent / "workbench.toml").read_text() == HEAD + CONFIG
    assert (
        "has no sample 11; `workbench samples version_2` lists 10"
        in workbench("samples", "version_2", "--write", "11").error
    )


def test_a_run_without_samples_says_so(workbench: Command, logs: Path) -> None:
    make_version(logs, 5, epochs=range(1), clips=False, started=START + 5000)
    assert "has no sample yet" in workbench("samples", "version_5").out


def test_samples_of_a_run_of_ours_are_listed_as_well(workbench: Command, logs: Path) -> None:
    from tail.event_files import EventWriter, event_name, tone

    run = logs.parent / "runs" / "20270101-000000-probe"
    writer = EventWriter(run / "metrics" / event_name())
    (run / "run.json").write_text('{"format": 1}')
    writer.scalar("epoch", 40, 1.0)
    writer.clip("sample/1", 40, *tone(0.05))
    assert workbench("samples").out.splitlines()[2].split() == ["1", "0", "40", "0.0", "sample/1"]


@pytest.mark.parametrize("command", [("stop", "version_2"), ("runs", "version_2", "--follow")])
def test_what_changes_a_run_refuses_piper_s(workbench: Command, logs: Path, command: tuple[str, ...]) -> None:
    before = tree_digest(logs)
    outcome = workbench(*command)
    assert outcome.code == 2
    assert "version_0…2 is a run of Piper's own and only looked at; a new run can go on from it" in outcome.error
    assert "--from lightning_logs/version_2/checkpoints/last.ckpt" in outcome.error
    assert tree_digest(logs) == before


def test_resuming_a_run_of_piper_s_is_a_new_run_that_goes_on_from_its_newest_checkpoint(
    folder: Path, logs: Path
) -> None:
    workspace = load_workspace(folder)
    for option in ("--resume", "--from"):
        args = build_parser().parse_args(["train", option, "version_2"])
        assert _run_to_go_on(args, workspace) is None
        settings = _settings(args, workspace, None)
        assert settings.start_checkpoint == logs / "version_2" / "checkpoints" / "last.ckpt"
        assert settings.runs == folder / "runs"


def test_settings_are_printed_as_they_stand(workbench: Command, logs: Path) -> None:
    out = workbench("runs", "version_2", "--settings").out
    assert [line for line in out.splitlines() if line.startswith("# version")] == [
        "# version_2/config.yaml",
        "# version_2/hparams.yaml",
        "# version_0/config.yaml",
        "# version_0/hparams.yaml",
    ]
    assert "  voice_name: aelita\n" in out
    document = workbench("runs", "version_3", "--settings", "--json").json
    assert "resume_from_checkpoint: null" in document["settings"]["version_3/hparams.yaml"]


def test_a_folder_that_is_not_there_is_told_and_the_rest_is_listed(workbench: Command, folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD + '[paths]\npiper_runs = "nowhere"\n')
    outcome = workbench("runs")
    assert outcome.code == 0
    assert "nowhere: there is no such folder; correct piper_runs in [paths] of workbench.toml" in outcome.out
    assert json.loads(workbench("runs", "--json").out) == {"runs": []}


def test_the_run_of_a_checkpoint_of_piper_s_is_left_to_be_found_by_its_place(folder: Path, logs: Path) -> None:
    """As the folder of a run it would be asked for files of ours, and an export would leave its note there."""
    workspace = load_workspace(folder)
    newest = logs / "version_2" / "checkpoints" / "last.ckpt"
    for name in ("version_2", "latest", "best", str(newest)):
        checkpoint, run = find_checkpoint(workspace, name)
        assert run is None
        assert checkpoint == (logs / "version_0/checkpoints/epoch=2-val_mel=15.2.ckpt" if name == "best" else newest)
