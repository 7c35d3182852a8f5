"""Checkpoint files: saved so that a crash never costs the last good one, loaded so that a file never runs code.

Saving writes a temporary file beside the target, streams into it, waits for the disk, reads it back, and only then
takes the place of the old file. A save that is killed, or for which the disk has no room, leaves the old file alone.

Loading goes through `core_vits.restricted`, which makes tensors and plain values and can't do anything else. When it
refuses a file there is no second, less safe attempt: "try safe, then unsafe" runs the code of whoever made the file.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from core_vits.architecture import architecture_from_state_dict
from core_vits.errors import CheckpointFileError, in_one_line
from core_vits.restricted import Found, map_file, read_file, why_refused

__all__ = [
    "EXTRAS_KEY",
    "CheckpointFileError",
    "architecture_from_state_dict",
    "inspect_checkpoint",
    "load_checkpoint",
    "payload_bytes",
    "save_atomic",
    "sweep_temporaries",
    "tensors_of",
]

EXTRAS_KEY = "voice_workbench"
"""The one top-level key of a checkpoint that Piper does not know; Piper passes over it."""

SPACE_FACTOR = 1.2
"""Free bytes that a save wants, as a multiple of what it will write."""

_CHUNK = 1 << 22
"""Bytes read at a time."""

_TEMPORARY = re.compile(r"\.ckpt-(\d+)-[0-9a-f]+\.tmp")


def tensors_of(payload: object) -> Iterator[Tensor]:
    """Every tensor in nested dictionaries, lists and tuples."""
    if isinstance(payload, Tensor):
        yield payload
    elif isinstance(payload, Mapping):
        for value in payload.values():
            yield from tensors_of(value)
    elif isinstance(payload, list | tuple):
        for value in payload:
            yield from tensors_of(value)


def payload_bytes(payload: object) -> int:
    """Bytes that the tensors of a payload need on disk; memory shared by several tensors is counted once."""
    storages = {}
    for tensor in tensors_of(payload):
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


class _WholeWrites:
    """A file that writes all it is given, and remembers why it could not.

    torch reports any failed write as "unexpected pos", whatever the reason was. And once a write has failed the rest
    of the payload is not worth trying.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.error is not None:
            raise self.error
        try:
            self._file.write(data)
        except OSError as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        if self.error is None:
            self._file.flush()


def save_atomic(path: Path, payload: Mapping[str, Any]) -> int:
    """Save a checkpoint; on any failure the file that was there is intact and nothing else is left behind.

    Args:
        path: where; the folder must exist.
        payload: dictionaries, lists, tensors and plain values only, so that `load_checkpoint` reads it back.

    Returns:
        Size of the file in bytes.

    Raises:
        CheckpointFileError: it could not be written; says why and, for a full disk, how much is missing.
    """
    _check_free_space(path, payload_bytes(payload))
    temporary = path.with_name(f".ckpt-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        size = _write_and_sync(temporary, payload)
        _check_complete(temporary, size)
        temporary.replace(path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointFileError(
            f"{path.name}: could not be saved ({_reason(error)}); an older file of that name is untouched. "
            f"Free space on the disk of {path.parent}"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()  # gone already when all went well
    return size


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:200] or type(error).__name__


def _check_free_space(path: Path, wanted: int) -> None:
    """Refuse before writing a gigabyte that cannot fit.

    Raises:
        CheckpointFileError: the disk has less than `SPACE_FACTOR` times what is needed.
    """
    try:
        disk = os.statvfs(path.parent)
    except OSError as error:
        raise CheckpointFileError(f"{path.parent}: no checkpoint can be saved here ({_reason(error)})") from None
    free, needed = disk.f_bavail * disk.f_frsize, int(wanted * SPACE_FACTOR)
    if free < needed:
        raise CheckpointFileError(
            f"{path.name}: not saved, it needs {needed / 1e6:.1f} MB and the disk of {path.parent} has "
            f"{free / 1e6:.1f} MB free. Free {(needed - free) / 1e6:.1f} MB"
        )


def _write_and_sync(temporary: Path, payload: Mapping[str, Any]) -> int:
    """Stream the payload into a file and wait until the disk has it; returns the size in bytes.

    Raises:
        OSError: the disk refused.
    """
    with temporary.open("xb") as file:
        stream = _WholeWrites(file)
        try:
            torch.save(dict(payload), stream)  # type: ignore[arg-type]  # write and flush is all that it uses
        except RuntimeError as error:
            raise stream.error or error from error
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _check_complete(path: Path, size: int) -> None:
    """Read the file back: every record must be there with its checksum.

    Raises:
        ValueError: it differs from what was written.
        zipfile.BadZipFile: it is not an archive.
    """
    if path.stat().st_size != size:
        raise ValueError(f"{size} bytes were written, {path.stat().st_size} are there")
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"record {damaged} reads back with another checksum")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep_temporaries(folder: Path) -> list[Path]:
    """Remove what saves of dead processes left in a folder; returns what was removed."""
    removed = []
    for path in folder.glob(".ckpt-*.tmp"):
        match = _TEMPORARY.fullmatch(path.name)
        if match and not _is_alive(int(match.group(1))):
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it exists and belongs to somebody else
    return True


def load_checkpoint(
    path: Path,
    *,
    keys: Collection[str] | None = None,
    mapped: bool = False,
    verified: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Read a checkpoint to the CPU without running anything that it may contain.

    Args:
        path: a file that this program or Piper (also the first one) saved.
        keys: top-level keys to read; None: all. Without the optimizers' states two thirds of a file need not be read.
        mapped: leave the tensors in the file, from which they are read when they are used: for who wants to look at
            it only, and does so before the file can be replaced.
        verified: with `mapped`: the caller has compared this very file with its checksums before.
        progress: with `mapped`: called with bytes compared and bytes in all.

    Returns:
        The top-level dictionary; `state_dict` is checked to be names and tensors. Paths in it are text.

    Every record that is read is compared with its checksum: torch does not, and one damaged byte would go unnoticed
    into a voice or a resumed run.

    Raises:
        CheckpointFileError: there is no such file, it is not a checkpoint, it is cut off or damaged, or it wants to
            import something; one line that says which.
    """
    if mapped:
        return _checked(path, map_file(path, keys=keys, verified=verified, progress=progress))
    return _checked(path, read_file(path, keys=keys))


def inspect_checkpoint(path: Path) -> dict[str, Any]:
    """As `load_checkpoint`, but tensors have no content (device `meta`): a glance of some 0.2 s at any size.

    Raises:
        CheckpointFileError: as `load_checkpoint`, but for damage in the tensors.
    """
    return _checked(path, read_file(path, tensors=False))


def _checked(path: Path, found: Found) -> dict[str, Any]:
    if found.foreign:
        raise CheckpointFileError(f"{path}: {why_refused(found.foreign)}")
    why_not = why_no_checkpoint(found.value)
    if why_not:
        raise CheckpointFileError(f"{path}: {why_not}")
    payload: dict[str, Any] = found.value
    return payload


def why_no_checkpoint(payload: object) -> str:
    """Whether what a torch file holds is a checkpoint: empty, or the line without the file's name."""
    if not isinstance(payload, dict) or not isinstance(payload.get("state_dict"), dict):
        keys = ", ".join(map(str, list(payload)[:5])) if isinstance(payload, dict) else ""
        held = f" but {in_one_line(keys, 120)}" if keys else ""
        return (
            f"this is a torch file, but not a checkpoint (it has no 'state_dict'{held}). "
            "Choose a .ckpt file of a training run"
        )
    state = payload["state_dict"]
    if not state or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()):
        return "its 'state_dict' does not hold names and tensors"
    return ""
