"""A pane may fail in any way: the workbench goes on and says which pane it was and why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from textual import events
from textual.app import ComposeResult, RenderResult
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static
from tui.recorded import Recorded, screen_text, until

from workbench.api import PaneSpec
from workbench.tui.app import WorkbenchApp
from workbench.tui.panes.checkpoints import CheckpointsPane


class Good(Widget, can_focus=True):
    def render(self) -> RenderResult:
        return "a pane of a plugin"


class FailsWhenMade(Good):
    def __init__(self) -> None:
        raise RuntimeError("boom")


class FailsToCompose(Good):
    def compose(self) -> ComposeResult:
        yield Static("half")
        raise RuntimeError("boom")


class FailsToMount(Good):
    def on_mount(self) -> None:
        raise RuntimeError("boom")


class FailsToRender(Good):
    def render(self) -> RenderResult:
        raise RuntimeError("boom")


class FailsToDrawALine(Good):
    def render_line(self, y: int) -> Strip:
        raise RuntimeError("boom")


class FailsOnKey(Good):
    def on_key(self, event: events.Key) -> None:
        if event.key == "z":
            raise RuntimeError("boom")


class FailsInATimer(Good):
    def on_mount(self) -> None:
        self.set_timer(0.01, self.explode)

    def explode(self) -> None:
        raise RuntimeError("boom")


class FailsInAWorker(Good):
    def on_mount(self) -> None:
        self.run_worker(self.explode())

    async def explode(self) -> None:
        raise RuntimeError("boom")


class FailsInAChild(Good):
    def compose(self) -> ComposeResult:
        yield FailsToMount()


class FailsOnResize(Good):
    def on_resize(self) -> None:
        raise RuntimeError("boom")


def app_with(services: Recorded, pane: type[Widget]) -> WorkbenchApp:
    spec = PaneSpec(name="test", title="Test", target="nowhere:Nothing")
    return WorkbenchApp(services, plugin_panes=[(spec, pane)])


async def test_a_plugin_pane_is_a_tab(recorded: Recorded) -> None:
    app = app_with(recorded, Good)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("6")
        await until(pilot, lambda: "[6 Test]" in screen_text(app) and "a pane of a plugin" in screen_text(app))
        await pilot.press("7")
        await until(pilot, lambda: "no plugin adds a pane here" in screen_text(app))


KINDS: list[type[Any]] = [
    FailsWhenMade,
    FailsToCompose,
    FailsToMount,
    FailsToRender,
    FailsToDrawALine,
    FailsOnKey,
    FailsInATimer,
    FailsInAWorker,
    FailsInAChild,
    FailsOnResize,
]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
async def test_a_failing_pane_is_contained(recorded: Recorded, kind: type[Widget]) -> None:
    app = app_with(recorded, kind)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        # Not through the pilot: it waits for an answer of every widget, and one that failed in mounting gives none.
        app.simulate_key("6")
        await asyncio.sleep(0.3)
        app.simulate_key("z")
        await asyncio.sleep(0.1)
        await until(pilot, lambda: "✗ Test failed: " in screen_text(app) and "boom" in screen_text(app))
        assert app.is_running
        # The rest still works: other panes, the frame, a resize, coming back.
        await pilot.press("1", "down")
        await until(pilot, lambda: "[1 Data]" in screen_text(app) and "48 utterances" in screen_text(app))
        await pilot.press("3")
        await until(pilot, lambda: "No checkpoint yet" in screen_text(app))
        await pilot.press("6")
        await until(pilot, lambda: "✗ Test failed: " in screen_text(app))
        await pilot.resize_terminal(100, 30)
        await pilot.press("2")
        await until(pilot, lambda: "Press t to train" in screen_text(app))
        await pilot.press("q")
        await pilot.pause(0.2)
    assert not app.is_running


async def test_a_failing_pane_of_ours_is_contained_too(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.tui.panes import scan

    def explode(*_: object) -> str:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(scan, "histogram", explode)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "✗ Data failed: " in screen_text(app))
        await pilot.press("3")
        await until(pilot, lambda: "No checkpoint yet" in screen_text(app))
    assert "division by zero" in (recorded.root / "state" / "voice-workbench" / "tui.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("way", ["looked", "ticked", "shown"])
async def test_a_pane_of_ours_that_fails_when_the_app_calls_it_leaves_the_app_alive(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(f"{way} fails")

    monkeypatch.setattr(CheckpointsPane, way, fail)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("3")
        await until(pilot, lambda: f"Checkpoints failed: ValueError: {way} fails" in screen_text(app))
        await pilot.press("1")
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)
    assert app.return_code == 0
