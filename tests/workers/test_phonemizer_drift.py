"""A phonemizer that is not the one that a run was prepared with is told by the health check."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.config import load_workspace
from workbench.workers.targets.health_drift import phonemizer_drift

FRONT: Any = SimpleNamespace(name="espeak", version="1.51", language="ru")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "workbench.toml").write_text('[voice]\nname = "probe"\nlanguage = "ru"\n', "utf-8")
    return tmp_path


def prepared(folder: Path, run: str, phonemizer: object) -> None:
    (folder / "runs" / run).mkdir(parents=True)
    (folder / "runs" / run / "prepare.json").write_text(json.dumps({"phonemizer": phonemizer}), "utf-8")


def found(folder: Path) -> list[str]:
    return [item.message for item in phonemizer_drift(load_workspace(folder), FRONT)]


def test_the_newest_run_counts(folder: Path) -> None:
    assert found(folder) == []
    prepared(folder, "20260101-000000-a", {"name": "espeak", "version": "1.50", "language": "ru"})
    (message,) = found(folder)
    assert message.startswith("run 20260101-000000-a was prepared with espeak 1.50 ru, here is espeak 1.51 ru.")
    prepared(folder, "20260102-000000-b", {"name": "espeak", "version": "1.51", "language": "ru"})
    assert found(folder) == []


@pytest.mark.parametrize("described", [None, [], {}, {"name": ""}])
def test_a_run_that_does_not_say_is_passed_over(folder: Path, described: object) -> None:
    prepared(folder, "20260101-000000-a", described)
    assert found(folder) == []
