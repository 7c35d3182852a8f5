"""The launchers of workbench_ddp."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from workbench.api import Launcher, LaunchJob
from workbench.api.testing import LauncherContract, PluginContract
from workbench_ddp.local import LocalLauncher


class TestPlugin(PluginContract):
    module = "workbench_ddp"


class TestLocalLauncher(LauncherContract):
    jobs_to_refuse: ClassVar[Sequence[Mapping[str, Any]]] = ({"devices": 2}, {"devices": 8})

    @pytest.fixture
    def launcher(self) -> Launcher:
        return LocalLauncher(None)

    def test_it_runs_the_trainer_with_the_interpreter_of_the_job(self, launcher: Launcher, job: LaunchJob) -> None:
        assert launcher.plan(job).argv == (sys.executable, "-m", "workbench.train", str(job.run))

    def test_several_devices_are_said_to_come_later(self, launcher: Launcher, job: LaunchJob) -> None:
        assert "later version" in launcher.refuse(dataclasses.replace(job, devices=2))

    def test_cuda_is_refused_where_torch_has_none(
        self, launcher: Launcher, job: LaunchJob, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cuda = dataclasses.replace(job, accelerator="cuda")
        monkeypatch.setattr("importlib.metadata.version", lambda _: "2.9.1+cpu")
        assert "torch 2.9.1+cpu is built for the CPU only" in launcher.refuse(cuda)
        monkeypatch.setattr("importlib.metadata.version", lambda _: "2.9.1+cu128")
        assert launcher.refuse(cuda) == ""
