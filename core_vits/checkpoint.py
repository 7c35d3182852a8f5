"""Checkpoint files: saved so that a crash never costs the last good one, loaded so that a file never runs code.

Saving writes a temporary file beside the target, streams into it, waits for the disk, reads it back, and only then
takes the place of the old file. A save that is killed, or for which the disk has no room, leaves the old file alone.

Loading always asks torch for `weights_only=True`. When torch refuses an object there is no second, less safe attempt:
"try safe, then unsafe" runs the code of whoever made the file.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from core_vits.architecture import architecture_from_state_dict
from core_vits.errors import CheckpointFileError

__all__ = [
    "EXTRAS_KEY",
    "CheckpointFileError",
    "architecture_from_state_dict",
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
_REFUSED_GLOBAL = re.compile(r"GLOBAL ([\w.<>]+)")

# Checkpoints of the first Piper hold the path of their data set. They become plain text here: nothing of pathlib is
# built, so the file also opens on a system that has no PosixPath.
_PATH_CLASSES = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path", "PurePath")
_PATH_MODULES = ("pathlib", "pathlib._local")


def _path_as_text(*parts: str) -> str:
    return "/".join(str(part) for part in parts)


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
    path: Path, *, mapped: bool = False, verified: bool = False, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Read a checkpoint to the CPU without running anything that it may contain.

    Args:
        path: a file that this program or Piper (also the first one) saved.
        mapped: leave the tensors in the file, from which they are read when they are used: for who wants to look at
            it only, and does so before the file can be replaced.
        verified: the caller has compared this very file with its checksums before.
        progress: called with bytes compared and bytes in all.

    Returns:
        The top-level dictionary; `state_dict` is checked to be names and tensors. Paths in it are text.

    Every record is compared with its checksum first (about 1 s a GB): torch does not, and one damaged byte would go
    unnoticed into a voice or a resumed run.

    Raises:
        CheckpointFileError: there is no such file, it is not a checkpoint, it is cut off or damaged, or it wants to
            import something; one line that says which.
    """
    _check_looks_like_archive(path)
    if not verified:
        _check_sums(path, progress or _nobody_listens)
    allowed: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        (_path_as_text, f"{module}.{name}") for module in _PATH_MODULES for name in _PATH_CLASSES
    ]
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
            # A foreign file may make torch warn (another pickle protocol); it is read or refused all the same.
            warnings.simplefilter("ignore")
            payload = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a damaged pickle raises anything: KeyError, EOFError, RuntimeError, …
        raise CheckpointFileError(f"{path}: {_why_unreadable(error)}") from error
    if not isinstance(payload, dict) or not isinstance(payload.get("state_dict"), dict):
        raise CheckpointFileError(
            f"{path}: this is a torch file, but not a checkpoint (it has no 'state_dict'). "
            "Choose a .ckpt file of a training run"
        )
    state = payload["state_dict"]
    if not state or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()):
        raise CheckpointFileError(f"{path}: its 'state_dict' does not hold names and tensors")
    return payload


def _check_looks_like_archive(path: Path) -> None:
    """Tell a wrong or cut-off file from a checkpoint before torch does so in many words.

    Raises:
        CheckpointFileError: it is not a readable archive.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if not start:
                raise CheckpointFileError(f"{path}: the file is empty. Choose another checkpoint")
            if start != b"PK\x03\x04":
                raise CheckpointFileError(f"{path}: {_why_no_archive(path, start)}")
            if not zipfile.is_zipfile(file):
                raise CheckpointFileError(f"{path}: the file is cut off (a copy that did not finish?). Copy it again")
    except zipfile.BadZipFile as error:
        raise CheckpointFileError(f"{path}: the file is damaged ({error}). Use another checkpoint") from None
    except OSError as error:
        raise CheckpointFileError(f"{path}: can't be read ({_reason(error)})") from None


def _check_sums(path: Path, progress: Callable[[int, int], None]) -> None:
    """
    Raises:
        CheckpointFileError: a record of the archive is not what was saved.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = _first_damaged(archive, progress)
    except OSError as error:
        raise CheckpointFileError(f"{path}: can't be read ({_reason(error)})") from None
    except Exception as error:  # a damaged archive raises anything: BadZipFile, zlib.error, RuntimeError, …
        raise CheckpointFileError(f"{path}: {_why_unreadable(error)}") from error
    if damaged is not None:
        raise CheckpointFileError(
            f"{path}: the file is damaged (the checksum of {damaged[:100]!r} is wrong). Use another checkpoint"
        )


def _first_damaged(archive: zipfile.ZipFile, progress: Callable[[int, int], None]) -> str | None:
    """Name of the first record that does not have its checksum; as `ZipFile.testzip`, with progress."""
    records = archive.infolist()
    total, done = sum(record.file_size for record in records), 0
    for record in records:
        try:
            with archive.open(record) as stream:
                while chunk := stream.read(_CHUNK):
                    done += len(chunk)
                    progress(done, total)
        except zipfile.BadZipFile:
            return record.filename
    return None


def _nobody_listens(done: int, total: int) -> None:
    """Progress that nobody asked for."""


def _why_no_archive(path: Path, start: bytes) -> str:
    """What a file is that does not begin as an archive: a bare pickle may be an attack, and is named as one."""
    if start.startswith(b"\x80"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # noqa: BLE001  # a pickle raises anything
            if _REFUSED_GLOBAL.search(str(error)):
                return _why_unreadable(error)
    return "this is not a checkpoint. Choose a .ckpt file of a training run"


def _why_unreadable(error: Exception) -> str:
    text = str(error)
    refused = _REFUSED_GLOBAL.search(text)
    if refused:
        return (
            f"refused: the file wants to import {refused.group(1)}, which a checkpoint has no need of. "
            "Nothing of it was run. Use a file from a source you trust"
        )
    if "Weights only load failed" in text:
        return "refused: the file holds more than tensors and plain values. Nothing of it was run"
    return f"the file is damaged ({type(error).__name__}). Use another checkpoint"
