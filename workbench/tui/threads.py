"""Work that may block: in threads, with its progress and its end as messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual import on
from textual.app import App
from textual.widget import Widget

from workbench.errors import WorkbenchError
from workbench.tui.alerts import record
from workbench.tui.messages import Answered, JobEnded, Progressed, Said
from workbench.tui.services import Progress

SCAN_JOB = "dataset scan"
"""Label of the job that costs nothing to do again."""


class ThreadedApp(App[None]):
    """An app whose event loop never waits for a file, a process or a disk."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, None] = {}
        """Labels of the jobs that are under way, oldest first."""

    def jobs_changed(self) -> None:
        """A job began or ended."""

    def in_thread(self, work: Callable[[], Any], then: Callable[[Any], object] | None = None) -> None:
        """Do something that may block; call `then` with its result on the event loop. Errors become a message."""

        # Textual's record of a thread lives in a cycle, so until some collection; what the work holds must not, for it
        # may be a scan.
        waiting = [work]
        del work

        def body() -> None:
            try:
                result = waiting.pop()()
            except Exception as error:  # noqa: BLE001 - a thread of ours must not end the app
                self.post_message(Said(self.explain("this", error), "bad"))
                return
            if then is not None:
                self.post_message(Answered(then, result))

        self.run_worker(body, thread=True, group="asked", exit_on_error=False)

    @on(Answered)
    def _answered(self, event: Answered) -> None:
        event.then(event.result)

    def start_job(self, owner: Widget, job: str, label: str, work: Callable[[Progress], Any]) -> None:
        """Run a long call in a thread; `owner` gets `Progressed` and `JobEnded`."""

        def report(done: float, total: float, what: str) -> None:
            owner.post_message(Progressed(job, done, total, what))

        def body() -> None:
            result, failure = None, None
            try:
                result = work(report)
            except Exception as error:  # noqa: BLE001 - a thread of ours must not end the app
                failure = error
                if not isinstance(error, WorkbenchError):
                    record(error)
            ended = JobEnded(job, label, result, failure)
            if not owner.post_message(ended):
                self.post_message(ended)  # the pane is gone; the list of jobs must still get to know

        self.jobs[label] = None
        self.jobs_changed()
        self.run_worker(body, thread=True, group=f"job-{job}", exit_on_error=False)

    @on(JobEnded)
    def _job_ended(self, event: JobEnded) -> None:
        self.jobs.pop(event.label, None)
        self.jobs_changed()

    def explain(self, what: str, error: Exception) -> str:
        """One line for the user; the trace of what nobody foresaw goes to the log."""
        if isinstance(error, WorkbenchError):
            return str(error)
        return f"{what} failed: {type(error).__name__}: {error} (trace in {record(error)})"
