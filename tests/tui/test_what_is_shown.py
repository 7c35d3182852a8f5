"""What is on the screen is what is meant: the run that is shown, a message to its end, the colours of the curves."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tui.recorded import Recorded, add_checkpoint, make_run, screen_text, until

from workbench.errors import DatasetError
from workbench.jobs.rundir import FileLock
from workbench.tui.app import WorkbenchApp
from workbench.tui.services import Exported

SIZE = (100, 30)


async def test_an_export_that_ends_while_another_pane_has_the_focus_is_shown_when_one_comes_back(
    training: Recorded,
) -> None:
    onnx = training.root / "voices" / "ru-aelita-tiny.onnx"
    training.export_result = Exported(files=(onnx,), largest_difference=4.7e-8, accepted=True, message="equal")
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("1")
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        training.gate = threading.Event()
        await pilot.press("3")
        await until(pilot, lambda: "720" in screen_text(app))
        await pilot.press("e")
        await until(pilot, lambda: "33 %  exporting" in screen_text(app))
        await pilot.press("1")
        await until(pilot, lambda: app.focused is app.query_one("#findings"))
        training.gate.set()
        await until(pilot, lambda: "exported ru-aelita-tiny.onnx, largest difference" in screen_text(app))
        await pilot.press("3")
        await until(pilot, lambda: "✓ exported voices/ru-aelita-tiny.onnx" in screen_text(app))
        assert "failed" not in screen_text(app)


async def test_the_checkpoints_pane_survives_that_the_focus_goes_to_a_list_of_another_pane(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("1")
        await until(pilot, lambda: "48 utterances" in screen_text(app))
        for _ in range(5):
            # Faster than the pane hears of the focus that it gets and loses again.
            for key in "3131":
                app.simulate_key(key)
            await pilot.pause(0.05)
        await pilot.press("3")
        await until(pilot, lambda: "720" in screen_text(app))
        assert "failed" not in screen_text(app)


async def test_r_resumes_the_run_that_is_shown_and_never_another_one(recorded: Recorded) -> None:
    for day, state in (("13", "stopped"), ("14", "stopped"), ("15", "completed")):
        folder = make_run(recorded.runs, f"202701{day}-090000-aelita", state=state, phase="done")
        add_checkpoint(folder, 1, 120, val_mel=26.5)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(130, 40)) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("2")
        await until(pilot, lambda: "log of 20270115-090000-aelita" in screen_text(app))
        await pilot.press("r")
        await until(
            pilot, lambda: "20270115-090000-aelita can't be resumed; 20270114-090000-aelita" in screen_text(app)
        )
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "this is the latest run" in screen_text(app))
        for day in ("14", "13"):
            await pilot.press("left_square_bracket")
            await until(pilot, lambda day=day: f"log of 202701{day}-090000-aelita" in screen_text(app))
        await pilot.press("r")
        await until(pilot, lambda: ("start", "20270113-090000-aelita") in recorded.calls)
        assert [call for call in recorded.calls if call[0] == "start"] == [("start", "20270113-090000-aelita")]


async def test_the_legend_has_the_colours_of_the_curves(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "●─ val" in screen_text(app) and "⠤" in screen_text(app))
        parts = [(row, part) for row, strip in enumerate(app.screen._compositor.render_strips()) for part in strip]
        colour = {part.text.strip(): part.style.color for row, part in parts if row == 4 and part.style is not None}
        for sign, glyph in (("──", "⠤"), ("●─", "●")):
            drawn = {
                part.style.color for row, part in parts if row > 4 and glyph in part.text and part.style is not None
            }
            assert colour[sign] in drawn, sign
        assert colour["──"] != colour["●─"]


async def test_a_long_message_is_shown_to_its_end_because_it_says_what_to_do_there(recorded: Recorded) -> None:
    error = (
        "metadata.csv: 0 of 12 rows can be trained, at least 2 are wanted. The first dropped row is line 1: byte 18 "
    )
    error += "is not UTF-8; the row was skipped. Save the file as UTF-8. See all: workbench health."
    recorded.scan_error = DatasetError(error)
    app = WorkbenchApp(recorded)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "See all: workbench health." in screen_text(app))
        lines = screen_text(app).splitlines()
        assert error in " ".join(" ".join(lines[-4:-1]).split())
        assert lines[-1].startswith(" ? help")
        assert lines[-1].endswith("q quit")


@pytest.mark.parametrize(
    ("size", "memory", "said"),
    [
        ((80, 24), {"parts": 1, "measured": True}, "memory 17.9/24 GB   40/120"),
        ((80, 24), {"parts": 3, "measured": False}, "memory ~17.9/24 GB  ▲ 3 parts   40/120"),
        ((160, 48), {"parts": 2, "measured": True}, "largest batch 17.9 of 23.6 GB memory  ▲ 2 parts"),
    ],
)
async def test_the_memory_of_the_largest_batch_is_shown(
    recorded: Recorded, size: tuple[int, int], memory: dict[str, Any], said: str
) -> None:
    bytes_of_it = {"needed_bytes": 17_900_000_000, "available_bytes": 23_600_000_000}
    make_run(recorded.runs, "20270115-090000-aelita", memory=bytes_of_it | memory)
    recorded.lock = FileLock(recorded.runs / "20270115-090000-aelita" / "run.lock")
    recorded.lock.acquire()
    try:
        app = WorkbenchApp(recorded)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: said in screen_text(app))
    finally:
        recorded.lock.release()


async def test_a_status_whose_memory_says_nothing_is_shown_without_it(recorded: Recorded) -> None:
    make_run(recorded.runs, "20270115-090000-aelita", state="stopped", memory={"needed_bytes": "much"})
    app = WorkbenchApp(recorded)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.pane is not None)
        await pilot.press("2")
        await until(pilot, lambda: "batch 400" in screen_text(app))
        assert "memory" not in screen_text(app)
