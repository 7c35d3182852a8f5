"""Targets that the worker tests call; imported in the worker process only."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from typing import Any

from workbench.errors import ExportError


def echo(**kwargs: Any) -> dict[str, Any]:
    return kwargs


def is_loaded(name: str) -> bool:
    return name in sys.modules


def process_id() -> int:
    return os.getpid()


def noisy(text: str) -> str:
    """Print by every way there is, as libraries do, and read stdin."""
    print(text)
    os.write(1, f"{text} written to fd 1\n".encode())
    libc = ctypes.CDLL(None)
    libc.puts(b"printed by C")
    libc.fflush(None)
    return f"{text}: stdin had {os.read(0, 10)!r}"


def count(steps: int, progress: Any) -> int:
    for step in range(steps):
        progress(step + 1, steps, f"step {step + 1}")
    return steps


def pieces(count: int, part: Any) -> str:
    for number in range(count):
        part({"piece": number})
    return "done"


def flood(steps: int, progress: Any) -> None:
    for step in range(steps):
        progress(step + 1, steps, "counting")


def refuse() -> None:
    raise ExportError("ru-x-tiny.onnx: the largest\ndifference is 0.5. Export again.")


class LocalExportError(ExportError):
    """A class that only the worker knows."""


def refuse_locally() -> None:
    raise LocalExportError("of a plugin")


def divide(a: int, b: int) -> float:
    return a / b


def leave() -> None:
    raise SystemExit(7)


def not_json() -> object:
    return object()


def segfault() -> None:
    ctypes.string_at(0)


def last_words_then_die(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()
    os._exit(3)


def sleep(seconds: float, mark: str = "") -> None:
    if mark:
        with open(mark, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(str(os.getpid()))
    time.sleep(seconds)


def imported(name: str) -> bool:
    return name in sys.modules


def environment(name: str) -> str | None:
    return os.environ.get(name)
