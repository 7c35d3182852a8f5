"""Small questions over a pane: choose an answer, edit a line, pick from a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList

from workbench.tui.clean import clean
from workbench.tui.widgets.panel import Panel, entitle


class Dialog(ModalScreen[str | None]):
    """A box over a pane."""

    def _screen_resized(self, size: Size) -> None:
        """Textual lays a new screen out and draws it, and then tells it its size, which would draw all of it again."""
        if size != self._compositor.size:
            super()._screen_resized(size)


class AskScreen(Dialog):
    """A question with its facts and two or three answers; esc answers nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", id="dialog.close"),
        Binding("left,up", "app.focus_previous", "previous", id="dialog.previous"),
        Binding("right,down", "app.focus_next", "next", id="dialog.next"),
    ]

    def __init__(self, title: str, facts: str, answers: Sequence[tuple[str, str]], *, first: str) -> None:
        """
        Args:
            title: the question.
            facts: what the answer will do, in numbers.
            answers: value and label; the label's first character is its key.
            first: value of the answer that has the focus; the safe one where something is lost.
        """
        super().__init__()
        self._question = title
        self._facts = facts
        self._answers = answers
        self._first = first

    def compose(self) -> ComposeResult:
        """The question in a box."""
        with Vertical(id="dialog"):
            yield Panel(f"{self._facts}\n\nFirst letter, or ← → and Enter; esc closes.", id="facts")
            with Horizontal(id="answers"):
                for value, label in self._answers:
                    yield Button(Content(label), id=f"answer-{value}", compact=True)

    def on_mount(self) -> None:
        """Focus the answer that Enter gives."""
        entitle(self.query_one("#dialog"), self._question)
        self.query_one(f"#answer-{self._first}").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss((event.button.id or "").removeprefix("answer-"))

    def on_key(self, event: object) -> None:
        """The first letter of an answer gives it."""
        key = getattr(event, "character", None)
        for value, label in self._answers:
            if key and label.startswith(key):
                self.dismiss(value)


class PromptScreen(Dialog):
    """One line to edit; Enter takes it, esc leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "close", id="prompt.close")]

    def __init__(self, title: str, text: str, hint: str) -> None:
        super().__init__()
        self._question = title
        self._text = text
        self._hint = hint

    def compose(self) -> ComposeResult:
        """The line in a box."""
        with Vertical(id="dialog"):
            line = Input(self._text, compact=True)
            line.cursor_blink = False
            yield line
            yield Panel(self._hint, id="facts")

    def on_mount(self) -> None:
        """Title, focus."""
        entitle(self.query_one("#dialog"), self._question)
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)


class PickScreen(Dialog):
    """One of several names."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", id="pick.close"),
        Binding("k", "move('cursor_up')", "up", id="pick.up"),
        Binding("j", "move('cursor_down')", "down", id="pick.down"),
    ]

    def __init__(self, title: str, names: Sequence[str], chosen: str) -> None:
        super().__init__()
        self._question = title
        self._names = names
        self._chosen = chosen

    def compose(self) -> ComposeResult:
        """The names in a box."""
        with Vertical(id="dialog"):
            yield OptionList(*(Content(clean(name)) for name in self._names), markup=False, compact=True)

    def on_mount(self) -> None:
        """Start on what is chosen now."""
        entitle(self.query_one("#dialog"), self._question)
        longest = max(map(cell_len, [self._question, *self._names]), default=0)
        self.query_one("#dialog").styles.width = max(40, longest + 8)
        options = self.query_one(OptionList)
        options.highlighted = self._names.index(self._chosen) if self._chosen in self._names else 0
        options.focus()

    def action_move(self, how: str) -> None:
        """One up or down."""
        getattr(self.query_one(OptionList), f"action_{how}")()

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._names[event.option_index])
