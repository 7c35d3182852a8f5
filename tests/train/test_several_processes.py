"""The trainer as one of several processes: who writes, and what is left for the launcher."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from core_vits.train.errors import PeerLost, TrainingError
from workbench.jobs.rundir import read_json, read_lines, write_json, write_status
from workbench.train.__main__ import FAILURE_NOTE, PEER_LOST, explain, main
from workbench.train.guard import plugin_callbacks


class Left(Exception):
    """In the place of `os._exit`."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of two processes whose trainer fails."""
    write_json(tmp_path / "run.json", {"format": 1})
    write_status(tmp_path, message="an older problem")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv(FAILURE_NOTE, str(tmp_path / "note.json"))

    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr("workbench.train.__main__.listen", lambda _: lambda: False)
    return tmp_path


def fail(run: Path, monkeypatch: pytest.MonkeyPatch, rank: int, error: Exception) -> int:
    def train(*_: object) -> str:
        raise error

    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setattr("workbench.train.__main__.train", train)
    with pytest.raises(Left) as left:
        main([str(run)])
    return int(left.value.args[0])


def errors_of(run: Path) -> list[Any]:
    return [event["message"] for event in read_lines(run / "events.jsonl") if event["kind"] == "error"]


def test_another_than_the_first_leaves_its_reason_for_the_launcher_and_writes_nothing_else(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail(run, monkeypatch, 1, TrainingError("the losses are not finite")) == 2
    note = json.loads((run / "note.json").read_text())["message"]
    assert note["message"] == "the losses are not finite"
    assert "TrainingError" in note["extraInfo"]["py_callstack"]
    assert note["extraInfo"]["timestamp"].isdigit()
    assert capsys.readouterr().err.splitlines()[-1] == "the losses are not finite"
    assert read_json(run / "status.json")["message"] == "an older problem"
    assert errors_of(run) == []


def test_the_first_writes_its_reason_into_the_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fail(run, monkeypatch, 0, TrainingError("the losses are not finite")) == 2
    assert read_json(run / "status.json")["message"] == "the losses are not finite"
    assert errors_of(run) == ["the losses are not finite"]


def test_who_only_notices_that_another_one_is_gone_takes_no_blame(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain(PeerLost("gone")) == ("gone", PEER_LOST)
    assert fail(run, monkeypatch, 0, PeerLost("another process has ended")) == PEER_LOST
    assert not (run / "note.json").exists()
    assert read_json(run / "status.json")["message"] == ""  # nothing stands in the place of the reason
    assert errors_of(run) == []


def test_callbacks_of_plugins_are_called_where_they_ask_for_it(tmp_path: Path) -> None:
    class Spec:
        def __init__(self, name: str, ranks: str) -> None:
            self.name, self.ranks = name, ranks

    class Registered:
        plugin = "p"

        def __init__(self, name: str, ranks: str) -> None:
            self.spec = Spec(name, ranks)

    class Plugins:
        def callbacks(self) -> list[Registered]:
            return [Registered("a", "zero"), Registered("b", "all")]

        def create(self, registered: Registered) -> object:
            return registered.spec.name

    found = {
        first: [callback._callback for callback in plugin_callbacks(Plugins(), tmp_path, first=first)]  # type: ignore[arg-type,attr-defined]
        for first in (True, False)
    }
    assert found == {True: ["a", "b"], False: ["b"]}
