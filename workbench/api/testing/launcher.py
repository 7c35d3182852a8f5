"""The suite for launchers."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from workbench.api import Launcher, LaunchJob
from workbench.api.testing.samples import one_line


class LauncherContract:
    """What every launcher must do. Give a fixture `launcher`; `jobs_to_refuse` lists jobs that it can't run."""

    jobs_to_refuse: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Changes to an ordinary job (one process on the CPU) that make it one this launcher refuses."""

    @pytest.fixture
    def launcher(self) -> Launcher:
        """The launcher to be tested."""
        pytest.fail("the subclass must define the fixture 'launcher'")

    @pytest.fixture
    def job(self, tmp_path: Path) -> LaunchJob:
        """An ordinary job."""
        run = tmp_path / "runs" / "20260101-000000-probe"
        run.mkdir(parents=True)
        return LaunchJob(run=run, workspace=tmp_path, devices=1, accelerator="cpu", python=sys.executable)

    def test_it_plans_a_command_that_names_the_run(self, launcher: Launcher, job: LaunchJob) -> None:
        assert launcher.refuse(job) == ""
        plan = launcher.plan(job)
        assert all(isinstance(part, str) and part and "\0" not in part for part in plan.argv)
        assert str(job.run) in plan.argv
        assert all(isinstance(name, str) and isinstance(value, str) for name, value in plan.env.items())
        assert plan.cwd is None or plan.cwd.is_dir()

    def test_planning_starts_nothing_and_writes_nothing(self, launcher: Launcher, job: LaunchJob) -> None:
        launcher.plan(job)
        assert list(job.run.iterdir()) == []

    def test_a_job_it_cannot_run_is_refused_in_one_line(self, launcher: Launcher, job: LaunchJob) -> None:
        for changes in self.jobs_to_refuse:
            assert one_line(launcher.refuse(dataclasses.replace(job, **changes))), changes
