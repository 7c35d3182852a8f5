"""How long a key or a redraw takes in the data pane, with 100,000 rows that are being scanned, sorted and filtered.

    python tests/bench/bench_data_pane.py [--rows 100000] [--folder KEEP] [--profile]

Prints, for each thing that is done, the milliseconds from the key to the next drawn screen, and the longest time that
the event loop was busy without a pause: that long a key waits at worst. Both also as CPU time of the loop's own thread,
which says the same on a busy machine. The scan runs in its worker, as for a user.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import os
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench_scan import make_rows
from textual import events

import workbench.tui
from workbench.config import load_workspace
from workbench.host import Host
from workbench.tui.app import WorkbenchApp
from workbench.tui.live import LiveServices

_STEP = 0.005
KEYS = {"slash": "/"}


class Measured(WorkbenchApp):
    """Notes when the screen was drawn."""

    CSS_PATH = Path(workbench.tui.__file__).with_name("workbench.tcss")
    drawn = 0.0

    def _display(self, *args: Any, **kwargs: Any) -> None:
        super()._display(*args, **kwargs)
        self.drawn = time.perf_counter()


class Loop:
    """Watches for how long the event loop is busy."""

    def __init__(self) -> None:
        self.busy: list[tuple[float, float]] = []
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            begun, used = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_STEP)
            self.busy.append((time.perf_counter() - begun - _STEP, time.thread_time() - used))

    def take(self) -> list[tuple[float, float]]:
        """What was seen since the last time: seconds, and CPU seconds of the thread of the loop."""
        taken, self.busy = self.busy, []
        return taken

    def end(self) -> None:
        """Stop watching."""
        self._task.cancel()


async def until(true: Callable[[], bool], seconds: float = 300.0) -> None:
    """Wait, without keeping the loop busy."""
    end = time.perf_counter() + seconds
    while not true():
        if time.perf_counter() > end:
            raise TimeoutError
        await asyncio.sleep(_STEP)


async def key(app: Measured, name: str) -> tuple[float, float]:
    """Seconds and CPU seconds of the loop from a key to the next drawn screen."""
    begun, used = time.perf_counter(), time.thread_time()
    # Pilot's own press waits until the process is idle, which it is not.
    event = events.Key(name, name if len(name) == 1 else KEYS.get(name))
    event.set_sender(app)
    if app._driver is not None:
        app._driver.send_message(event)
    with contextlib.suppress(TimeoutError):
        await until(lambda: app.drawn > begun, 5.0)
    return time.perf_counter() - begun, time.thread_time() - used


def told(what: str, keys: list[tuple[float, float]], busy: list[tuple[float, float]]) -> None:
    """One line of the table."""
    line = f"{what:<44}"
    for kind in range(2):
        times = [1000 * one[kind] for one in keys]
        gaps = [1000 * one[kind] for one in busy]
        line += f"{statistics.median(times):8.1f} {max(times):7.1f}" if times else f"{'':16}"
        line += f" {max(gaps, default=0.0):8.1f} {sum(gap > 50 for gap in gaps):4}   "
    print(line, flush=True)


async def measure(folder: Path, size: tuple[int, int]) -> None:
    """The whole path."""
    workspace = load_workspace(folder)
    host = Host.load(workspace)
    app = Measured(LiveServices(workspace, host))
    begun = time.perf_counter()
    async with app.run_test(size=size):
        loop = Loop()
        pane: Any = None

        def pane_of() -> Any:
            nonlocal pane
            pane = app.pane
            return pane

        await until(lambda: pane_of() is not None and pane.query("#utterances") and len(pane.utterances.items) > 0)
        told(f"first rows after {time.perf_counter() - begun:.2f} s", [], loop.take())
        rows, seconds = pane.utterances, []
        rows.focus()
        for _ in range(60):
            seconds.append(await key(app, "pagedown"))
            await asyncio.sleep(0.1)
            if not pane._job:
                break
        told(f"moving while scanning ({len(seconds)} keys)", seconds, loop.take())
        await until(lambda: not pane._job)
        await asyncio.sleep(1.0)
        told(f"scan done after {time.perf_counter() - begun:.1f} s, {len(rows.items)} rows", [], loop.take())
        await asyncio.sleep(3.0)
        told("nothing is done for 3 s", [], loop.take())
        await several(app, loop, "moving", ["down", "pagedown", "end", "up", "home"] * 6)
        await several(app, loop, "filter: / 4 7 p", ["slash", *"47 п"])
        await several(app, loop, "filter away: esc", ["escape"])
        for down, name in ((1, "file"), (2, "seconds"), (5, "length of the text"), (5, "the other way round")):
            await several(app, loop, f"sort by {name}", ["s", "home", *["down"] * down, "enter"])
            await asyncio.sleep(1.0)
        await several(app, loop, "finding's rows: esc, tab, enter", ["escape", "escape", "enter"])
        await asyncio.sleep(1.0)
        await several(app, loop, "rescan begins", ["escape", "escape", "r"])
        await until(lambda: not pane._job)
        told("while scanning again", [], loop.take())
        await asyncio.sleep(2.0)
        told("after it", [], loop.take())
        loop.end()
        app.services.close()


async def several(app: Measured, loop: Loop, what: str, names: list[str]) -> None:
    """Press keys one after the other."""
    loop.take()
    seconds = []
    for name in names:
        seconds.append(await key(app, name))
        await asyncio.sleep(0.15)
    told(f"{what}", seconds, loop.take())


@contextlib.contextmanager
def folder_of(options: argparse.Namespace) -> Iterator[Path]:
    """The dataset, made if it is not there."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary) / "rows"
        if not (folder / "workbench.toml").exists():
            make_rows(folder, options.rows)
        yield folder


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--size", default="160x48")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    width, height = map(int, options.size.split("x"))
    print(
        f"{'ms, of the clock and of the CPU':44}{'key: median, worst; busy: worst, > 50':>34}   {'the same, CPU':>28}"
    )
    with folder_of(options) as folder:
        profile = cProfile.Profile()
        if options.profile:
            profile.enable()
        asyncio.run(measure(folder, (width, height)))
        if options.profile:
            profile.disable()
            pstats.Stats(profile).sort_stats("cumtime").print_stats(70)


if __name__ == "__main__":
    main()
