"""The viewer starts light and never imports what it must not."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tui.recorded import Recorded, screen_text, until

from workbench.tui.app import WorkbenchApp

FORBIDDEN = ("torch", "lightning", "librosa", "onnxruntime", "onnx", "tensorboard", "soundfile", "sounddevice")

PROGRAM = f"""
import sys
import workbench.tui.app, workbench.tui.live
first = [name for name in ("numpy", "textual_plot") if name in sys.modules]
import workbench.tui.panes.data, workbench.tui.panes.train, workbench.tui.panes.checkpoints
heavy = [name for name in {FORBIDDEN!r} if name in sys.modules]
print(first, heavy)
"""


def test_the_viewer_imports_nothing_heavy_and_charts_only_with_their_pane(repo: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=repo, timeout=50
    )
    assert done.stdout.split("\n")[0] == "[] []"


async def test_panes_are_made_when_they_are_first_shown(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.pane is not None)
        assert app.query("TrainPane")
        assert not app.query("DataPane")
        assert ("scan",) not in training.calls
        await pilot.press("1")
        await until(pilot, lambda: "48 utterances" in screen_text(app))


async def test_a_hidden_pane_is_not_drawn_and_its_curves_are_not_read(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "batches" in screen_text(app))
        await pilot.press("3")
        await until(pilot, lambda: "720" in screen_text(app))
        from workbench.tui.widgets.chart import LossChart

        drawn: list[str] = []
        chart = app.query_one("#chart", LossChart)
        chart.draw = lambda: drawn.append("drawn")  # type: ignore[method-assign]
        training.clock += 10
        await pilot.pause(1.2)
        assert drawn == []


async def test_a_quiet_run_costs_next_to_nothing(training: Recorded) -> None:
    app = WorkbenchApp(training)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "batches" in screen_text(app))
        await pilot.pause(1.0)
        started, cpu = time.monotonic(), time.process_time()
        await pilot.pause(3.0)
        share = (time.process_time() - cpu) / (time.monotonic() - started)
    # About 1 % on a quiet machine.
    assert share < 0.10
