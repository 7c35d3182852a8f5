"""Rewrite foreign checkpoints as clean ones; runs in the `torch` worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core_vits.archive import open_file
from core_vits.checkpoint import save_atomic, why_no_checkpoint
from core_vits.convert import as_plain, piper_layout
from core_vits.errors import CheckpointFileError, in_one_line
from core_vits.restricted import read_file, why_refused
from workbench.errors import CheckpointError
from workbench.workers import trusted
from workbench.workers.wire import last_words

Progress = Callable[[float, float, str], None]

_SECONDS = 900.0
_MOST_LEFT_OUT = 50
_NOTHING_RAN: Mapping[str, Any] = {}
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


def imports(source: str) -> list[str]:
    """What a file wants to import and a checkpoint has no need of; its code is not run for it.

    Raises:
        CheckpointError: it can't be read.
    """
    try:
        found = read_file(Path(source), tensors=False, old_format=True)
    except CheckpointFileError as error:
        raise CheckpointError(str(error)) from None
    return [in_one_line(name, 100) for name in found.foreign]


def convert(source: str, out: str, *, trust: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """Write a file that torch saved as a clean checkpoint: Piper's layout, tensors and plain values.

    Args:
        source: stays as it is.
        out: the new file; nothing may stand there.
        trust: let the file run its code, in a process of its own, if it can't be read without.

    Returns:
        `source`, `out`, `bytes`, `left_out` (lines), `ran_code`, and `offline`: whether that code had no network.

    Raises:
        CheckpointError: it can't be converted.
    """
    report = progress or _no_progress
    place, target = Path(source), Path(out)
    _check_target(target)
    try:
        report(0, 3, "reading")
        found = read_file(place, old_format=True)
        if found.foreign and trust:
            report(1, 3, "running the code of the file")
            value, ran = _with_its_code(place, target.absolute().parent)
        else:
            value, ran = found.value, _NOTHING_RAN
        _check_value(source, value, () if trust else found.foreign)
        left_out = [in_one_line(str(line), 200) for line in ran.get("left_out", ())]
        payload, parameters = piper_layout(as_plain(value, left_out))
        left_out += [f"hyper_parameters.{name}" for name in parameters]
        report(2, 3, "writing")
        size = save_atomic(target, payload)
    except CheckpointFileError as error:
        raise CheckpointError(str(error)) from None
    return {
        "source": source,
        "out": out,
        "bytes": size,
        "left_out": left_out[:_MOST_LEFT_OUT],
        "ran_code": bool(found.foreign),
        "offline": ran.get("offline"),
    }


def _check_value(source: str, value: Any, foreign: Sequence[str]) -> None:
    """
    Raises:
        CheckpointFileError: the file wants to run code, or is no checkpoint.
    """
    why_not = why_refused(foreign) if foreign else why_no_checkpoint(value)
    if why_not:
        raise CheckpointFileError(f"{source}: {why_not}")


def _check_target(target: Path) -> None:
    """
    Raises:
        CheckpointError: nothing can or may be written there.
    """
    if target.suffix != ".ckpt":
        raise CheckpointError(f"{target}: the name of a checkpoint ends in .ckpt")
    if target.exists() or target.is_symlink():
        raise CheckpointError(f"{target}: there is something of that name already; choose another one for --out")
    if not target.absolute().parent.is_dir():
        raise CheckpointError(f"{target}: there is no folder {target.absolute().parent}; make it first")


def _with_its_code(source: Path, disk: Path) -> tuple[Any, Mapping[str, Any]]:
    """Let a file run its code in a process of its own, and read what that leaves as if it came from a stranger.

    Args:
        source: the file.
        disk: folder with room for a copy.

    Returns:
        The value of the file, and the process's report.

    Raises:
        CheckpointFileError: it could not be loaded even so.
    """
    with tempfile.TemporaryDirectory(prefix=".convert-", dir=disk) as name:
        folder = Path(name)
        environment = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
        log = folder / "log"
        try:
            with log.open("wb") as output:
                code = subprocess.run(
                    [sys.executable, "-P", "-m", trusted.__name__, str(source.absolute()), str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env={**environment, "HOME": str(folder), "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"},
                    timeout=_SECONDS,
                    check=False,
                ).returncode
        except subprocess.TimeoutExpired:
            raise CheckpointFileError(f"{source}: its code did not end in {_SECONDS:.0f} seconds") from None
        except OSError as error:
            raise CheckpointFileError(f"{source}: can't be converted ({error.strerror or error})") from None
        if code != 0:
            said = last_words(_lines(log)) or f"exit code {code}"
            raise CheckpointFileError(f"{source}: can't be loaded with its code either ({in_one_line(said, 200)})")
        result = read_file(folder / trusted.RESULT)
        if result.foreign:
            raise CheckpointFileError(f"{source}: in place of its values its code leaves another file with code")
        return result.value, _report(folder / trusted.REPORT)


def _lines(log: Path) -> list[str]:
    return log.read_bytes()[-10_000:].decode("utf-8", "replace").splitlines()


def _report(path: Path) -> Mapping[str, Any]:
    """What the process says of its work; empty where the file's code has put something else in its place."""
    try:
        with open_file(path) as file:
            found = json.loads(file.read(1_000_000))
        return {"left_out": list(found["left_out"]), "offline": bool(found["offline"])}
    except (CheckpointFileError, ValueError, TypeError, KeyError):
        return {}


def _no_progress(done: float, total: float, what: str) -> None:
    """Nobody listens."""
