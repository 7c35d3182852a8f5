"""The README's picture, made by the running program: `python tests/tui/make_picture.py WORKSPACE OUT.svg`.

Opens the workbench on a workspace that has been trained (headless, but with its real workers and files), shows the
training pane and writes the screen as Textual draws it.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from workbench.config import load_workspace
from workbench.host import Host
from workbench.tui.app import WorkbenchApp
from workbench.tui.live import LiveServices

SIZE = (120, 34)
"""Columns and lines: wide enough for the side panels."""


async def take(workspace: Path, out: Path, keys: list[str], seconds: float) -> None:
    """Press the keys, wait for what they started, write the screen."""
    loaded = load_workspace(workspace)
    app = WorkbenchApp(LiveServices(loaded, Host.load(loaded)))
    async with app.run_test(size=SIZE) as pilot:
        for key in keys:
            await pilot.press(key)
            await asyncio.sleep(seconds)
        out.write_text(app.export_screenshot(title="Voice Workbench"), encoding="utf-8")
        await app.action_quit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--keys", default="1,2", help="pressed one after the other (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="wait after each key")
    options = parser.parse_args()
    asyncio.run(take(options.workspace, options.out, options.keys.split(","), options.seconds))


if __name__ == "__main__":
    main()
