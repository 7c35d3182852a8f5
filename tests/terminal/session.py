"""A real terminal for the real program: a tmux server of its own, keys sent, screens read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

WORKBENCH = Path(sys.executable).with_name("workbench")


class Terminal:
    """One tmux session that runs the workbench."""

    def __init__(self, name: str, folder: Path, home: Path) -> None:
        self.name = name
        self.folder = folder
        self.environment = {**os.environ, "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "LC_ALL": "C.UTF-8"}
        self.environment.pop("TMUX", None)

    def tmux(self, *arguments: str) -> str:
        """Run a tmux command on the server of this test."""
        command = ["tmux", "-L", self.name, "-f", "/dev/null", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False, timeout=20)
        return done.stdout

    def open(self, columns: int, lines: int, *arguments: str) -> None:
        """Start the workbench in a terminal of the size; the terminal outlives it."""
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(lines), "-c", str(self.folder), "sh")
        self.tmux("set-option", "-g", "remain-on-exit", "on")
        program = " ".join([str(WORKBENCH), *arguments])
        self.tmux("respawn-pane", "-k", "-c", str(self.folder), program)

    def screen(self) -> str:
        """What the terminal shows."""
        return self.tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        """Send keys by their tmux names."""
        for key in keys:
            self.tmux("send-keys", key)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal."""
        self.tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def wait_for(self, pattern: str, *, within: float = 90.0) -> str:
        """The screen as soon as it shows the pattern.

        Raises:
            AssertionError: it did not, within so many seconds; carries the screen.
        """
        return self.wait_until(lambda screen: re.search(pattern, screen) is not None, f"/{pattern}/", within=within)

    def wait_until(self, good: Callable[[str], bool], what: str, *, within: float = 90.0) -> str:
        """The screen as soon as `good` says so."""
        deadline = time.monotonic() + within
        while True:
            screen = self.screen()
            if good(screen):
                return screen
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {within:g} s for {what}; the screen is\n{screen}")
            time.sleep(0.2)

    def pid(self) -> int:
        """Process id of the workbench."""
        return int(self.tmux("display-message", "-p", "#{pane_pid}"))

    def close(self) -> None:
        """End the terminal."""
        self.tmux("kill-server")
