"""Which utterances the data pane lists, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from textual import on
from textual.widgets import Input

from workbench.tui.panes import utterances
from workbench.tui.panes.beside import Beside
from workbench.tui.panes.scan import Group, ScanIndex
from workbench.tui.screens.dialogs import PickScreen
from workbench.tui.widgets.panel import entitle

NOT_SCANNED = "Every row and recording is looked at first; x cancels."
AT_ONCE = 2_000
"""Rows that are chosen and sorted faster than a key is answered."""


class Choosing(Beside):
    """The part of the data pane that filters and sorts."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self.index: ScanIndex | None = None
        """Of the last scan, or of what the first one has found so far."""
        self.group: Group | None = None
        """Whose rows are shown; None for all."""
        self.coming = False
        """Whether the first scan is under way, so that its parts are shown."""
        self._words = ""
        self._order, self._falling = "line", False
        self._choosing = 0
        """Number of the latest choice of rows: what comes late is dropped."""

    def action_filter(self) -> None:
        """Type words; rows are filtered while you type."""
        line = self.query_one("#filter", Input)
        line.display = True
        line.focus()

    def action_sort(self) -> None:
        """Choose an order; the same one again turns it round."""

        def picked(order: str | None) -> None:
            if order is not None:
                self._falling = not self._falling if order == self._order else order != "line" and order != "file"
                self._order = order
                self.choose_rows()

        orders = [*utterances.ORDERS, *([utterances.FIT] if self.comparison.suspicion else [])]
        self.app.push_screen(PickScreen("sort by", orders, self._order), picked)

    def action_back(self) -> None:
        """Take filters away, then go back to the findings."""
        line = self.query_one("#filter", Input)
        filtered = self.group is not None or self._words or line.display
        self.group, self._words = None, ""
        line.display = False
        line.value = ""
        self.choose_rows()
        if not filtered or line.has_focus:
            self.query_one("#findings").focus()

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._words:
            self._words = event.value
            self.choose_rows()

    @on(Input.Submitted, "#filter")
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#filter").display = bool(self._words)
        self.utterances.focus()

    def choose_rows(self, *, keep: bool = False) -> None:
        """Show the rows that are wanted; of many, they are chosen and sorted in a thread."""
        index = self.index
        if index is None:
            return
        self.show_titles()
        self._choosing += 1
        choosing, everything = self._choosing, self.group is None and not self._words
        choose = self._choice(index)
        if choose is None or len(index.utterances) <= AT_ONCE:
            self._show_rows(index.utterances if choose is None else choose(), everything=everything, keep=keep)
            return

        def chosen(rows: Sequence[Mapping[str, Any]]) -> None:
            if choosing == self._choosing:
                self._show_rows(rows, everything=everything, keep=keep)

        self.workbench.in_thread(choose, chosen)

    def _choice(self, index: ScanIndex) -> Callable[[], Sequence[Mapping[str, Any]]] | None:
        """What chooses and sorts the rows that are wanted now; None for all of them as they are."""
        group, words = self.group, self._words
        value: Callable[[Mapping[str, Any]], float | str | None] | None = None
        falling = self._falling
        if self._by_fit:
            value, falling = self.fit_of, True
        elif self._order != "line" or falling:
            value = self.fit_of if self._order == utterances.FIT else utterances.ORDERS[self._order]
        if group is None and not words and value is None:
            return None

        def choose() -> Sequence[Mapping[str, Any]]:
            rows = index.chosen(group, words)
            return rows if value is None else rows.in_order(value, falling=falling)

        return choose

    def _show_rows(self, rows: Sequence[Mapping[str, Any]], *, everything: bool, keep: bool) -> None:
        nothing = NOT_SCANNED if self.coming else "The metadata has no row that could be read."
        empty = nothing if everything else "No utterance matches. esc shows all."
        self.utterances.show(rows, cursor=None if keep else 0, empty=empty)

    @property
    def _by_fit(self) -> bool:
        """Whether rows that stand out are shown, the worst of which is wanted first."""
        of_rule = self.group is not None and self.group.rule.startswith("mismatch.")
        return of_rule and self._order == "line" and not self._falling

    def show_titles(self) -> None:
        """Say above the list what it shows."""
        parts = ["utterances"]
        if self.group is not None:
            parts.append(f"rule: {self.group.rule}")
        if self._words:
            parts.append(f"filter: {self._words}")
        if self._by_fit:
            parts.append("worst first")
        elif self._order != "line" or self._falling:
            parts.append(f"{self._order} {'↓' if self._falling else '↑'}")
        entitle(self.utterances, " · ".join(parts))
