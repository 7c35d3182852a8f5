"""Between a verb and the user: every way to fail becomes one line and an exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from workbench import __version__
from workbench.cli.output import one_line
from workbench.errors import Cancelled, WorkbenchError

OK = 0
NO = 1
"""The answer to the question is no: rows block the training, a check failed, the exported voice differs."""
USER_ERROR = 2
CRASHED = 70
INTERRUPTED = 130
_KEPT_REPORTS = 20
# What the system refuses because of permissions, space or names: the user can mend it, and the program is not at fault.
_OF_THE_MACHINE = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EMFILE,
        errno.ENFILE,
        errno.ELOOP,
    }
)
_LONGEST_NAME = 120


def guarded(verb: Callable[[], int]) -> int:
    """Run a verb and return the exit code."""
    try:
        code = verb()
        sys.stdout.flush()
    except Cancelled as error:
        return _say(str(error), INTERRUPTED)
    except WorkbenchError as error:
        return _say(str(error), USER_ERROR)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough (`workbench runs | head`). Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        return _refused(error) if error.errno in _OF_THE_MACHINE else _crashed(error)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the last place where it can be caught
        return _crashed(error)
    return code


def state_folder() -> Path:
    """Where the workbench keeps logs that belong to no workspace."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "voice-workbench"


def _say(message: str, code: int) -> int:
    sys.stderr.write(f"workbench: {one_line(message)}\n")
    return code


def _refused(error: OSError) -> int:
    """Say what the system refused; it is in the user's hands."""
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "the output"
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}…"
    return _say(f"{name}: {error.strerror}; mend this and try again", USER_ERROR)


def _crashed(error: BaseException) -> int:
    what = f"unexpected {type(error).__name__}: {error}" if str(error) else f"unexpected {type(error).__name__}"
    try:
        folder = state_folder() / "crashes"
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("*.log"))[: -_KEPT_REPORTS + 1]:
            old.unlink(missing_ok=True)
        report = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        head = f"voice-workbench {__version__}, Python {sys.version.split()[0]}\n{' '.join(sys.argv)}\n\n"
        report.write_text(head + "".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError as problem:
        return _say(f"{what} (the report could not be written: {problem.strerror})", CRASHED)
    return _say(f"{what}; this is a fault of the workbench, please report it with {report}", CRASHED)
