"""The launchers of workbench_ddp."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from workbench.api import Launcher, LaunchJob
from workbench.api.testing import LauncherContract, PluginContract
from workbench_ddp.ddp import DdpLauncher, gpu_count
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

    def test_it_is_alone_whatever_job_it_is_started_out_of(self, launcher: Launcher, job: LaunchJob) -> None:
        assert (launcher.plan(job).env["RANK"], launcher.plan(job).env["WORLD_SIZE"]) == ("0", "1")

    def test_several_devices_are_a_matter_of_the_other_launcher(self, launcher: Launcher, job: LaunchJob) -> None:
        assert 'set launcher = "ddp"' in launcher.refuse(dataclasses.replace(job, devices=2))

    def test_cuda_is_refused_where_torch_has_none(
        self, launcher: Launcher, job: LaunchJob, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cuda = dataclasses.replace(job, accelerator="cuda")
        monkeypatch.setattr("importlib.metadata.version", lambda _: "2.9.1+cpu")
        assert "torch 2.9.1+cpu is built for the CPU only" in launcher.refuse(cuda)
        monkeypatch.setattr("importlib.metadata.version", lambda _: "2.9.1+cu128")
        assert launcher.refuse(cuda) == ""


class TestDdpLauncher(LauncherContract):
    jobs_to_refuse: ClassVar[Sequence[Mapping[str, Any]]] = ({"devices": 4, "accelerator": "cuda"},)

    @pytest.fixture
    def launcher(self, monkeypatch: pytest.MonkeyPatch) -> Launcher:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        monkeypatch.setattr("importlib.metadata.version", lambda _: "2.9.1+cu128")
        return DdpLauncher(None)

    def test_it_runs_one_process_for_each_device(self, launcher: Launcher, job: LaunchJob) -> None:
        plan = launcher.plan(dataclasses.replace(job, devices=2))
        assert plan.argv == (sys.executable, "-m", "workbench_ddp.processes", "2", str(job.run))

    def test_one_process_needs_nobody_to_look_after_it(self, launcher: Launcher, job: LaunchJob) -> None:
        assert launcher.plan(job).argv == (sys.executable, "-m", "workbench.train", str(job.run))

    def test_more_processes_than_gpus_are_refused_with_their_number(self, launcher: Launcher, job: LaunchJob) -> None:
        for accelerator in ("cuda", "auto"):
            said = launcher.refuse(dataclasses.replace(job, devices=3, accelerator=accelerator))
            assert "devices is 3, but this machine shows 2 GPUs; set devices to 2" in said
        assert launcher.refuse(dataclasses.replace(job, devices=3, accelerator="cpu")) == ""

    def test_without_a_gpu_auto_means_processes_on_the_cpu(
        self, launcher: Launcher, job: LaunchJob, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        assert launcher.refuse(dataclasses.replace(job, devices=2, accelerator="auto")) == ""
        assert "shows 0 GPUs" in launcher.refuse(dataclasses.replace(job, devices=2, accelerator="cuda"))

    def test_cuda_is_refused_where_torch_has_none(
        self, launcher: Launcher, job: LaunchJob, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.metadata.version", lambda _: "2.9.1+cpu")
        assert "built for the CPU only" in launcher.refuse(dataclasses.replace(job, devices=2, accelerator="cuda"))


def test_gpus_are_counted_by_their_device_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert gpu_count(tmp_path) == 2
    assert gpu_count(tmp_path / "none") == 0
