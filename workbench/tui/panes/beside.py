"""The utterance under the cursor, beside the list: what was found about it, and its recording drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual.timer import Timer

from workbench.tui.panes import utterances
from workbench.tui.panes.comparing import Comparing
from workbench.tui.screens.inspect import BANDS, COLUMNS
from workbench.tui.widgets.clip import ClipPicture, ClipView
from workbench.tui.widgets.panel import Panel

MOST_PICTURES = 200
LOOK_SECONDS = 0.15
"""How long the cursor must rest on an utterance before its recording is drawn."""


class Beside(Comparing):
    """The part of the data pane that shows one utterance."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self.pictures: dict[str, ClipPicture | None] = {}
        """Of the recordings that were drawn, by path."""
        self._resting: Timer | None = None

    def show_one(self) -> None:
        """The utterance under the cursor beside the list; its recording is drawn when the cursor rests."""
        beside = self.query_one("#one")
        if not beside.display:
            return
        title, text = self.tell()
        self.query_one("#detail", Panel).show(f"{title}\n\n{text}" if title else "")
        item = self.utterances.selected
        known = self.pictures.get(str(item.get("path"))) if item is not None else None
        self.query_one("#picture", ClipView).show(known)
        if self._resting is not None:
            self._resting.stop()
        if item is not None and known is None and item.get("path"):
            self._resting = self.set_timer(LOOK_SECONDS, lambda: self.look(self.query_one("#picture", ClipView).show))

    def tell(self) -> tuple[str, str]:
        """Title and text of the utterance under the cursor."""
        item = self.utterances.selected
        if item is None:
            return "", ""
        title = f"{item.get('file', '')}  (line {item.get('row', '')})"
        return title, utterances.detail(item, self.findings_of(item), self.why_excluded(item))

    def look(self, show: Callable[[ClipPicture | None], object]) -> None:
        """Draw the recording under the cursor; another one may be under it when the picture is there."""
        item = self.utterances.selected
        path = str(item.get("path") or "") if item is not None else ""
        if not path:
            return
        if path in self.pictures:
            show(self.pictures[path])
            return

        def drawn(picture: ClipPicture | None) -> None:
            if len(self.pictures) >= MOST_PICTURES:
                self.pictures.clear()
            self.pictures[path] = picture
            now = self.utterances.selected
            if now is not None and str(now.get("path")) == path:
                show(picture)

        self.workbench.in_thread(lambda: self.services.picture(Path(path), COLUMNS, BANDS), drawn)
