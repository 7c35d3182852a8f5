"""Work that gives way to everything else on the machine, in a process whose other work does not."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_NICENESS = 10


def low_priority_threads(number: int) -> ThreadPoolExecutor:
    """Threads with a low priority; whatever threads they start inherit it."""
    return ThreadPoolExecutor(number, thread_name_prefix="low-priority", initializer=_give_way)


def with_low_priority(work: Callable[[], T]) -> T:
    """Do something in a thread of low priority and wait for it.

    A process can lower its priority, but not raise it again; a thread takes its own with it when it ends.
    """
    with low_priority_threads(1) as pool:
        return pool.submit(work).result()


def _give_way() -> None:
    with contextlib.suppress(OSError):  # Linux has a priority for each thread; others refuse the number
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
