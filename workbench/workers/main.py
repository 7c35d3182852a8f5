"""A worker process: `python -m workbench.workers.main POOL`; calls come in by stdin, answers go out by stdout.

It runs one call at a time on its main thread (torch and PortAudio are happiest there). A second thread does nothing
but read: when the client goes away it sees the end of stdin at once and ends the process, even in the middle of a call.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import inspect
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, BinaryIO

from workbench.workers import wire

# More often than this nobody can read it, and a scan of 10,000 clips would spend its time on the pipe.
_SECONDS_BETWEEN_PROGRESS = 0.05


def _take_the_wire() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for the wire; whatever else prints or reads gets stderr and /dev/null instead."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    # Python's own sys.stdout stands on fd 1 and so follows; by line, or the log would lag behind a crash.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return requests, answers


def _read_requests(requests: BinaryIO, waiting: SimpleQueue[dict[str, Any]]) -> None:
    for line in requests:
        waiting.put(wire.decode(line))
    # The client is gone and nobody will read the answer. No clean-up: it could hang on what the call holds, and
    # targets write files so that they are never half there.
    os._exit(0)


def _find(target: str) -> Callable[..., Any]:
    """The function that `package.module:function` names.

    Raises:
        ImportError: there is no such module.
        AttributeError: there is no such function in it.
    """
    module_name, _, attribute = target.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module_name), attribute)
    return function


def _progress_sender(number: int, answers: BinaryIO) -> Callable[[float, float, str], None]:
    last_sent = 0.0
    last_what = None

    def progress(done: float, total: float, what: str = "") -> None:
        nonlocal last_sent, last_what
        now = time.monotonic()
        if now - last_sent >= _SECONDS_BETWEEN_PROGRESS or done >= total or what != last_what:
            last_sent, last_what = now, what
            answers.write(wire.encode({"id": number, "progress": [done, total, what]}))

    return progress


def _answer(request: dict[str, Any], answers: BinaryIO) -> bytes:
    """Run one call; the line to send back."""
    number = request["id"]
    answers.write(wire.encode({"id": number, "started": True}))
    try:
        function = _find(request["target"])
        kwargs = dict(request["kwargs"])
        wanted = inspect.signature(function).parameters
        if "progress" in wanted:
            kwargs["progress"] = _progress_sender(number, answers)
        if "part" in wanted:
            kwargs["part"] = lambda part: answers.write(wire.encode({"id": number, "part": part}))
        return wire.encode({"id": number, "result": function(**kwargs)})
    except BaseException as error:  # noqa: BLE001 - SystemExit of a library must not end the worker either
        trace = traceback.format_exc()
        sys.stderr.write(trace)
        return wire.encode({"id": number, "error": wire.error_message(error, trace)})
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def main() -> None:
    """Serve calls until the client goes away."""
    # Ctrl-C in the terminal belongs to the client, which then decides about the call.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    requests, answers = _take_the_wire()
    waiting: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests, waiting), daemon=True, name="requests").start()
    while True:
        request = waiting.get()
        if "warm" in request:
            with contextlib.suppress(Exception):  # the call that needs it will say what is wrong
                importlib.import_module(request["warm"])
            continue
        try:
            answers.write(_answer(request, answers))
        except BrokenPipeError:
            os._exit(0)


if __name__ == "__main__":
    main()
