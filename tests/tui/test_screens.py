"""Each pane at the size it is designed for and on a large terminal: golden text, and what it says when it is empty."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rich.cells import cell_len
from textual.geometry import Size
from textual.screen import Screen
from tui.recorded import Recorded, screen_text, until

from workbench.tui.app import SMALLEST, WorkbenchApp
from workbench.tui.screens.dialogs import PickScreen

SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
Golden = Callable[[str], None]


async def shown(services: Recorded, size: tuple[int, int], pane: str, marker: str) -> str:
    """The screen of a pane once a text is on it."""
    app = WorkbenchApp(services)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.pane is not None)
        if app.snapshot.live is None:
            # The first pane is Data, whose scan has the last word in the message line.
            await until(pilot, lambda: "will not be trained" in screen_text(app))
        await pilot.press(pane)
        if pane == "1":
            await until(pilot, lambda: "will not be trained" in screen_text(app))
        # The look that is under way, and one that draws what it found.
        await until(pilot, lambda: marker in screen_text(app))
        await pilot.pause(0.3)
        text = screen_text(app)
    lines = text.splitlines()
    assert len(lines) == size[1]
    assert all(cell_len(line) <= size[0] for line in lines)
    assert lines[-1].startswith(" ? help")
    return text


@SIZES
async def test_data(training: Recorded, golden: Golden, size: tuple[int, int]) -> None:
    # Beside the list the recording is drawn last.
    golden(await shown(training, size, "1", "▀▀▀▀" if size[0] > 100 else "usable 47"))


@SIZES
async def test_train(training: Recorded, golden: Golden, size: tuple[int, int]) -> None:
    golden(await shown(training, size, "2", "discriminator"))


@SIZES
async def test_checkpoints(training: Recorded, golden: Golden, size: tuple[int, int]) -> None:
    golden(await shown(training, size, "3", "720"))


@SIZES
async def test_train_without_a_run(recorded: Recorded, golden: Golden, size: tuple[int, int]) -> None:
    golden(await shown(recorded, size, "2", "Press t to train"))


@SIZES
async def test_checkpoints_without_a_run(recorded: Recorded, golden: Golden, size: tuple[int, int]) -> None:
    golden(await shown(recorded, size, "3", "Press t to train"))


async def test_a_terminal_below_60x20_shows_one_plain_block(training: Recorded, golden: Golden) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=(50, 12)) as pilot:
        await until(pilot, lambda: "epoch 4/20" in screen_text(app))
        golden(screen_text(app))


async def test_every_list_shows_rows_in_the_smallest_terminal(training: Recorded) -> None:
    assert "utt_00001.wav" in await shown(training, SMALLEST, "1", "usable 47")
    text = await shown(training, SMALLEST, "3", "720")
    assert "480" in text
    assert "ru-aelita-tiny.onnx" in text
    assert "⠤" in await shown(training, SMALLEST, "2", "discriminator")


async def test_the_screen_follows_a_resize(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "discriminator" in screen_text(app))
        await pilot.resize_terminal(160, 48)
        await until(pilot, lambda: "loss_d" in screen_text(app) or "feature  " in screen_text(app))
        wide = screen_text(app).splitlines()
        assert "steps/s" in wide[0], "the header says more on a wide terminal"
        assert any(line.startswith("╭─ runs") for line in wide)
        await pilot.resize_terminal(50, 12)
        await until(pilot, lambda: "terminal too small" in screen_text(app))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "[2 Train]" in screen_text(app))


async def test_preparing_shows_progress_and_time_left(recorded: Recorded) -> None:
    from tui.recorded import make_run

    from workbench.jobs.rundir import FileLock

    progress = {"done": 12, "total": 48, "eta_seconds": 41.0, "what": "clips"}
    folder = make_run(recorded.runs, "20270115-090000-aelita", phase="prepare", step=0, progress=progress)
    lock = FileLock(folder / "run.lock")
    lock.acquire()
    text = await shown(recorded, (80, 24), "2", "25 %")
    lock.release()
    assert "12 of 48   41 s left" in text
    assert "preparing data 25 %" in text.splitlines()[0]


async def test_no_color_leaves_no_colour_and_loses_no_word(training: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = await shown(training, (80, 24), "1", "usable 47")
    monkeypatch.setenv("NO_COLOR", "1")
    app = WorkbenchApp(training)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("1")
        await until(pilot, lambda: "usable 47" in screen_text(app))
        await pilot.pause(0.3)
        assert screen_text(app) == coloured
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                style = segment.style
                assert style is None or style.color is None or style.color.is_default
                assert style is None or style.bgcolor is None or style.bgcolor.is_default


async def test_a_dialog_is_laid_out_once_when_it_opens_and_again_when_the_terminal_changes(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts: list[Size] = []
    lay_out = Screen._refresh_layout

    def counted(self: Screen[None], size: Size | None = None, scroll: bool = False) -> None:
        if isinstance(self, PickScreen) and size is not None:
            layouts.append(size)
        lay_out(self, size, scroll)

    monkeypatch.setattr(Screen, "_refresh_layout", counted)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        await pilot.press("s")
        await until(pilot, lambda: "characters a second" in screen_text(app))
        assert layouts == [Size(100, 30)]
        await pilot.resize_terminal(70, 24)
        await until(pilot, lambda: len(layouts) > 1)
        assert layouts[1:] == [Size(70, 24)]
        dialog = app.screen.query_one("#dialog").region
        assert dialog.x > 0
        assert dialog.right < 70
        assert "characters a second" in screen_text(app)
