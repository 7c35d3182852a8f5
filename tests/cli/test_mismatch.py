"""The verb `mismatch`: what it prints, how it ends, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_voice import write_checkpoint

import workbench.workers
from workbench.api import Finding, Severity

from .conftest import HEAD, Command


class ScriptedWorker:
    """Answers every call with one report, and remembers what was asked."""

    report: dict[str, Any]
    calls: list[tuple[str, dict[str, Any]]]
    error: BaseException | None

    def __init__(self, pool: str) -> None:
        self.pool = pool

    def __enter__(self) -> ScriptedWorker:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def call(self, target: str, *, on_progress: Any = None, **kwargs: Any) -> dict[str, Any]:
        self.calls.append((f"{self.pool} {target}", kwargs))
        if self.error is not None:
            raise self.error
        return self.report


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, folder: Path) -> type[ScriptedWorker]:
    ScriptedWorker.report = {"summary": {"fits": 5, "judged": True}, "findings": [], "clips": []}
    ScriptedWorker.calls, ScriptedWorker.error = [], None
    monkeypatch.setattr(workbench.workers, "Worker", ScriptedWorker)
    (folder / "workbench.toml").write_text(HEAD, "utf-8")
    return ScriptedWorker


def finding(severity: Severity) -> dict[str, object]:
    return Finding(
        rule="mismatch.text", severity=severity, subject="metadata.csv:7", message="it does not fit"
    ).as_json()


def test_recordings_that_fit_end_with_0_and_a_doubt_does_too(workbench: Command, worker: type[ScriptedWorker]) -> None:
    worker.report["findings"] = [finding(Severity.INFO)]
    outcome = workbench("mismatch", "--threads", "2")
    assert outcome.code == 0
    assert "info    metadata.csv:7: it does not fit" in outcome.out
    assert "fits: 5" in outcome.out
    ((target, options),) = worker.calls
    assert target == "audio workbench.workers.targets.mismatch:listen"
    assert (options["threads"], options["recognizer"]) == (2, "auto")


def test_a_recording_that_does_not_fit_ends_with_1_also_as_json(
    workbench: Command, worker: type[ScriptedWorker]
) -> None:
    worker.report["findings"] = [finding(Severity.WARNS)]
    assert workbench("mismatch").code == 1
    outcome = workbench("mismatch", "--json")
    assert outcome.code == 1
    assert outcome.json == worker.report


def test_ctrl_c_says_that_nothing_is_lost(workbench: Command, worker: type[ScriptedWorker]) -> None:
    worker.error = KeyboardInterrupt()
    outcome = workbench("mismatch")
    assert outcome.code == 130
    assert "what was heard is kept" in outcome.out


def test_a_checkpoint_of_a_run_is_asked_in_the_torch_worker(
    workbench: Command, worker: type[ScriptedWorker], folder: Path
) -> None:
    checkpoint = write_checkpoint(folder / "runs" / "one" / "checkpoints" / "epoch=0-step=2.ckpt")
    (folder / "runs" / "one" / "run.json").write_text("{}", "utf-8")
    assert workbench("mismatch", "--checkpoint", str(checkpoint)).code == 0
    ((target, options),) = worker.calls
    assert target == "torch workbench.workers.targets.alignment_scores:score"
    assert options == {
        "checkpoint": str(checkpoint),
        "run_folder": str(folder / "runs" / "one"),
        "table": "metadata.csv",
        "workspace_file": str(folder / "workbench.toml"),
    }


def test_a_checkpoint_that_belongs_to_no_run_is_refused_with_the_reason(
    workbench: Command, worker: type[ScriptedWorker], folder: Path
) -> None:
    write_checkpoint(folder / "alone.ckpt")
    outcome = workbench("mismatch", "--checkpoint", "alone.ckpt")
    assert outcome.code == 2
    assert "belongs to no run of the workbench" in outcome.error
    assert worker.calls == []


def test_without_a_recogniser_it_is_one_line_that_says_so(
    workbench: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "workbench.toml").write_text(HEAD, "utf-8")
    monkeypatch.setenv("WORKBENCH_PLUGINS", "health")
    outcome = workbench("mismatch")
    assert outcome.code == 2
    assert outcome.error.startswith("nothing here can hear which phones a recording holds: no plugin registers one")
