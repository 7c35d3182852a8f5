"""The terminal workbench: a frame around panes. Wires messages; what a pane does is in the pane."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.filter import LineFilter, Monochrome, NoColor
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget

from workbench.jobs.runs import PIPER
from workbench.tui.alerts import AlertLog, record
from workbench.tui.clean import CleanFilter, clean
from workbench.tui.format import clock
from workbench.tui.guard import GuardedScreen, Holder, holder_of
from workbench.tui.hangup import leave_when_terminal_is_gone
from workbench.tui.keys import KEYS, bindings
from workbench.tui.messages import Looked, Said
from workbench.tui.panes.base import Pane
from workbench.tui.screens.dialogs import AskScreen
from workbench.tui.screens.pages import Page, help_text
from workbench.tui.screens.start import READING
from workbench.tui.services import Services
from workbench.tui.starting import StartingApp
from workbench.tui.threads import SCAN_JOB
from workbench.tui.watch import Watcher
from workbench.tui.widgets.frame import Footer, Header, MessageLine, Tabs, plain_block, run_state
from workbench.tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.api import PaneSpec
    from workbench.config import Workspace
    from workbench.host.host import Host
    from workbench.tail.follower import RunFollower

TICK_SECONDS = 0.5
SWITCH_SECONDS = 0.001
SMALLEST = (60, 20)
"""Columns and lines below which one plain block of text is shown."""


def _data_pane() -> Widget:
    from workbench.tui.panes.data import DataPane

    return DataPane(id="data")


def _train_pane() -> Widget:
    # The chart brings numpy and the plotting library: 0.2 s that only this pane pays.
    from workbench.tui.panes.train import TrainPane

    return TrainPane(id="train")


def _checkpoints_pane() -> Widget:
    from workbench.tui.panes.checkpoints import CheckpointsPane

    return CheckpointsPane(id="checkpoints-pane")


class WorkbenchApp(StartingApp):
    """Frame, run state, messages, confirmations."""

    TITLE = "Voice Workbench"
    CSS_PATH = "workbench.tcss"
    # Not ClassVar as our own tables are: the base class declares both without it.
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (SMALLEST[0], "-normal"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (SMALLEST[1], "-high"), (36, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("all")]
    COMMAND_PALETTE_BINDING = "colon"

    def __init__(
        self, services: Services, *, plugin_panes: Sequence[tuple[PaneSpec, Callable[[], Widget]]] = ()
    ) -> None:
        super().__init__(services)
        # Over SSH an animation is a burst of bytes that says nothing.
        self.animation_level = "none"
        self._clean, self._no_color = CleanFilter(), NoColor()
        self.curves: RunFollower | None = None
        self.alerts = AlertLog(services.now)
        self._watcher = Watcher(services)
        self._looking = False
        self._look_problem = ""
        self._began = False
        self._first_look = True
        self._active = ""
        self._terminal = Size(80, 24)
        self._holders = [
            Holder(_data_pane, name="data", title="Data", key="1"),
            Holder(_train_pane, name="train", title="Train", key="2"),
            Holder(_checkpoints_pane, name="checkpoints", title="Checkpoints", key="3"),
        ]
        for number, (spec, make) in enumerate(plugin_panes[:4], start=6):
            self._holders.append(Holder(make, name=f"plugin{number}", title=clean(spec.title), key=str(number)))

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Every drawn line passes here: nothing from data reaches the terminal as a command to it."""
        filters = super().get_line_filters()
        if self.no_color:
            # Textual's own answer to NO_COLOR is shades of grey, which are colours to a terminal.
            filters = [line_filter for line_filter in filters if not isinstance(line_filter, Monochrome)]
            return [self._clean, *filters, self._no_color]
        return [self._clean, *filters]

    def get_default_screen(self) -> Screen[None]:
        """A screen that survives a pane that can't be drawn."""
        return GuardedScreen(id="_default")

    def compose(self) -> ComposeResult:
        """Header, tabs, pane, message, footer; or one plain block in a terminal that is too small."""
        with Vertical(id="frame"):
            yield Header(id="header")
            yield Tabs(id="tabs")
            with Container(id="body"):
                yield from self._holders
            yield MessageLine(id="message")
            yield Footer(id="footer")
        yield Panel(id="plain")

    async def on_mount(self) -> None:
        """Show the first pane; the first look at the files may change that."""
        self._began = True
        for holder in self._holders:
            holder.display = False
        # Opened after the first look: a live training is what one wants to see then.
        self._fill_frame()
        self.set_interval(TICK_SECONDS, self._tick)
        self._tick()

    def on_resize(self, event: events.Resize) -> None:
        """The frame's lines are as long as the terminal is wide."""
        # The app's own size is that of before while this event is handled.
        self._terminal = event.size
        self._fill_frame()

    # --- the files of the runs -------------------------------------------------------------------------------------

    def _tick(self) -> None:
        pane = self.pane
        if pane is not None:
            self._in_pane(pane.ticked)
        self._begin_look()

    def _begin_look(self) -> None:
        pane = self.pane
        if not self._looking:
            self._looking = True
            needs = (pane is not None and pane.needs_curves, (pane is not None and pane.NEEDS_LOG) or self._page_open)
            self.run_worker(partial(self._look, *needs), thread=True, group="look", exit_on_error=False)

    def _look(self, metrics: bool, log: bool) -> None:
        """In a thread: read what may have changed and post it."""
        news: Looked | None = None
        try:
            snapshot, curves, changed = self._watcher.look(self._shown_run, metrics=metrics, log=log)
            if changed or self._first_look or snapshot != self.snapshot or curves is not self.curves:
                news = Looked(snapshot, curves, changed)
        except Exception as error:  # noqa: BLE001 - a thread of ours must not end the app
            problem = self.explain("reading the runs", error)
            # It will most likely fail again in half a second: say it once.
            if problem != self._look_problem:
                self._look_problem = problem
                self.post_message(Said(problem, "bad"))
        finally:
            self._looking = False
        # After that: whoever is told may begin the next look.
        if news is not None:
            self.post_message(news)

    def look_again(self) -> None:
        """Files were just written: list them at the next look instead of within two seconds."""
        self._watcher.forget_list()

    @on(Looked)
    async def _looked(self, event: Looked) -> None:
        before, self.snapshot, self.curves = self.snapshot, event.snapshot, event.curves
        if self._first_look:
            self._first_look = False
            if not self._active:
                await self.action_pane("train" if event.snapshot.live is not None else "data")
            if event.snapshot.live is not None:
                self.post_message(Said(f"attached to {event.snapshot.live.id}, which is training", "good"))
        else:
            for text, level in self.alerts.news(before, event.snapshot):
                self.post_message(Said(text, level))
        if event.snapshot.note and event.snapshot.note != before.note:
            self.post_message(Said(event.snapshot.note, "warn"))
        self._fill_frame()
        pane = self.pane
        if pane is not None:
            self._in_pane(partial(pane.looked, event.snapshot, event.curves, event.curves_changed))
        if self._watcher.behind:
            self._begin_look()
        if isinstance(self.screen, Page):
            self.screen.reread()

    # --- frame -----------------------------------------------------------------------------------------------------

    @property
    def holder(self) -> Holder | None:
        """The holder that is shown."""
        return next((holder for holder in self._holders if holder.pane_name == self._active), None)

    @property
    def pane(self) -> Pane | None:
        """The pane of ours that is shown; None for a plugin's pane, a failed one, or before the first."""
        holder = self.holder
        return holder.pane if holder is not None and not holder.failure and isinstance(holder.pane, Pane) else None

    @property
    def scopes(self) -> tuple[str, ...]:
        """Scopes of the key table that hold for the pane."""
        return self.pane.SCOPES if self.pane is not None else ()

    @property
    def _page_open(self) -> bool:
        return isinstance(self.screen, Page)

    @property
    def _base(self) -> Screen[Any] | None:
        """The screen below the dialogs."""
        return self.screen_stack[0] if self.screen_stack else None

    def _fill_frame(self) -> None:
        width, height = self._terminal
        base = self._base
        if base is None or not base.query("#header"):
            return
        base.query_one(Header).fill(self.services.project, self.snapshot, width)
        tabs = [(holder.key, holder.title, holder.pane_name == self._active) for holder in self._holders]
        base.query_one(Tabs).fill(tabs, [*self.jobs], width)
        base.query_one(Footer).fill(self.scopes, width, live=self.snapshot.live is not None)
        if width < SMALLEST[0] or height < SMALLEST[1]:
            needed = f"terminal too small: {SMALLEST[0]}x{SMALLEST[1]} is needed, this is {width}x{height}"
            base.query_one("#plain", Panel).show(plain_block(needed, self.services.project, self.snapshot, height))

    def jobs_changed(self) -> None:
        """The tabs line names them."""
        self._fill_frame()

    @on(Said)
    def _said(self, event: Said) -> None:
        self.alerts.add(event.text, event.level)
        # None while the app is closing: a thread may still have had something to say.
        for line in self._base.query(MessageLine) if self._base is not None else ():
            line.say(f"{clock(self.services.now())[:5]} {clean(event.text)}", event.level)

    def _in_pane(self, call: Callable[[], object]) -> None:
        """Call into the pane that is shown; its failure must not get into our own message loop, which it would end."""
        holder = self.holder
        try:
            call()
        except Exception as error:
            if holder is None:
                raise
            self._fail(holder, error)

    def _fail(self, holder: Holder, error: Exception) -> None:
        path = record(error)
        holder.fail(error)
        self.post_message(Said(f"{holder.title} failed: {error} (trace in {path})", "bad"))

    def _handle_exception(self, error: Exception) -> None:
        """Textual's last resort: a pane's failure stays in its holder."""
        if self._began and not self.is_running:
            # While the app closes, a late message may meet a pane whose parts are gone already.
            record(error)
            return
        holder = holder_of(error)
        if holder is None:
            super()._handle_exception(error)
            return
        self._fail(holder, error)

    # --- keys ------------------------------------------------------------------------------------------------------

    async def action_pane(self, name: str) -> None:
        """Show a pane; it is made when it is first shown."""
        wanted = next((holder for holder in self._holders if holder.pane_name == name), None)
        if wanted is None:
            self.post_message(Said("no plugin adds a pane here", "info"))
            return
        for holder in self._holders:
            holder.display = holder is wanted
        self._active = name
        pane = await wanted.open()
        self._fill_frame()
        if isinstance(pane, Pane):
            self.call_after_refresh(self._shown, wanted)
        elif pane is not None:
            pane.focus()

    def _shown(self, holder: Holder) -> None:
        # A pane may have failed since it was asked to show itself.
        if holder is self.holder and self.pane is not None:
            self._in_pane(self.pane.shown)

    def action_help(self) -> None:
        """Keys of this pane and the manual."""
        text = help_text(self.scopes, self.services.manual())
        self.push_screen(Page("help", lambda: text))

    def action_help_quit(self) -> None:
        """Ctrl+C: say how to leave instead of leaving."""
        self.post_message(Said("q leaves the viewer; a training goes on. X stops the training", "info"))

    def action_alerts(self) -> None:
        """All messages so far."""
        self.push_screen(Page("messages", self.alerts.text, at_end=True))

    def action_trainer_log(self) -> None:
        """What the trainer printed; Piper keeps no log, so what else there is of its run."""
        run = self.snapshot.run
        if run is not None and run.kind == PIPER:
            self.push_screen(Page(f"{run.label}: versions and settings", lambda: "\n".join(self.snapshot.log)))
            return
        empty = "There is no run yet, so nothing was printed. Press t to train."
        self.push_screen(Page("trainer log", lambda: "\n".join(self.snapshot.log) or empty, at_end=True))

    def action_stop_training(self) -> None:
        """Ask, then request a stop."""
        live = self.snapshot.live
        if live is None:
            self.post_message(Said("no training is running", "info"))
            return

        def answered(answer: str | None) -> None:
            if answer == "stop":
                said = Said(f"{live.id} stops at the next step boundary and writes a checkpoint", "good")
                self.in_thread(lambda: self.services.stop(live), lambda _: self.post_message(said))

        facts = f"{live.id}: {run_state(live)}.\n"
        facts += "It ends at the next step boundary and writes a checkpoint; r resumes it there."
        answers = [("go", "go on training"), ("stop", "stop")]
        self.push_screen(AskScreen("stop the training?", facts, answers, first="go"), answered)

    def action_other_run(self, step: int) -> None:
        """Show an earlier or later run."""
        runs = self.snapshot.runs
        if not runs or self.snapshot.run is None:
            self.post_message(Said("there is no run yet; t starts a training", "info"))
            return
        wanted = [run.folder for run in runs].index(self.snapshot.run.folder) + step
        if not 0 <= wanted < len(runs):
            self.post_message(Said("this is the latest run" if step > 0 else "this is the earliest run", "info"))
            return
        self._shown_run = runs[wanted].folder
        self._tick()

    def action_quit_viewer(self) -> None:
        """Leave; ask first when an export or speech under way would be lost. A scan costs nothing to do again."""
        lost = [job for job in self.jobs if job not in (SCAN_JOB, READING)]
        if not lost:
            self._leave("leave")
            return
        answers = [("stay", "stay"), ("leave", "leave")]
        facts = f"{', '.join(lost)}: under way here, would be cancelled. A training goes on."
        self.push_screen(AskScreen("leave?", facts, answers, first="stay"), self._leave)

    def _leave(self, answer: str | None) -> None:
        if answer == "leave":
            # The threads that wait for a worker end with it; else the interpreter would wait for them.
            self.in_thread(self.services.close, lambda _: self.exit())

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The command palette offers every key of this pane and of everywhere."""
        for key in KEYS:
            if key.action and key.scope in {*self.scopes, "all"} and key.id != "all.palette":
                target = self if key.scope == "all" or key.action.startswith("app.") else self.pane
                call = partial(self.run_action, key.action, target)
                yield SystemCommand(f"{key.label}  ({key.shown})", key.what, call)


def run(workspace: Workspace, host: Host) -> int:
    """Open the workbench on a workspace; returns when the user leaves.

    Returns:
        The exit code of the program.
    """
    from workbench.tui.live import LiveServices

    # Read by Textual where our app object does not reach: the palette and the scrollbars.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    # Textual believes them more than the terminal; a shell that exports them would fix our size for good.
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    # Threads that parse event files and scans give way after a millisecond instead of five: a redraw takes the
    # interpreter some ten times, and would wait for them each time.
    sys.setswitchinterval(SWITCH_SECONDS)
    services = LiveServices(workspace, host)
    services.warm()
    panes = [(entry.spec, partial(_plugin_pane, host, entry.spec.target)) for entry in host.panes()]
    app = WorkbenchApp(services, plugin_panes=panes)
    leave_when_terminal_is_gone(services.close)
    try:
        # Without mouse capture, the terminal's own selection and copying work.
        app.run(mouse=False)
    finally:
        services.close()
    live = app.snapshot.live
    if live is not None:
        print(f"{live.id} goes on training; `workbench` shows it again, `workbench stop` stops it.")
    return app.return_code or 0


def _plugin_pane(host: Host, target: str) -> Widget:
    pane = host.resolve(target)
    made = pane() if callable(pane) else pane
    if not isinstance(made, Widget):
        raise TypeError(f"{target} made a {type(made).__name__}; a textual Widget is wanted")
    return made
