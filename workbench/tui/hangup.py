"""The viewer ends when its terminal is gone, whoever swallowed the signal.

A lost SSH connection hangs the terminal up. The kernel tells the session's leader; a leader that handles the signal
and waits (make does) leaves the viewer alive, and Textual's input thread would then read "end of file" as fast as it
can and take a core away from the training. So a thread of ours waits for the hang-up itself, which costs nothing.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable

HUNG_UP = 128 + 1
"""Exit code of a program that ended because its terminal did (128 + SIGHUP)."""
_CLOSE_SECONDS = 2.0


def leave_when_terminal_is_gone(close: Callable[[], object]) -> None:
    """Watch the terminal on stdin; when it is gone, call `close` and end the process.

    Args:
        close: ends the worker processes; given two seconds, because nobody is left to wait for it.
    """
    try:
        terminal = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return  # no terminal to lose
    threading.Thread(target=_watch, args=(terminal, close), name="hangup", daemon=True).start()


def _watch(terminal: int, close: Callable[[], object]) -> None:
    poll = select.poll()
    poll.register(terminal, 0)  # no input is asked for: only a hang-up or an error wakes it
    poll.poll()
    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(_CLOSE_SECONDS)
    # The main thread is stuck in a write to the lost terminal, so an ordinary exit would never come.
    os._exit(HUNG_UP)
