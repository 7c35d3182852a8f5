"""Piper's runs as a viewer sees them: chains, states, checkpoints, and folders in any condition."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from piper_tree import FIRST, MIDDLE, START, add_checkpoint, copy_fixture, make_version, tree_digest

from workbench.jobs.curves import follower_of
from workbench.jobs.piper_runs import ACTIVE_SECONDS, PiperRun, PiperRuns
from workbench.jobs.settings_files import settings_of

LATER = START + 100_000


def listed(folder: Path, now: float = LATER) -> list[PiperRun]:
    runs = PiperRuns(folder, now=lambda: now)
    found = runs.list_runs()
    assert runs.problem == ""
    return found


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "project" / "lightning_logs"


def test_versions_of_the_real_piper_are_runs_with_checkpoints_and_settings(shared: Path, logs: Path) -> None:
    names = ("run_minid", "run_minid_ms", "run_minid_mrd")
    for number, name in enumerate(names):
        copy_fixture(shared / "fixtures" / name, logs, number)
    before = tree_digest(logs)
    runs = {run.id: run for run in listed(logs, now=1_900_000_000)}
    assert [*runs] == ["version_2", "version_1", "version_0"]
    first = runs["version_0"]
    assert (first.kind, first.state, first.live, first.label) == ("piper", "piper", False, "version_0")
    assert (first.status.epoch, first.status.epochs, first.status.step) == (2, 3, 6)
    assert first.status.optimizer_step == 12
    assert first.identity["voice"] == "tiny_ru"
    assert first.created == 1795342366
    best, last = first.checkpoints
    assert (best.epoch, best.step, best.val_mel, best.best) == (0, 2, 2.0829, True)
    assert (last.epoch, last.step, last.kind) == (2, 6, "last")
    assert last.val_mel == pytest.approx(2.68683434)
    assert first.problems == ()
    assert "seed_everything: 1234" in settings_of(first)["version_0/config.yaml"]
    assert {*settings_of(first)} == {"version_0/config.yaml", "version_0/hparams.yaml"}
    assert tree_digest(logs) == before


@pytest.mark.parametrize("place", [".", "lightning_logs", "lightning_logs/version_1"])
def test_the_setting_may_name_the_project_its_logs_or_one_version(logs: Path, place: str) -> None:
    make_version(logs, 0, epochs=range(2))
    make_version(logs, 1, epochs=range(1, 3), resumed="version_0/checkpoints/e.ckpt", started=START + 900)
    make_version(logs, 2, epochs=range(1), started=START + 1800)
    runs = listed(logs.parent / place)
    assert [run.label for run in runs] == (["version_0…1"] if place.endswith("1") else ["version_2", "version_0…1"])
    assert runs[-1].versions == (logs / "version_0", logs / "version_1")


def test_one_version_that_was_resumed_later_is_shown_with_what_followed(logs: Path) -> None:
    make_version(logs, 0, epochs=range(2))
    make_version(logs, 1, epochs=range(1, 3), resumed="version_0/checkpoints/e.ckpt", started=START + 900)
    assert [run.label for run in listed(logs / "version_0")] == ["version_0…1"]


def test_a_folder_without_runs_says_so(tmp_path: Path) -> None:
    for folder, wanted in (
        (tmp_path / "none", "there is no such folder; correct piper_runs in [paths] of workbench.toml"),
        (tmp_path, "there is no run of Piper in it (version_0, version_1, …)"),
    ):
        runs = PiperRuns(folder)
        assert runs.list_runs() == []
        assert runs.problem == f"{folder}: {wanted}"
    assert PiperRuns(None).list_runs() == []
    assert PiperRuns(None).problem == ""


def test_runs_of_ours_are_not_taken_for_piper_s(tmp_path: Path) -> None:
    run = tmp_path / "20270101-000000-aelita"
    (run / "checkpoints").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    make_version(tmp_path, 0, epochs=range(1))
    assert [run.id for run in listed(tmp_path)] == ["version_0"]


def test_a_chain_of_resumes_is_one_run_and_starts_that_failed_are_told(logs: Path) -> None:
    make_version(logs, 0, epochs=range(4), generation=FIRST)
    add_checkpoint(logs / "version_0", "epoch=3-step=320.ckpt", 3, 320)
    make_version(
        logs, 1, resumed="/home/anna/lightning_logs/version_0/checkpoints/epoch=3-step=320.ckpt", started=START + 900
    )
    make_version(
        logs,
        2,
        epochs=range(4, 6),
        resumed="lightning_logs/version_0/checkpoints/epoch=3-step=320.ckpt",
        started=START + 1800,
    )
    add_checkpoint(logs / "version_2", "last.ckpt", 5, 480)
    (run,) = listed(logs)
    assert (run.id, run.label) == ("version_2", "version_0…2")
    assert [path.name for path in run.versions] == ["version_0", "version_2"]
    assert [path.name for path in run.failed] == ["version_1"]
    assert all(run.holds(logs / f"version_{number}") for number in range(3))
    assert [line.split("   ")[0] for line in run.history] == ["version_0", "version_1", "version_2"]
    assert "wrote nothing" in run.history[1]
    assert "goes on from version_0, epoch=3-step=320.ckpt   to epoch 5, batch 240   1 checkpoint" in run.history[2]
    assert [view.file.name for view in run.checkpoints] == ["epoch=3-step=320.ckpt", "last.ckpt"]
    assert run.created == START
    follower = follower_of(run)
    follower.poll()
    assert follower.series("train/loss_g").steps.tolist() == [*range(10, 241, 10)]


def test_two_that_went_on_from_one_are_two_runs(logs: Path) -> None:
    make_version(logs, 0, epochs=range(4))
    for number in (1, 2):
        make_version(
            logs, number, epochs=range(4, 5), resumed="version_0/checkpoints/e.ckpt", started=START + 900 * number
        )
    assert [(run.label, len(run.versions)) for run in listed(logs)] == [("version_0…2", 2), ("version_0…1", 2)]


def test_a_run_that_wrote_a_moment_ago_is_active_and_one_that_was_copied_is_not(logs: Path) -> None:
    version = make_version(logs, 0, epochs=range(1))
    ended = START + 40
    (run,) = listed(logs, now=ended + 3)
    assert (run.state, run.live, run.status.updated) == ("running", False, ended)
    (run,) = listed(logs, now=ended + ACTIVE_SECONDS)
    assert run.state == "piper"
    # Its last event counts, not the time of the copy.
    events = next(version.glob("*tfevents*"))
    os.utime(events, (LATER, LATER))
    (run,) = listed(logs, now=LATER + 3)
    assert (run.state, run.status.updated) == ("piper", ended)
    # Nor does a clock that was ahead.
    os.utime(events, (START - 5000, START - 5000))
    assert listed(logs, now=ended + 3)[0].state == "piper"


def test_optimizer_steps_of_a_file_of_the_first_piper_that_went_on_are_brought_to_the_batches(logs: Path) -> None:
    make_version(logs, 0, epochs=range(10), generation=FIRST)
    make_version(
        logs, 1, epochs=range(10, 13), resumed="version_0/checkpoints/x.ckpt", started=START + 900, steps_from=400
    )
    add_checkpoint(logs / "version_1", "epoch=11-val_mel=0.4.ckpt", 11, 160)
    add_checkpoint(logs / "version_1", "last.ckpt", 12, 240)
    (run,) = listed(logs)
    assert [(view.epoch, view.optimizer_step, view.step) for view in run.checkpoints] == [
        (11, 160, 480),
        (12, 240, 520),
    ]


@pytest.mark.parametrize("generation", [FIRST, MIDDLE])
def test_the_single_checkpoint_of_older_versions_has_no_score(logs: Path, generation: str) -> None:
    version = make_version(logs, 0, epochs=range(3), generation=generation)
    add_checkpoint(version, "epoch=2-step=240.ckpt", 2, 240)
    (run,) = listed(logs)
    (view,) = run.checkpoints
    assert (view.epoch, view.step, view.val_mel, view.best) == (2, 120, None, False)
    assert run.best == view
    assert set(run.status.losses) == {"loss_g", "loss_d"}
    assert run.identity["batch_size"] == 16


def test_what_did_not_change_is_the_same_and_what_did_is_read_anew(logs: Path) -> None:
    version = make_version(logs, 0, epochs=range(2))
    add_checkpoint(version, "last.ckpt", 1, 160)
    runs = PiperRuns(logs, now=lambda: LATER)
    (run,) = runs.list_runs()
    assert runs.list_runs() == [run]
    assert runs.read(version) == run
    assert runs.read(logs / "version_7") is None
    add_checkpoint(version, "epoch=1-val_mel=0.5.ckpt", 1, 160)
    again = runs.read(version)
    assert again is not None
    assert [view.file.name for view in again.checkpoints] == ["last.ckpt", "epoch=1-val_mel=0.5.ckpt"]
    shutil.rmtree(version)
    gone = runs.read(version)
    assert gone is not None
    assert gone.checkpoints == ()
    assert gone.problems


def test_odd_files_are_named_and_the_rest_is_shown(logs: Path) -> None:
    version = make_version(logs, 0, epochs=range(2))
    checkpoints = version / "checkpoints"
    path = add_checkpoint(version, "epoch=0-val_mel=0.9.ckpt", 0, 80)
    path.write_bytes(path.read_bytes()[:-1])
    add_checkpoint(version, "epoch=1-val_mel=0.8.ckpt", 1, 160)
    (checkpoints / "empty.ckpt").touch()
    (checkpoints / "folder.ckpt").mkdir()
    (checkpoints / "epoch=1.ckpt.part").write_bytes(b"x")
    (checkpoints / "gone.ckpt").symlink_to(version / "nowhere")
    os.mkfifo(checkpoints / "pipe.ckpt")
    (version / "events.out.tfevents.1700000000.x").touch()
    (version / "config.yaml").unlink()
    (version / "config.yaml").mkdir()
    (run,) = listed(logs)
    told = "\n".join(run.problems)
    for expected in (
        "version_0/checkpoints/epoch=0-val_mel=0.9.ckpt: is not whole (half-copied?)",
        "version_0/checkpoints/empty.ckpt: is empty",
        "version_0/checkpoints/folder.ckpt: can't be read (Is a directory)",
        "version_0/checkpoints/epoch=1.ckpt.part: is no checkpoint (half-copied?)",
        "version_0/checkpoints/gone.ckpt: can't be read (No such file or directory)",
        "version_0/checkpoints/pipe.ckpt: is neither a file nor a folder",
        "version_0/events.out.tfevents.1700000000.x: is empty",
        "version_0/config.yaml: can't be read (Is a directory)",
    ):
        assert expected in told
    assert run.message == f"{run.problems[0]} (and {len(run.problems) - 1} more)"
    assert run.best is not None
    assert run.best.file.name == "epoch=1-val_mel=0.8.ckpt"
    assert run.status.epoch == 1


def test_many_problems_are_counted(logs: Path) -> None:
    version = make_version(logs, 0, epochs=range(1))
    (version / "checkpoints").mkdir()
    for number in range(50):
        (version / "checkpoints" / f"{number}.part").touch()
    (run,) = listed(logs)
    assert len(run.problems) == 21
    assert run.problems[-1] == "and 30 more"


def test_a_folder_that_holds_nothing_or_rubbish_is_listed_all_the_same(logs: Path) -> None:
    (logs / "version_0").mkdir(parents=True)
    rubbish = logs / "version_1"
    rubbish.mkdir()
    for name in ("config.yaml", "hparams.yaml", "events.out.tfevents.1800000000.h.1.0", "checkpoints"):
        (rubbish / name).write_bytes(random.Random(3).randbytes(5000))
    runs = {run.id: run for run in listed(logs)}
    assert set(runs) == {"version_0", "version_1"}
    assert runs["version_0"].problems == ("version_0: neither config.yaml nor hparams.yaml says how it was trained",)
    assert "version_1/events.out.tfevents.1800000000.h.1.0: no event can be read in it" in runs["version_1"].problems
    for run in runs.values():
        assert (run.state, run.status.step, run.checkpoints) == ("piper", 0, ())


def test_values_that_are_no_numbers_harm_nothing(logs: Path) -> None:
    from tail.event_files import EventWriter

    writer = EventWriter(logs / "version_0" / "events.out.tfevents.1800000000.h.1.0")
    for tag, value in (("epoch", float("nan")), ("val_mel", float("inf")), ("train_mel", float("nan"))):
        writer.scalar(tag, 9, value)
    runs = PiperRuns(logs, now=lambda: LATER)
    (run,) = runs.list_runs()
    assert (run.status.epoch, run.status.step) == (0, 10)
    assert runs.list_runs() == [run], "a value that is not equal to itself must not look like news"


def test_the_settings_of_a_run_of_ours_are_shown_as_well(tmp_path: Path) -> None:
    from workbench.jobs.runs import RunView

    (tmp_path / "run.toml").write_text("[voice]\n")
    assert settings_of(RunView(id="a", folder=tmp_path)) == {"run.toml": "[voice]\n"}
    assert settings_of(RunView(id="a", folder=tmp_path / "none")) == {}
