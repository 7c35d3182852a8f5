"""Starting and resuming a training from the terminal: what is asked before, and what is shown after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.tui.messages import Said
from workbench.tui.screens.dialogs import AskScreen
from workbench.tui.screens.start import Start, StartScreen
from workbench.tui.services import Beginning, Services, StartPlan
from workbench.tui.threads import ThreadedApp
from workbench.tui.watch import Snapshot
from workbench.tui.widgets.frame import run_state

if TYPE_CHECKING:
    from workbench.jobs.runs import RunView


class StartingApp(ThreadedApp):
    """The part of the app that starts runs; which run is shown belongs to it, for a new one is."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services
        self.snapshot = Snapshot()
        self._shown_run: Path | None = None

    def look_again(self) -> None:
        """Files were just written."""

    async def action_pane(self, name: str) -> None:
        """Show a pane."""

    def action_start_training(self) -> None:
        """Ask, with facts, then start."""
        self.begin_with(None)

    def begin_with(self, checkpoint: Path | None) -> None:
        """Ask about a new run that begins with this checkpoint; None: with what the settings name, if anything."""
        if self.snapshot.live is not None:
            self.post_message(Said(f"{self.snapshot.live.id} is training already; X stops it", "warn"))
            return
        services = self.services
        self.in_thread(lambda: (services.training_facts(), services.beginning(checkpoint)), self._ask_to_train)

    def _ask_to_train(self, found: tuple[str, Beginning | None]) -> None:
        facts, beginning = found
        stopped = self.snapshot.resumable
        others = []
        if stopped is not None:
            others = [("resume", f"resume {stopped.id}")]
            facts += f"\n\n{stopped.id}: {run_state(stopped)}; r resumes it where it ended."
        if beginning is not None:
            screen = StartScreen(facts, beginning, [("scratch", "from scratch"), *others])
            self.push_screen(screen, self._answered_to_train)
            return

        def answered(answer: str | None) -> None:
            self._answered_to_train(Start(how=answer) if answer in {"scratch", "resume"} else None)

        answers = [("scratch", "train from the start"), *others, ("cancel", "cancel")]
        self.push_screen(AskScreen("start a training?", facts, answers, first="scratch"), answered)

    def _answered_to_train(self, answer: Start | None) -> None:
        if answer is None:
            return
        if answer.beginning is not None and answer.plan is not None:
            self._start(None, (answer.beginning, answer.plan))
        else:
            self._start(self.snapshot.resumable if answer.how == "resume" else None)

    def action_resume(self) -> None:
        """Resume the run that is shown. Another one than the eyes are on is never resumed."""
        shown, other = self.snapshot.run, self.snapshot.resumable
        if self.snapshot.live is not None:
            self.post_message(Said(f"{self.snapshot.live.id} is training already", "warn"))
        elif other is None or shown is None:
            self.post_message(Said("no stopped training with a checkpoint to resume; t starts one", "warn"))
        elif other.folder != shown.folder:
            self.post_message(Said(f"{shown.id} can't be resumed; {other.id} can: [ and ] show it", "warn"))
        else:
            self._start(other)

    def _start(self, resume: RunView | None, begin: tuple[Beginning, StartPlan] | None = None) -> None:
        self.post_message(Said("starting the training …" if resume is None else f"resuming {resume.id} …"))

        async def started(run: RunView) -> None:
            self._shown_run = run.folder
            self.look_again()
            self.post_message(Said(f"{run.id} started; closing this window does not stop it", "good"))
            await self.action_pane("train")

        self.in_thread(lambda: self.services.start(resume, begin), lambda run: self.call_later(started, run))
