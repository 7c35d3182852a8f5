"""Reports of projects on a machine that is always the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from report_story import make_story

from workbench.report import Report
from workbench.report.machine import Gpu, Machine
from workbench.report.making import report_on
from workbench.report.records import Section, Statement
from workbench.report.situation import Scan, read_situation

GPU = Gpu(name="RTX 4090", bytes=24 << 30, used=0, driver="550.54")
MACHINE = Machine(
    host="box", cores=16, memory=64 << 30, gpus=(GPU, GPU), gpu_problem="", driver_cuda="12.4", container="",
    shared_memory=32 << 30,
)  # fmt: skip

Make = Callable[..., Report]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Reports on a folder; by default nothing is scanned and two GPUs are there."""

    def make_report(folder: Path, scan: Scan | None = None, *, machine: Machine = MACHINE) -> Report:
        monkeypatch.chdir(folder)
        monkeypatch.setattr("workbench.report.sections.dependencies.cuda_of_torch", lambda: "12.4")
        return report_on(dataclasses.replace(read_situation(folder, scan), machine=machine))

    return make_report


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole story: 8,397 clips."""
    return make_story(tmp_path_factory.mktemp("story") / "felix")


def section(report: Report, name: str) -> Section:
    """A section by its name."""
    return next(section for section in report.sections if section.name == name)


def statement(report: Report, key: str) -> Statement:
    """The statement with a key; there must be just one."""
    found = [item for part in report.sections for item in part.statements if item.text.key == key]
    assert len(found) == 1, [item.text.key for part in report.sections for item in part.statements]
    return found[0]


def keys(report: Report) -> set[str]:
    """Keys of all statements."""
    return {item.text.key for part in report.sections for item in part.statements}
