"""`workbench train` with a checkpoint: what is told before, what is refused, and what reaches the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench.workers
from workbench.jobs import start
from workbench.jobs.rundir import write_json
from workbench.jobs.runs import read_run

from .conftest import HEAD, Command

FACTS = [
    {"label": "model", "text": "'tiny', 1 speaker, 22050 Hz", "warning": False},
    {"label": "split", "text": "new: Piper does not store its own", "warning": True},
]
PLAN = {"facts": FACTS, "refusal": "", "model": {"hidden_channels": 32}, "plan": {}, "checkpoint": "a.ckpt"}


class Answering:
    """A worker that gives a prepared answer."""

    answer: dict[str, Any] = PLAN
    calls: list[dict[str, Any]] = []  # noqa: RUF012  # cleared by the fixture

    def __init__(self, pool: str) -> None:
        assert pool == "torch"

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, target: str, *, on_progress: object, **given: Any) -> dict[str, Any]:
        assert target == "workbench.workers.targets.starting:plan"
        self.calls.append(given)
        return self.answer


@pytest.fixture
def started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Starts that would have been made: settings and options."""
    (folder / "workbench.toml").write_text(HEAD)
    (folder / "a.ckpt").write_bytes(b"PK")
    made: list[Any] = []

    def start_run(workspace: Any, host: Any, **options: Any) -> Any:
        made.append((workspace, options))
        return read_run(folder / "runs" / "new")

    def resume_run(run: Path, host: Any) -> Any:
        made.append(("resumed", run.name))
        return read_run(run)

    (folder / "runs" / "new").mkdir(parents=True)
    monkeypatch.setattr(start, "start_run", start_run)
    monkeypatch.setattr(start, "resume_run", resume_run)
    monkeypatch.setattr(workbench.workers, "Worker", Answering)
    monkeypatch.setattr(Answering, "answer", PLAN)
    Answering.calls.clear()
    yield made
    Answering.calls.clear()


def our_run(folder: Path, start_table: str) -> Path:
    """A finished run of ours; returns its checkpoint."""
    run = folder / "runs" / "20270101-100000-probe"
    (run / "checkpoints").mkdir(parents=True)
    write_json(run / "run.json", {"format": 1, "id": run.name, "created": 1.0})
    (run / "run.toml").write_text(f"{HEAD}[training]\nbatch_size = 3\n[start]\n{start_table}\n")
    path = run / "checkpoints" / "epoch=0-step=2.ckpt"
    path.write_bytes(b"PK")
    return path


def test_what_the_run_begins_with_is_told_before_it_starts(workbench: Command, started: list[Any]) -> None:
    outcome = workbench("train", "--from", "a.ckpt", "--mode", "warm-start", "--detach")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[:2] == ["model  'tiny', 1 speaker, 22050 Hz", "split  ! new: Piper does not store its own"]
    assert "which begins with a.ckpt" in lines[2]
    ((settings, options),) = started
    assert (settings.start.mode, settings.start_checkpoint.name) == ("warm-start", "a.ckpt")
    assert options["model"] == PLAN["model"]
    assert Answering.calls[0]["settings"]["start"]["mode"] == "warm-start"


def test_a_plan_starts_nothing_and_is_json_on_request(workbench: Command, started: list[Any]) -> None:
    outcome = workbench("train", "--from", "a.ckpt", "--learning-rate", "keep", "--plan", "--json")
    assert (outcome.code, started) == (0, [])
    assert outcome.json["facts"] == FACTS
    assert Answering.calls[0]["settings"]["start"]["learning_rate"] == "keep"


def test_a_refusal_is_one_line_and_starts_nothing(
    workbench: Command, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {**PLAN, "refusal": "a.ckpt: this checkpoint is 'high', the project says 'tiny'"}
    monkeypatch.setattr(Answering, "answer", refused)
    assert workbench("train", "--from", "a.ckpt").error == refused["refusal"]
    planned = workbench("train", "--from", "a.ckpt", "--plan")
    assert (planned.code, started) == (1, [])
    assert f"can't begin: {refused['refusal']}" in planned.out


def test_the_start_table_of_the_workspace_is_obeyed_and_none_overrides_it(
    workbench: Command, folder: Path, started: list[Any]
) -> None:
    (folder / "workbench.toml").write_text(HEAD + '[start]\ncheckpoint = "a.ckpt"\nmode = "vocoder"\n')
    assert workbench("train", "--detach").code == 0
    assert started[-1][0].start.mode == "vocoder"
    assert len(Answering.calls) == 1
    assert workbench("train", "--from", "none", "--detach").code == 0
    assert started[-1][0].start_checkpoint is None
    assert started[-1][1]["model"] is None
    assert len(Answering.calls) == 1, "a run from scratch has nothing to tell"


def test_resuming_a_file_of_ours_takes_its_runs_settings_and_rates_that_were_held_stay_held(
    workbench: Command, folder: Path, started: list[Any]
) -> None:
    path = our_run(folder, 'checkpoint = "old.ckpt"\nmode = "resume"\nlearning_rate = "keep"\noptimizer = "fresh"')
    assert workbench("train", "--resume", str(path), "--detach").code == 0
    settings = started[-1][0]
    assert settings.training.batch_size == 3
    assert (settings.start.mode, settings.start.learning_rate, settings.start.optimizer) == ("resume", "keep", "keep")
    assert settings.start_checkpoint == path
    assert workbench("train", "--resume", "latest", "--learning-rate", "set", "--detach").code == 0
    assert started[-1][0].start.learning_rate == "set"


def test_resuming_a_run_goes_on_in_its_directory_and_its_plan_can_be_seen(
    workbench: Command, folder: Path, started: list[Any]
) -> None:
    path = our_run(folder, 'checkpoint = "old.ckpt"')
    assert workbench("train", "--resume", "2027", "--plan").code == 0
    assert started == []
    assert Answering.calls[-1]["own"] is True
    assert Answering.calls[-1]["settings"]["start"]["checkpoint"] == str(path)
    assert workbench("train", "--resume", "2027", "--detach").code == 0
    assert started == [("resumed", "20270101-100000-probe")]
    assert len(Answering.calls) == 1, "nothing changes, so there is nothing to ask"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--resume", "latest", "--from", "a.ckpt"], "--resume and --from both name what to go on from"),
        (["--mode", "vocoder"], "name one with --from"),
        (["--from", "none", "--learning-rate", "keep"], "name one with --from"),
        (["--from", "b.ckpt"], "b.ckpt: there is no such checkpoint"),
        (["--from", "a.ckpt", "--mode", "cold"], "invalid choice: 'cold'"),
    ],
)
def test_options_that_contradict_each_other_are_one_line(
    workbench: Command, started: list[Any], arguments: list[str], said: str
) -> None:
    outcome = workbench("train", *arguments)
    assert outcome.code == 2
    assert said in outcome.error
    assert started == []


def test_a_checkpoint_is_named_relative_to_where_one_stands(
    workbench: Command, folder: Path, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert workbench("-C", "..", "train", "--from", "../a.ckpt", "--detach").code == 0
    assert started[-1][0].start_checkpoint.resolve() == (folder / "a.ckpt").resolve()
