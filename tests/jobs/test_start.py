"""Starting, resuming and stopping runs; the steps are small programs instead of the real ones."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.api import LaunchJob, LaunchPlan, RunFacts
from workbench.config import Workspace, load_workspace, with_overrides
from workbench.errors import (
    CheckpointError,
    ConfigError,
    DatasetError,
    EnvironmentProblem,
    PluginError,
    RunActiveError,
    RunError,
)
from workbench.jobs import start
from workbench.jobs.checks import check_not_done
from workbench.jobs.rundir import FileLock, ask_to_stop, is_held, read_json, read_lines, write_json, write_status
from workbench.jobs.runs import list_runs, read_run
from workbench.jobs.start import going_on_from, request_stop, resume_run, run_workspace, start_run, wait

TRAIN = """
import sys, time
from pathlib import Path
from workbench.jobs.rundir import stop_requested, write_status
run = Path(sys.argv[1])
with (run / "trained").open("a") as file: file.write("x")
while not stop_requested(run) and (run / "go-on").exists() is False: time.sleep(0.02)
write_status(run, epoch=2, epochs=2, step=8, outcome="stopped" if stop_requested(run) else "completed")
"""


class SmallLauncher:
    """Starts a program that waits for a stop request."""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        self.jobs: list[LaunchJob] = []

    def refuse(self, job: LaunchJob) -> str:
        return self.reason

    def plan(self, job: LaunchJob) -> LaunchPlan:
        self.jobs.append(job)
        return LaunchPlan(argv=(job.python, "-c", TRAIN, str(job.run)))


class SmallHost:
    """The host as far as starting a run needs it."""

    def __init__(self) -> None:
        self.plugins = [SimpleNamespace(name="small", state="active", version="1.2")]
        self.small = SmallLauncher()
        self.refusal: Exception | None = None
        self.created: list[RunFacts] = []

    def launcher(self, name: str) -> str:
        return name

    def create(self, registered: str) -> SmallLauncher:
        if registered != "local":
            raise PluginError(f"there is no launcher '{registered}'")
        return self.small

    def phonemizer_for(self, language: str, name: str) -> None:
        if language != "ru":
            raise PluginError(f"no phonemizer for the language '{language}'")

    def normalizer(self, name: str) -> None:
        raise PluginError(f"there is no normalizer '{name}'")

    def emit_run_created(self, run: RunFacts) -> None:
        self.created.append(run)
        if self.refusal:
            raise self.refusal


@pytest.fixture
def host() -> Any:
    return SmallHost()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    (tmp_path / "wavs").mkdir()
    (tmp_path / "metadata.csv").write_text("a|b\nc|d\n")
    for name in ("a.wav", "c.wav"):
        (tmp_path / "wavs" / name).touch()
    (tmp_path / "workbench.toml").write_text(
        '[voice]\nname = "anna"\nlanguage = "ru"\nquality = "tiny"\n[training]\nepochs = 2\n'
    )
    real = start._write_launch

    def without_preparing(folder: Path, space: Workspace, host: Any) -> None:
        real(folder, space, host)
        steps = read_json(folder / "launch.json")["steps"]
        assert [step["name"] for step in steps] == ["prepare", "train"]
        write_json(folder / "launch.json", {"steps": steps[1:]})

    monkeypatch.setattr(start, "_write_launch", without_preparing)
    yield load_workspace(tmp_path)
    for folder in (tmp_path / "runs").glob("*-anna*"):
        ask_to_stop(folder)
        wait(folder, 20)


def test_a_started_run_is_live_and_describes_itself(workspace: Workspace, host: Any) -> None:
    run = start_run(workspace, host, overrides={"training.batch_size": 3})
    assert (run.live, run.state) == (True, "running")
    identity = run.identity
    assert (identity["voice"], identity["quality"], identity["seed"]) == ("anna", "tiny", 1234)
    assert identity["versions"]["plugin small"] == "1.2"
    assert identity["versions"]["torch"]
    assert identity["model"]["audio"]["sample_rate"] == 22050
    assert run_workspace(run.folder).training.batch_size == 3
    assert run_workspace(run.folder).root == workspace.root
    assert run_workspace(run.folder).training.batching == "buckets"
    settings = run.folder / "run.toml"
    settings.write_text(settings.read_text().replace('batching = "buckets"\n', ""))
    assert run_workspace(run.folder).training.batching == "random", "a run from before there were buckets"
    assert host.created[0].folder == run.folder
    assert host.small.jobs[0].python == sys.executable
    request_stop(run.folder)
    ended = wait(run.folder, 20)
    assert (ended.live, ended.state) == (False, "stopped")
    kinds = [event["kind"] for event in read_lines(run.folder / "events.jsonl")]
    assert kinds[:3] == ["created", "started", "stop_requested"]
    assert kinds[-1] == "finished"


def test_a_second_run_is_refused_while_one_is_active_and_allowed_after(workspace: Workspace, host: Any) -> None:
    first = start_run(workspace, host)
    with pytest.raises(RunActiveError, match=f"{first.id} is starting.*workbench stop {first.id}"):
        start_run(workspace, host)
    while not (first.folder / "trained").exists():
        time.sleep(0.02)
    write_status(first.folder, phase="train", epoch=0, epochs=2)
    with pytest.raises(RunActiveError, match=r"is training in this workspace \(epoch 1 of 2\)"):
        resume_run(first.folder, host)
    request_stop(first.folder)
    wait(first.folder, 20)
    second = start_run(workspace, host)
    assert second.live
    assert second.id != first.id


def test_a_run_whose_trainer_is_still_saving_blocks_the_next_one(workspace: Workspace, host: Any) -> None:
    folder = workspace.runs / "old"
    folder.mkdir(parents=True)
    write_json(folder / "run.json", {"format": 1})
    saving = FileLock(folder / "step.lock")
    saving.acquire()
    with pytest.raises(RunActiveError, match="still saving"):
        start_run(workspace, host)
    saving.release()


def test_a_refused_run_leaves_no_directory(workspace: Workspace, host: Any) -> None:
    host.refusal = RunError("plugin small refuses the run: not today")
    with pytest.raises(RunError, match="not today"):
        start_run(workspace, host)
    host.refusal, host.small.reason = None, "devices is 2"
    with pytest.raises(RunError, match="devices is 2"):
        start_run(workspace, host)
    host.small.reason = ""
    with pytest.raises(PluginError, match="launcher 'nowhere'"):
        start_run(workspace, host, overrides={"training.launcher": "nowhere"})
    assert not workspace.runs.exists()
    workspace.runs.mkdir()
    (workspace.runs / "notes").touch()
    with pytest.raises(PluginError):
        start_run(workspace, host, overrides={"training.launcher": "nowhere"})
    assert [path.name for path in workspace.runs.iterdir()] == ["notes"]


def test_a_supervisor_that_can_not_start_is_reported_with_its_last_line(
    workspace: Workspace, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RunError, match="the run did not start"):
        start_run(workspace, host)


def test_a_run_keeps_a_copy_of_the_phoneme_map_it_began_with(workspace: Workspace, host: Any) -> None:
    own = workspace.root / "own.json"
    own.write_text('{"_": 0, "^": 1, "$": 2, "a": 14}')
    run = start_run(workspace, host, overrides={"text.phoneme_map": "own.json"})
    own.unlink()
    kept = run_workspace(run.folder).phoneme_map
    assert kept == run.folder / "phonemes.json"
    assert read_json(kept)["a"] == 14


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ({"phoneme_map": "no.json"}, r"no\.json: can't be read"),
        ({"phoneme_map": "own.json"}, r"own\.json: 'a' has the id 999"),
        ({"phoneme_map": "good.json", "vowel_clusters": [["a", "j"]]}, r"good\.json has no id for 'aj'"),
    ],
)
def test_a_phoneme_map_that_can_not_be_used_leaves_no_run(
    workspace: Workspace, host: Any, text: dict[str, Any], said: str
) -> None:
    (workspace.root / "own.json").write_text('{"_": 0, "^": 1, "$": 2, "a": 999}')
    (workspace.root / "good.json").write_text('{"_": 0, "^": 1, "$": 2}')
    host.phonemizer_for = lambda *_: SimpleNamespace(spec=SimpleNamespace(phoneme_type="espeak"))
    with pytest.raises(ConfigError, match=said):
        start_run(workspace, host, overrides={f"text.{key}": value for key, value in text.items()})
    assert not workspace.runs.exists()


def test_given_ids_start_without_a_phonemizer(workspace: Workspace, host: Any) -> None:
    workspace.metadata.write_text("a|1 0 14 0 2\nc|1 0 15 0 2\n")
    ids = {"dataset.type": "phoneme_ids", "voice.language": "xx"}
    with pytest.raises(PluginError, match="no phonemizer"):
        start_run(workspace, host, overrides={**ids, "text.phonemizer": "espeak"})
    assert start_run(workspace, host, overrides=ids).live


@pytest.mark.parametrize("missing", ["metadata.csv", "wavs"])
def test_a_data_set_that_is_not_there_is_named(workspace: Workspace, host: Any, missing: str) -> None:
    path = workspace.root / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DatasetError, match=missing):
        start_run(workspace, host)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b"", "empty"),
        ("a|\u043f\u0440\u0438\u0432\u0435\u0442\nc|d\n".encode("utf-16"), "metadata.csv: "),
        (b"a\nc\n", r"metadata.csv: 0 of 2 rows can be trained.*line 1"),
        (b"x|b\ny|d\n", r"0 of 2 rows.*line 1 \(x\): there is no such recording in wavs"),
    ],
)
def test_a_table_that_can_not_be_trained_makes_no_run(workspace: Workspace, host: Any, table: bytes, said: str) -> None:
    workspace.metadata.write_bytes(table)
    with pytest.raises(DatasetError, match=said) as caught:
        start_run(workspace, host)
    assert "\n" not in str(caught.value)
    assert not workspace.runs.exists()


def test_a_missing_phonemizer_or_normalizer_makes_no_run(workspace: Workspace, host: Any) -> None:
    for overrides in ({"voice.language": "xx"}, {"text.normalizers": ["none"]}):
        with pytest.raises(PluginError):
            start_run(workspace, host, overrides=overrides)
    assert not workspace.runs.exists()


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "empty"), (b"hello", "not a checkpoint"), (b"PK\x03\x04 and no more", "cut off")]
)
def test_a_file_that_is_no_checkpoint_makes_no_run(workspace: Workspace, host: Any, content: bytes, said: str) -> None:
    (workspace.root / "a.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        start_run(workspace, host, resume=workspace.root / "a.ckpt")
    with zipfile.ZipFile(workspace.root / "a.ckpt", "w") as archive:
        archive.writestr("word/document.xml", b"")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        start_run(workspace, host, resume=workspace.root / "a.ckpt")
    assert not workspace.runs.exists()


def test_runs_that_is_a_file_is_one_line_and_stays(workspace: Workspace, host: Any) -> None:
    workspace.runs.write_text("mine")
    with pytest.raises(RunError, match="runs: a file stands where the folder"):
        start_run(workspace, host)
    with pytest.raises(RunError, match="runs: a file stands where the folder"):
        list_runs(workspace.runs)
    assert workspace.runs.read_text() == "mine"


@pytest.mark.parametrize("refused", ["mkdir", "open"])
def test_a_read_only_place_is_one_line(
    workspace: Workspace, host: Any, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    target, name = (Path, "mkdir") if refused == "mkdir" else (FileLock, "acquire")
    monkeypatch.setattr(target, name, refuse)
    with pytest.raises(EnvironmentProblem, match=r"^runs: the run can't be written here \(Read-only file system\)"):
        start_run(workspace, host)


def test_a_lock_that_was_removed_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = FileLock(path), FileLock(path)
    first.acquire()

    def remove() -> None:
        time.sleep(0.2)
        path.unlink()
        first.release()

    remover = threading.Thread(target=remove)
    remover.start()
    second.acquire(seconds=10)
    remover.join()
    assert is_held(path)
    second.release()


def test_a_disk_without_room_for_two_checkpoints_is_refused(
    workspace: Workspace, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=20_000_000))
    with pytest.raises(EnvironmentProblem, match=r"20 MB are free, two checkpoints of quality tiny need \d+ MB"):
        start_run(workspace, host)


def test_a_wrong_override_is_refused(workspace: Workspace, host: Any) -> None:
    with pytest.raises(ConfigError, match="batch_sise"):
        start_run(workspace, host, overrides={"training.batch_sise": 3})


def test_a_checkpoint_to_go_on_from_must_exist_and_is_written_down(workspace: Workspace, host: Any) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        start_run(workspace, host, resume=workspace.root / "none.ckpt")
    with zipfile.ZipFile(workspace.root / "a.ckpt", "w") as archive:
        archive.writestr("a/data.pkl", b"")
    run = start_run(workspace, host, resume=workspace.root / "a.ckpt")
    assert run.identity["resumed_from"] == str(workspace.root / "a.ckpt")


def test_the_start_table_is_obeyed_and_written_down(workspace: Workspace, host: Any) -> None:
    with zipfile.ZipFile(workspace.root / "a.ckpt", "w") as archive:
        archive.writestr("a/data.pkl", b"")
    begun = with_overrides(workspace, {"start.checkpoint": "a.ckpt", "start.mode": "vocoder"})
    run = start_run(begun, host, model={"hidden_channels": 48})
    assert run.identity["resumed_from"] == str(workspace.root / "a.ckpt")
    assert run.identity["model"] == {"hidden_channels": 48}
    assert run_workspace(run.folder).start == begun.start
    request_stop(run.folder)
    wait(run.folder, 20)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        start_run(workspace, host, overrides={"start.checkpoint": "none.ckpt"})


def test_going_on_from_a_run_that_held_its_learning_rates_holds_them(workspace: Workspace) -> None:
    path = workspace.root / "a.ckpt"
    for mode, rate, expected in (
        ("resume", "keep", "keep"),
        ("resume", "set", "continue"),
        ("resume", "continue", "continue"),
        ("warm-start", "keep", "continue"),
    ):
        table = {"start.checkpoint": "b.ckpt", "start.mode": mode, "start.learning_rate": rate}
        settings = with_overrides(workspace, table)
        assert going_on_from(path, settings)["start.learning_rate"] == expected
        assert going_on_from(path, settings)["start.mode"] == "resume"
    from_scratch = with_overrides(workspace, {"start.learning_rate": "keep"})
    assert going_on_from(path, from_scratch)["start.learning_rate"] == "continue"


def test_a_stopped_run_goes_on_in_its_own_directory(workspace: Workspace, host: Any) -> None:
    run = start_run(workspace, host)
    request_stop(run.folder)
    wait(run.folder, 20)
    (run.folder / "checkpoints" / "epoch=0-step=2.ckpt").touch()
    ask_to_stop(run.folder)  # a request from before must not stop it again
    resumed = resume_run(run.folder, host)
    assert resumed.live
    assert resumed.id == run.id
    request_stop(run.folder)
    assert wait(run.folder, 20).state == "stopped"
    assert (run.folder / "trained").read_text() == "xx"
    events = {event["kind"]: event for event in read_lines(run.folder / "events.jsonl")}
    assert events["resumed"]["checkpoint"] == "epoch=0-step=2.ckpt"


def test_a_completed_run_is_not_resumed_unless_there_is_more_to_train(workspace: Workspace, host: Any) -> None:
    run = start_run(workspace, host)
    (run.folder / "go-on").touch()
    assert wait(run.folder, 20).state == "completed"
    with pytest.raises(RunError, match=rf"2 epochs, 8 batches .*train --resume {run.id} --epochs 4$"):
        resume_run(run.folder, host)
    by_steps = with_overrides(workspace, {"training.epochs": 9, "training.max_steps": 8})
    with pytest.raises(RunError, match=rf"max_steps is 8, 8 batches .*--resume {run.id} --max-steps 16$"):
        check_not_done(read_run(run.folder), by_steps)
    settings = run.folder / "run.toml"
    settings.write_text(settings.read_text().replace("epochs = 2\n", "epochs = 4\n", 1))
    assert resume_run(run.folder, host).live


def test_a_run_that_is_not_running_can_not_be_stopped(workspace: Workspace) -> None:
    folder = workspace.runs / "old"
    folder.mkdir(parents=True)
    write_json(folder / "run.json", {"format": 1})
    write_status(folder, state="completed")
    with pytest.raises(RunError, match="not running"):
        request_stop(folder)
    assert not (folder / "stop.request").exists()


def test_waiting_ends_when_the_time_is_over(workspace: Workspace, host: Any) -> None:
    run = start_run(workspace, host)
    assert wait(run.folder, 0.2).live


def test_two_runs_of_the_same_second_get_different_names(
    workspace: Workspace, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "20260101-000000")
    monkeypatch.setattr(start, "_launch", read_run)
    names = [start_run(workspace, host).id for _ in range(3)]
    assert names == ["20260101-000000-anna", "20260101-000000-anna-2", "20260101-000000-anna-3"]
