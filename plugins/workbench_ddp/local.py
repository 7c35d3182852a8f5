"""The launcher `local`: one process on this machine."""

from __future__ import annotations

from importlib import metadata

from workbench.api import LaunchJob, LaunchPlan

# Started out of a job of several processes (a cluster's, say), the trainer would else take its number for its own.
ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}


class LocalLauncher:
    """Runs the trainer with the workbench's own interpreter."""

    def __init__(self, settings: object = None) -> None:
        """The launcher has no settings."""

    def refuse(self, job: LaunchJob) -> str:
        """Empty, or why the job can't run in one process."""
        if job.devices > 1:
            return (
                f"[training] devices is {job.devices}, but the launcher 'local' starts one process; "
                'set launcher = "ddp", which starts one for each device, or devices = 1'
            )
        return self.refuse_device(job)

    def refuse_device(self, job: LaunchJob) -> str:
        """Empty, or why this installation can't compute on the device of the job."""
        if job.accelerator == "cuda" and _torch_version().endswith("+cpu"):
            return (
                f"[training] accelerator is 'cuda', but torch {_torch_version()} is built for the CPU only; "
                'set accelerator = "auto", or install a torch for CUDA (make env picks the one that fits)'
            )
        return ""

    def plan(self, job: LaunchJob) -> LaunchPlan:
        """The trainer as a module of the interpreter that the job names.

        Raises:
            ValueError: the job is one that `refuse` refuses.
        """
        reason = self.refuse(job)
        if reason:
            raise ValueError(reason)
        return LaunchPlan(argv=(job.python, "-m", "workbench.train", str(job.run)), env=dict(ALONE))


def _torch_version() -> str:
    """Version of the installed torch, looked up and not imported; empty when there is none."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return ""
