"""What travels between a worker and its client: one JSON object a line, UTF-8.

client → worker   {"id": 7, "target": "package.module:function", "kwargs": {…}}
worker → client   {"id": 7, "progress": [done, total, "what"]}       any number of times
                  {"id": 7, "part": {…}}                             any number of times: a piece of a long answer
                  {"id": 7, "result": …}                             once, or
                  {"id": 7, "error": {"class": "ExportError", "message": "…", "traceback": "…"}}
"""

from __future__ import annotations

import json
from typing import Any

from workbench import errors

_FIRST_WORDS_OF_A_CRASH = "Fatal Python error"
_LAST_LINES = 3


def encode(message: dict[str, Any]) -> bytes:
    """One line for the pipe.

    Raises:
        TypeError: the message holds something that JSON has no word for.
        ValueError: the message contains itself.
    """
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message of a line."""
    return dict(json.loads(line.decode("utf-8", "surrogatepass")))


def error_message(error: BaseException, traceback: str) -> dict[str, str]:
    """How an exception travels: users' errors keep their class, all others become a `WorkerError`."""
    if isinstance(error, errors.WorkbenchError):
        # A plugin may have a class of its own; what travels is its nearest ancestor that both sides know.
        known = next(c.__name__ for c in type(error).__mro__ if getattr(errors, c.__name__, None) is c)
        return {"class": known, "message": one_line(str(error)), "traceback": traceback}
    said = one_line(str(error))
    message = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return {"class": "WorkerError", "message": message, "traceback": traceback}


def error_from_message(message: dict[str, str]) -> errors.WorkbenchError:
    """The exception that the client raises; the worker's traceback is its note, for logs."""
    kind: type[errors.WorkbenchError] = getattr(errors, message["class"])
    error = kind(message["message"])
    error.add_note(message["traceback"].rstrip())
    return error


def one_line(text: str) -> str:
    """The text without line breaks and runs of white space."""
    return " ".join(text.split())


def last_words(lines: list[str]) -> str:
    """The part of a dead process's stderr that tells most, as one line."""
    said = [line.strip() for line in lines if line.strip()]
    crashes = [index for index, line in enumerate(said) if line.startswith(_FIRST_WORDS_OF_A_CRASH)]
    if crashes:
        crash = crashes[-1]
        where = next((line for line in said[crash:] if line.startswith("File ")), "")
        return f"{said[crash]} {where}".strip()
    return " / ".join(said[-_LAST_LINES:])
