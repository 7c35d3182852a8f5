"""One utterance in full: what it sounds and looks like, its text, what was measured, what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from workbench.tui.widgets.clip import ClipPicture, ClipView
from workbench.tui.widgets.panel import Panel, entitle

COLUMNS, BANDS = 160, 32
"""Finest picture that is drawn."""


class InspectScreen(ModalScreen[None]):
    """The utterance under the cursor; [ and ] go to its neighbours, space plays, esc closes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss(None)", "close", id="inspect.close"),
        Binding("left_square_bracket,k", "go(-1)", "previous", id="inspect.previous"),
        Binding("right_square_bracket,j", "go(1)", "next", id="inspect.next"),
        Binding("space", "play", "play", id="inspect.play"),
        Binding("e", "exclude", "exclude", id="inspect.exclude"),
    ]

    def __init__(
        self,
        tell: Callable[[], tuple[str, str]],
        look: Callable[[Callable[[ClipPicture | None], object]], object],
        go: Callable[[int], object],
        play: Callable[[], object],
        exclude: Callable[[], object],
    ) -> None:
        """
        Args:
            tell: title and text of the utterance under the cursor.
            look: gives its picture to the function that it is handed, sooner or later.
            go: moves the cursor.
            play: plays it.
            exclude: excludes it, or includes it again.
        """
        super().__init__()
        self._tell, self._look, self._go, self._play, self._exclude = tell, look, go, play, exclude

    def compose(self) -> ComposeResult:
        """Picture and text in a box."""
        with VerticalScroll(id="page"):
            yield ClipView(id="picture")
            yield Panel(id="text")

    def on_mount(self) -> None:
        """Show the first one."""
        box = self.query_one("#page", VerticalScroll)
        box.border_subtitle = "[ ] others   ␣ plays   e excludes   esc closes"
        box.focus()
        self.reread()

    def reread(self) -> None:
        """Show what is under the cursor now."""
        title, text = self._tell()
        entitle(self.query_one("#page"), title)
        self.query_one("#text", Panel).show(text)
        self.query_one(ClipView).show(None)
        self._look(self._draw)

    def _draw(self, picture: ClipPicture | None) -> None:
        if self.is_attached:  # it may have been closed meanwhile
            self.query_one(ClipView).show(picture)

    def action_go(self, rows: int) -> None:
        """Another utterance."""
        self._go(rows)
        self.reread()

    def action_play(self) -> None:
        """Play it."""
        self._play()

    def action_exclude(self) -> None:
        """Exclude it, or include it again."""
        self._exclude()
