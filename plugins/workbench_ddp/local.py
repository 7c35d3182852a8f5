"""The launcher `local`: one process on this machine."""

from __future__ import annotations

from workbench.api import LaunchJob, LaunchPlan


class LocalLauncher:
    """Runs the trainer with the workbench's own interpreter."""

    def __init__(self, settings: object = None) -> None:
        """The launcher has no settings."""

    def refuse(self, job: LaunchJob) -> str:
        """Empty, or why the job can't run in one process."""
        if job.devices > 1:
            return (
                f"[training] devices is {job.devices}, but the launcher 'local' starts one process; "
                "set devices = 1 (several devices come with a later version)"
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
        return LaunchPlan(argv=(job.python, "-m", "workbench.train", str(job.run)))
