"""The trainer of a run: `python -m workbench.train RUN`.

Exit codes: 0 when training is complete or was stopped as asked, 2 when the user can mend what went wrong (one line on
stderr and in the status), 1 for a fault of the program (with a traceback in the log), 3 when another process of the run
has ended and this one can't go on alone.

A run on several devices is this program several times, each with its number in the environment as torchrun writes it.
The first one alone writes into the run directory; why another one failed stands in the file that torchrun asks for.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.errors import RunError, WorkbenchError
from workbench.jobs.rundir import (
    IDENTITY,
    append_event,
    gone_message,
    is_gone,
    one_line,
    stop_requested,
    write_status,
)

PEER_LOST = 3
"""Exit code of a process that can't go on because another one has ended."""
FAILURE_NOTE = "TORCHELASTIC_ERROR_FILE"
"""Environment variable: where a launcher wants to read why a process failed."""


def listen(run: Path) -> Callable[[], bool]:
    """Take signals as requests to stop, and return the question whether one came, or a stop request did.

    The question raises RunError when the run was removed: there is no place left for a last checkpoint.
    """
    asked = False

    def hear(*_: object) -> None:
        nonlocal asked
        asked = True

    def must_stop() -> bool:
        if is_gone(run):
            raise RunError(gone_message(run))
        return asked or stop_requested(run)

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hear)
    return must_stop


def train(run: Path, stop: Callable[[], bool]) -> str:
    """Train a run to its end; returns how it ended.

    Raises:
        WorkbenchError: and errors of `core_vits`: the user can mend it.
    """
    # A waiting OpenMP thread spins by default. On a machine that does anything else besides, that takes the core away
    # from the thread that is waited for: one step of the `tiny` voice took 24 s instead of 5 s on a loaded 2-core
    # machine. torch's OpenMP reads this once, when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Signals are heard before this: importing torch takes seconds, and a stop may come in them.
    import torch

    from core_vits.machine import cores
    from core_vits.train.distributed import compute_threads, leave, make_fabric
    from workbench.host import Host
    from workbench.jobs.start import run_workspace
    from workbench.train.glue import make_trainer, train_settings
    from workbench.train.guard import plugin_callbacks
    from workbench.train.recorder import Recorder

    workspace = run_workspace(run)
    fabric = make_fabric(train_settings(workspace.training))
    first = fabric.global_rank == 0
    recorders = [Recorder(run)] if first else []
    callbacks = [*recorders, *plugin_callbacks(Host.load(workspace), run, first=first)]
    trainer, begin_with = make_trainer(run, workspace, fabric, callbacks=callbacks, stop=stop)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(compute_threads(trainer.models.config, cores() // fabric.world_size))
    outcome = trainer.fit(begin_with)
    leave()
    return outcome


def explain(error: BaseException) -> tuple[str, int]:
    """The line to show for an error, and the exit code."""
    from core_vits.align import AlignmentError
    from core_vits.cache import CacheError
    from core_vits.config import ConfigError
    from core_vits.errors import CheckpointFileError
    from core_vits.train.errors import PeerLost, TrainingError

    if isinstance(error, PeerLost):
        return one_line(str(error)), PEER_LOST
    known = (WorkbenchError, AlignmentError, CacheError, ConfigError, CheckpointFileError, TrainingError)
    if isinstance(error, known):
        return one_line(str(error)), 2
    from core_vits.memory import is_out_of_memory

    if is_out_of_memory(error):  # a batch would have been divided: it is the models, or what else is on the device
        said = " ".join(str(error).split())[:100]
        return (
            f"the memory is full ({said or type(error).__name__}); free it from other programs (nvidia-smi names those "
            "on a GPU) and resume the run, or choose a smaller quality"
        ), 2
    return one_line(f"the trainer failed: {type(error).__name__}: {error}"), 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) != 1 or not (Path(given[0]) / IDENTITY).is_file():
        sys.stderr.write("usage: python -m workbench.train RUN (a run directory)\n")
        return 2
    run = Path(given[0]).absolute()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")
    logging.raiseExceptions = False  # a full disk must not end a run because of its log
    stop = listen(run)
    try:
        outcome = train(run, stop)
    except Exception as error:  # noqa: BLE001  # this is where every error gets its line
        return _failed(run, error)
    if _is_first():
        write_status(run, outcome=outcome)
    return 0


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _failed(run: Path, error: Exception) -> int:
    """Tell why training ended, to whom it concerns; returns the exit code, if there is one process only."""
    # Whatever failed because the run was removed, this is why. No report: it would make the directory again.
    gone = is_gone(run)
    message, code = (gone_message(run), 2) if gone else explain(error)
    reason = "" if code == PEER_LOST else message  # the reason is where the other one failed; nothing takes its place
    if reason:
        _leave_note(reason, error)
    if _is_first() and not gone:
        write_status(run, message=reason)
        if reason:
            append_event(run, "error", message=reason)
    with contextlib.suppress(OSError):  # the log may lie on the full disk that all this is about
        if code == 1:
            traceback.print_exception(error)
        sys.stderr.write(f"{message}\n")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        # Ends at once: what is on its way to other processes would be waited for until they answer.
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code)
    return code


def _leave_note(message: str, error: Exception) -> None:
    """Write down for the launcher why this process failed, in torchrun's form: it is not the only one that ends."""
    place = os.environ.get(FAILURE_NOTE)
    if place:
        trace = "".join(traceback.format_exception(error))
        about = {"message": message, "extraInfo": {"py_callstack": trace, "timestamp": str(int(time.time()))}}
        with contextlib.suppress(OSError):
            Path(place).write_text(json.dumps({"message": about}), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
