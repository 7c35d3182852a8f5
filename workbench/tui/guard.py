"""A pane that fails must not take the workbench with it.

Textual ends the app on any exception in a widget: while it is made, composed, mounted, drawn, or handles a message or a
timer. A `Holder` owns one pane; the app asks `holder_of` who is to blame and lets that holder show the failure instead.
This leans on three private methods of Textual (`App._handle_exception`, `Screen._compositor_refresh` and
`MessagePump._message_loop_exit`), so Textual is pinned below 9, and `tests/tui/test_guard.py`
fails a pane in each of these ways.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType

from textual._context import active_message_pump
from textual.app import App
from textual.containers import Container
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widget import Widget
from textual.worker import WorkerFailed

from workbench.tui.widgets.panel import Panel


class Holder(Container):
    """Owns one pane: makes it when it is first shown, and shows its failure when it fails."""

    def __init__(self, make: Callable[[], Widget], *, name: str, title: str, key: str) -> None:
        """
        Args:
            make: creates the pane.
            name: short name of the pane; also the id of this widget.
            title: for the tab.
            key: digit that shows it.
        """
        super().__init__(id=f"pane-{name}")
        self._make = make
        self.pane_name = name
        self.title = title
        self.key = key
        self.pane: Widget | None = None
        self.failure = ""
        self._opened = False

    async def open(self) -> Widget | None:
        """The pane, made and mounted when this is the first time; None when it failed or is not ready yet."""
        if not self._opened:
            self._opened = True
            try:
                pane = self._make()
                await self.mount(pane)
                # Only now: while it is being mounted it has no parts that could be asked for anything.
                self.pane = pane
            except Exception as error:  # noqa: BLE001 - whatever a pane raises stays in its holder
                self.fail(error)
        return None if self.failure else self.pane

    def fail(self, error: BaseException) -> None:
        """Take the pane away and say why; the rest goes on."""
        if self.failure:
            return
        self.failure = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
        for child in self.children:
            child.display = False
        if self.is_attached:
            # A widget whose message loop has ended would swallow every key while it has the focus.
            self.screen.set_focus(None)
        self.call_later(self._replace)

    async def _replace(self) -> None:
        await self.remove_children()
        for child in list(self.children):
            # A widget that failed while it was mounted has no message loop left that could take it out of the tree.
            await child._message_loop_exit()
        text = (
            f"\n ✗ {self.title} failed: {self.failure}\n\n Everything else goes on. The trace is in the log (see ! )."
        )
        await self.mount(Panel(text))


def holder_of(error: BaseException) -> Holder | None:
    """The holder whose pane raised an error: by the frames of the trace, or else by the widget that is at work."""
    if isinstance(error, WorkerFailed):
        error = error.error
    candidates: list[object] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        candidates.append(trace.tb_frame.f_locals.get("self"))
        trace = trace.tb_next
    candidates.append(active_message_pump.get(None))
    for candidate in reversed(candidates):
        node = candidate if isinstance(candidate, MessagePump) else None
        while node is not None and not isinstance(node, App):
            if isinstance(node, Holder):
                return node if candidate is not node else None
            node = node._parent
    return None


class GuardedScreen(Screen[None]):
    """The screen below the dialogs; an exception while it draws a pane is the pane's, not the app's."""

    def _compositor_refresh(self) -> None:
        try:
            super()._compositor_refresh()
        except Exception as error:
            holder = holder_of(error)
            if holder is None:
                raise
            holder.fail(error)
