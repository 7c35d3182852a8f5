"""The launcher `ddp`: one process for each device of this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

from workbench.api import LaunchJob, LaunchPlan
from workbench_ddp.local import LocalLauncher


class DdpLauncher:
    """Runs the trainer several times; the processes average their gradients."""

    def __init__(self, settings: object = None) -> None:
        """The launcher has no settings."""
        self._one_process = LocalLauncher()

    def refuse(self, job: LaunchJob) -> str:
        """Empty, or why the job can't run."""
        if job.devices == 1:
            return self._one_process.refuse(job)
        without = self._one_process.refuse_device(job)
        if without:
            return without
        gpus = gpu_count()
        if job.accelerator == "cuda" and gpus < job.devices:
            return (
                f"[training] devices is {job.devices}, but this machine shows {gpus} "
                f"GPU{'' if gpus == 1 else 's'}; set devices to {max(1, gpus)}"
            )
        if job.accelerator == "auto" and 0 < gpus < job.devices:
            return (
                f"[training] devices is {job.devices}, but this machine shows {gpus} "
                f'GPU{"" if gpus == 1 else "s"}; set devices to {gpus}, or accelerator to "cpu"'
            )
        return ""

    def plan(self, job: LaunchJob) -> LaunchPlan:
        """The processes; one needs nobody to look after it.

        Raises:
            ValueError: the job is one that `refuse` refuses.
        """
        reason = self.refuse(job)
        if reason:
            raise ValueError(reason)
        if job.devices == 1:
            return self._one_process.plan(job)
        return LaunchPlan(argv=(job.python, "-m", "workbench_ddp.processes", str(job.devices), str(job.run)))


def gpu_count(devices: Path = Path("/dev")) -> int:
    """NVIDIA GPUs that this process may use; counted without torch and without a driver's library."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return len([name for name in chosen.split(",") if name.strip() and name.strip() != "-1"])
    try:
        return sum(1 for path in devices.iterdir() if re.fullmatch(r"nvidia\d+", path.name))
    except OSError:
        return 0
