"""The question before a training that begins with a checkpoint: what would be kept, and the choices about it.

The file is read in a worker. Until that has said what would happen there is nothing to agree to, and a refusal is shown
here, before anything was started.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button

from workbench.config.settings import CONTINUE, KEEP, RESUME, SET, VOCODER, WARM_START
from workbench.errors import WorkbenchError
from workbench.tui.format import bar
from workbench.tui.messages import JobEnded, Progressed
from workbench.tui.services import Beginning, Progress, StartPlan
from workbench.tui.widgets.panel import Panel, entitle

if TYPE_CHECKING:
    from workbench.tui.app import WorkbenchApp

READING = "reading the checkpoint"
"""Label of the job that costs nothing to do again."""
_MODES, _RATES, _OPTIMIZERS = (RESUME, WARM_START, VOCODER), (CONTINUE, KEEP, SET), (KEEP, "fresh")
_LABEL = 12
_BELOW = 6
"""Lines of the box that are not facts: its border, the choices between blank lines, the answers."""
_INDENT = "\n" + " " * _LABEL


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What was answered."""

    how: str
    """`begin` with the checkpoint, from `scratch`, or `resume` the stopped run."""
    beginning: Beginning | None = None
    plan: StartPlan | None = None


class StartScreen(ModalScreen[Start | None]):
    """Facts, choices and answers; esc answers nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", id="start.close"),
        Binding("m", "choose('mode')", "mode", id="start.mode"),
        Binding("l", "choose('learning_rate')", "learning rate", id="start.rate"),
        Binding("o", "choose('optimizer')", "optimizer", id="start.optimizer"),
        Binding("left", "app.focus_previous", "previous", id="start.previous"),
        Binding("right", "app.focus_next", "next", id="start.next"),
        Binding("up,k", "move('scroll_up')", "up", id="start.up"),
        Binding("down,j", "move('scroll_down')", "down", id="start.down"),
        Binding("pageup", "move('scroll_page_up')", "page up", id="start.pageup"),
        Binding("pagedown", "move('scroll_page_down')", "page down", id="start.pagedown"),
    ]

    def __init__(self, facts: str, beginning: Beginning, others: list[tuple[str, str]]) -> None:
        """
        Args:
            facts: what a training would do, whatever it begins with.
            beginning: the first proposal.
            others: value and label of the other answers; the label's first character is its key.
        """
        super().__init__()
        self._facts = facts
        self._beginning = beginning
        self._answers = [("begin", "train with it"), *others, ("cancel", "cancel")]
        self._plan: StartPlan | None = None
        self._read_for: Beginning | None = None
        self._state = f"{READING} …"

    def compose(self) -> ComposeResult:
        """The facts in a box that scrolls, the choices, the answers."""
        with Vertical(id="dialog"):
            with VerticalScroll(id="plan"):
                yield Panel(self._facts, id="facts")
            yield Panel(id="choices")
            with Horizontal(id="answers"):
                for value, label in self._answers:
                    yield Button(Content(label), id=f"answer-{value}", compact=True, disabled=value == "begin")

    def on_mount(self) -> None:
        """Title, focus, the first plan."""
        box = self.query_one("#dialog")
        entitle(box, "start a training?")
        box.border_subtitle = "↑ ↓ scroll   ← → and Enter, or first letter   esc closes"
        self.query_one("#plan", VerticalScroll).can_focus = False
        self.query_one("#answer-cancel").focus()
        self._ask()

    def on_resize(self, event: events.Resize) -> None:
        """Lines are as long as the box is wide; the facts leave room for the choices and the answers."""
        self.query_one("#plan").styles.max_height = max(3, event.size.height * 9 // 10 - _BELOW)
        self.call_after_refresh(self._draw)

    # --- the plan --------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Let the worker look at the file; one look at a time."""
        self._plan, self._state = None, f"{READING} …"
        self._draw()
        if self._read_for is not None:
            return  # the answer that is on its way comes first, then this one
        wanted = self._read_for = self._beginning
        app = cast("WorkbenchApp", self.app)

        def work(progress: Progress) -> StartPlan:
            return app.services.plan_start(wanted, progress)

        app.start_job(self, "start", READING, work)

    @on(Progressed)
    def _progressed(self, event: Progressed) -> None:
        event.stop()
        if self._plan is None:
            share = f"{bar(event.done / event.total, 20)} {event.done:.0f} of {event.total:.0f} " if event.total else ""
            self._state = f"{share}{event.what}{'' if event.total else ' …'}"
            self._draw()

    @on(JobEnded)
    def _ended(self, event: JobEnded) -> None:
        asked, self._read_for = self._read_for, None
        if asked != self._beginning:
            self._ask()
            return
        if isinstance(event.result, StartPlan):
            self._plan, self._state = event.result, event.result.refusal and f"✗ can't begin: {event.result.refusal}"
        elif event.error is not None:
            said = str(event.error)
            self._state = f"✗ can't begin: {said if isinstance(event.error, WorkbenchError) else f'failed: {said}'}"
        button = self.query_one("#answer-begin", Button)
        button.disabled = self._plan is None or bool(self._plan.refusal)
        if not button.disabled:
            button.focus()
        self._draw()

    def _draw(self) -> None:
        self.query_one("#facts", Panel).show("\n".join(self._lines()))
        chosen = self._beginning
        resumes = chosen.mode == RESUME
        parts = [f"m mode: {chosen.mode}"]
        if resumes:
            parts += [f"l learning rate: {chosen.learning_rate}", f"o optimizer: {chosen.optimizer}"]
        self.query_one("#choices", Panel).show("   ".join(parts))

    def _lines(self) -> list[str]:
        width = max(30, self.query_one("#plan").scrollable_content_region.width)
        lines = [self._facts, ""]
        for label, text, warning in self._plan.facts if self._plan is not None else ():
            said = f"▲ {text}" if warning else text
            lines.append(f"{label:<{_LABEL}}" + _INDENT.join(textwrap.wrap(said, width - _LABEL) or [""]))
        if self._state:
            lines += ["", *textwrap.wrap(self._state, width)]
        return lines

    # --- keys -------------------------------------------------------------------------------------------------------

    def action_choose(self, what: str) -> None:
        """The next value of a choice."""
        values = {"mode": _MODES, "learning_rate": _RATES, "optimizer": _OPTIMIZERS}[what]
        if what != "mode" and self._beginning.mode != RESUME:
            return  # a warm start has fresh optimizers and the settings' rates
        now = values.index(getattr(self._beginning, what))
        changes = {what: values[(now + 1) % len(values)]}
        self._beginning = replace(self._beginning, **changes)  # type: ignore[arg-type]  # every choice is text
        self.query_one("#answer-begin", Button).disabled = True
        self._ask()

    def action_move(self, how: str) -> None:
        """Scroll the facts."""
        getattr(self.query_one("#plan", VerticalScroll), how)(animate=False)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self._answer((event.button.id or "").removeprefix("answer-"))

    def on_key(self, event: events.Key) -> None:
        """The first letter of an answer gives it."""
        for value, label in self._answers:
            if event.character and label.startswith(event.character):
                event.stop()
                self._answer(value)
                return

    def _answer(self, value: str) -> None:
        if value == "begin":
            if self._plan is not None and not self._plan.refusal:
                self.dismiss(Start(how=value, beginning=self._beginning, plan=self._plan))
        else:
            self.dismiss(None if value == "cancel" else Start(how=value))
