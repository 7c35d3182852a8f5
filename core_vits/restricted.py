"""From a checkpoint file to tensors and plain values, without torch's unpickler.

`core_vits.archive` looks at the outside of the file and `core_vits.unpickle` follows its description; here the tensors
that it describes get their memory. Each size in the file is compared with another one before memory is asked for, so a
small file can't ask for much.

torch's own restricted loader is not used: it let files run code and write where they should not (CVE-2025-32434,
CVE-2026-24747), it enlarges memory that is too short for its tensor, and it compares no checksums.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import torch
from torch import Tensor

from core_vits.archive import (
    BIG_ENDIAN,
    LARGEST_PICKLE,
    NO_CHECKPOINT,
    OLD_FORMAT_ADVICE,
    Archive,
    Unreadable,
    damaged,
    fill,
    kind_of,
    open_file,
    size_of,
)
from core_vits.descriptions import ITEM_BYTES, PickleError, StorageNote, TensorNote
from core_vits.errors import CheckpointFileError, in_one_line
from core_vits.machine import free_bytes
from core_vits.unpickle import follow, unfold

LARGEST_TENSORS = 8_000_000_000
"""Bytes of all tensors of a file; the largest voice with its optimizers has 1.1 GB."""
_NAMED = 3
_ALIGNED = 8
"""Bytes; memory of any kind of number may begin at a multiple of this."""
_OLD_PROTOCOL = 1001


class _Storages(Protocol):
    """Where the memory of tensors lies in a file."""

    def storage_bytes(self, key: str) -> int | None: ...

    def read_storage(self, key: str, target: memoryview) -> None: ...

    def place_of(self, key: str) -> int: ...

    def compare(self, progress: Callable[[int, int], None]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Found:
    """What stands in a torch file."""

    value: Any
    """Tensors and plain values; None when the file wants to import something."""
    foreign: tuple[str, ...] = ()
    """What it wants to import and a checkpoint has no need of."""


def read_file(
    path: Path, *, keys: Collection[str] | None = None, tensors: bool = True, old_format: bool = False
) -> Found:
    """Read a file that torch saved, as far as it holds tensors and plain values.

    Args:
        path: the file.
        keys: of the dictionary that the file is; what stands under others is not read.
        tensors: False: they come without memory, on the device `meta`, and nothing but the description is read.
        old_format: whether one that torch saved before version 1.6 is read as well.

    Raises:
        CheckpointFileError: it can't be read, or is none; one line that says why.
    """
    return _read_unchanged(path, lambda file: _read(file, keys, _Memory if tensors else None, old_format=old_format))


def map_file(
    path: Path,
    *,
    keys: Collection[str] | None = None,
    verified: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Found:
    """As `read_file`, but the tensors stay in the file: a look at a gigabyte costs no memory.

    Args:
        path: the file; the tensors are of use as long as nobody writes into it.
        keys: as of `read_file`.
        verified: the caller knows that it is what was saved; else every record is compared with its checksum.
        progress: called with bytes compared and bytes in all.

    Raises:
        CheckpointFileError: as `read_file`.
    """

    def map_it(file: BinaryIO) -> Found:
        compare = None if verified else progress or _nobody_listens
        return _read(file, keys, lambda storages: _InFile(file, storages, compare), old_format=False)

    return _read_unchanged(path, map_it)


def _read_unchanged(path: Path, read: Callable[[BinaryIO], Found]) -> Found:
    """What `read` finds in a file that nobody writes into meanwhile.

    Raises:
        CheckpointFileError: it can't be read, or was changed.
    """
    try:
        with open_file(path) as file:
            before = os.fstat(file.fileno())
            found = read(file)
            after = os.fstat(file.fileno())
    except Unreadable as error:
        raise CheckpointFileError(f"{path}: {error}") from error
    except MemoryError:
        raise CheckpointFileError(f"{path}: there is not enough memory to read it") from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise CheckpointFileError(f"{path}: the file was changed while it was read. Try again when it is complete")
    return found


def _nobody_listens(done: int, total: int) -> None:
    """Progress that nobody asked for."""


def why_refused(foreign: Collection[str]) -> str:
    """The line about a file that wants to import something, without the file's name."""
    names = [in_one_line(name, 80) for name in foreign]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"refused: the file wants to import {', '.join(names[:_NAMED])}{more}, which a checkpoint has no need of. "
        "Nothing of it was run. Use a file from a source you trust; if you trust this one: "
        "workbench convert FILE --out NEW.ckpt --i-trust-this-file"
    )


def _read(
    file: BinaryIO, keys: Collection[str] | None, memory: Callable[[_Storages], _Memory] | None, *, old_format: bool
) -> Found:
    """
    Args:
        file: to read.
        keys: as of `read_file`.
        memory: what gives the tensors theirs; None: they have none.
        old_format: as of `read_file`.

    Raises:
        Unreadable: it can't be read.
    """
    kind = kind_of(file)
    foreign: dict[str, None] = {}
    storages: _Storages
    if kind == "archive":
        storages = archive = Archive(file)
        value = _followed(io.BytesIO(archive.pickle()), foreign)
    elif kind == "old":
        storages = old = _OldFile(file, foreign)
        value = old.value
        if not old_format and not foreign:
            raise Unreadable(OLD_FORMAT_ADVICE)
    else:
        _look_for_imports(file, kind, foreign)
        if not foreign:
            raise Unreadable(NO_CHECKPOINT if kind == "pickle" else kind)
        return Found(value=None, foreign=tuple(foreign))
    if foreign:
        return Found(value=None, foreign=tuple(foreign))
    if keys is not None and isinstance(value, dict):
        value = {key: item for key, item in value.items() if key in keys}
    return Found(value=_with_tensors(value, storages, memory))


def _followed(stream: BinaryIO, foreign: dict[str, None]) -> Any:
    """The value of a pickle; None when it can't be followed, but wants to import something.

    Raises:
        Unreadable: it can't be followed.
    """
    try:
        return follow(stream, foreign)
    except PickleError as error:
        if foreign:
            return None
        raise damaged(str(error)) from error


def _look_for_imports(file: BinaryIO, kind: str, foreign: dict[str, None]) -> None:
    """Note what a file wants to import that is no archive: a bare pickle may be an attack, and is named as one."""
    if kind in ("pickle", NO_CHECKPOINT):
        with contextlib.suppress(PickleError):
            follow(io.BytesIO(file.read(LARGEST_PICKLE)), foreign)


def _with_tensors(value: Any, storages: _Storages, memory: Callable[[_Storages], _Memory] | None) -> Any:
    """The plain value of a description.

    Args:
        value: what `follow` gave.
        storages: where the tensors' memory lies.
        memory: as of `_read`.

    Raises:
        Unreadable: it is too much, or its tensors and their memory don't fit each other.
    """
    notes: dict[int, TensorNote] = {}
    try:
        unfold(value, lambda note: notes.setdefault(id(note), note))
        needed = _check_sizes(notes.values(), storages)
        if memory is None:
            return unfold(value, _without_memory)
        place = memory(storages)
        place.prepare(needed)
        return unfold(value, place.tensor)
    except PickleError as error:
        raise damaged(str(error)) from error


def _check_sizes(notes: Collection[TensorNote], storages: _Storages) -> int:
    """Bytes of the memory of all tensors.

    Raises:
        Unreadable: that is more than a voice has, or not what the file has for them.
    """
    memory = {note.storage for note in notes}
    for storage in memory:
        there = storages.storage_bytes(storage.key)
        if there != _bytes_of(storage):
            is_there = "missing" if there is None else f"{there} bytes long"
            raise damaged(f"a tensor's memory of {_bytes_of(storage)} bytes is {is_there}")
    needed = sum({storage.key: _bytes_of(storage) for storage in memory}.values())
    shown = sum(note.elements * ITEM_BYTES[note.dtype] for note in notes)
    if max(needed, shown) > LARGEST_TENSORS:
        raise Unreadable(
            f"refused: its tensors have {max(needed, shown) / 1e9:.1f} GB, a voice has at most "
            f"{LARGEST_TENSORS / 1e9:.0f}. Choose a .ckpt file of a training run"
        )
    return needed


def _bytes_of(storage: StorageNote) -> int:
    return storage.elements * ITEM_BYTES[storage.dtype]


def _without_memory(note: TensorNote) -> Tensor:
    dtype: torch.dtype = getattr(torch, note.dtype)
    return torch.empty_strided(note.size, note.stride, dtype=dtype, device="meta")


class _Memory:
    """Reads the memory of tensors, each piece once, and makes the tensors that lie in it."""

    def __init__(self, storages: _Storages) -> None:
        self._storages = storages
        self._read: dict[str, Tensor] = {}

    def prepare(self, needed: int) -> None:
        """Get ready for tensors of so many bytes.

        Raises:
            Unreadable: there is no room for them.
        """
        free = free_bytes()
        if needed > free:
            raise Unreadable(
                f"there is not enough memory to read it: it needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
            )

    def tensor(self, note: TensorNote) -> Tensor:
        """The tensor of a description.

        Raises:
            Unreadable: its memory is not what was saved.
        """
        memory = self._read.get(note.storage.key)
        if memory is None:
            memory = torch.empty(_bytes_of(note.storage), dtype=torch.uint8)
            self._storages.read_storage(note.storage.key, memory.numpy().data)
            self._read[note.storage.key] = memory
        dtype: torch.dtype = getattr(torch, note.dtype)
        # A bool is one byte, and torch computes nonsense with one that is neither 0 nor 1.
        typed = (
            memory.ne(0)
            if dtype == torch.bool
            else memory[: memory.numel() // dtype.itemsize * dtype.itemsize].view(dtype)
        )
        # An offset of `as_strided` counts from the beginning of all memory, which may be that of the whole file.
        return typed.as_strided(note.size, note.stride, typed.storage_offset() + note.offset)


class _InFile(_Memory):
    """Tensors whose memory is the file's own, taken in by the system when they are used."""

    def __init__(self, file: BinaryIO, storages: _Storages, progress: Callable[[int, int], None] | None) -> None:
        """
        Args:
            file: whose memory it is.
            storages: its archive.
            progress: told while the records are compared with their checksums; None: they were compared before.
        """
        super().__init__(storages)
        self._progress = progress
        # A private copy of what is written to, so that no tensor can change the file.
        self._whole = torch.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), dtype=torch.uint8)

    def prepare(self, needed: int) -> None:
        """Compare the file with its checksums: what is mapped is not compared when it is used.

        Raises:
            Unreadable: a record is not what was saved.
        """
        if self._progress is not None:
            self._storages.compare(self._progress)

    def tensor(self, note: TensorNote) -> Tensor:
        """The tensor of a description."""
        key, length = note.storage.key, _bytes_of(note.storage)
        if key not in self._read and length:
            place = self._storages.place_of(key)
            # torch lays everything at multiples of 64; what another program wrote otherwise is read.
            if place % _ALIGNED == 0 and place + length <= self._whole.numel():
                self._read[key] = self._whole[place : place + length]
        return super().tensor(note)


class _OldFile:
    """A file that torch saved before version 1.6: pickles one after another, then the memory of the tensors."""

    def __init__(self, file: BinaryIO, foreign: dict[str, None]) -> None:
        """Read the description.

        Raises:
            Unreadable: it can't be followed, or was saved on another kind of machine.
        """
        self._file = file
        self._places: dict[str, tuple[int, int]] = {}
        stream = io.BytesIO(file.read(LARGEST_PICKLE))
        _, protocol, system = (_followed(stream, foreign) for _ in range(3))
        if protocol != _OLD_PROTOCOL or not isinstance(system, dict):
            raise damaged("its description is not that of the old format")
        if not system.get("little_endian"):
            raise Unreadable(BIG_ENDIAN)
        self.value = _followed(stream, foreign)
        if foreign:
            return
        keys = _followed(stream, foreign)
        if not isinstance(keys, list):
            raise damaged("it has no list of its tensors' memory")
        self._find(stream.tell(), [str(key) for key in keys])

    def _find(self, place: int, keys: list[str]) -> None:
        """Note where each piece of memory lies.

        Args:
            place: of the first one.
            keys: of the pieces, in their order.

        Raises:
            Unreadable: one of them does not lie in the file.
        """
        noted: dict[str, StorageNote] = {}
        try:
            unfold(self.value, lambda note: noted.setdefault(note.storage.key, note.storage))
        except PickleError as error:
            raise damaged(str(error)) from error
        size = size_of(self._file)
        for key in keys:
            self._file.seek(place)
            elements = int.from_bytes(self._file.read(8), "little")
            if key not in noted or elements != noted[key].elements:
                raise damaged("its tensors' memory is not where its description says")
            self._places[key] = (place + 8, _bytes_of(noted[key]))
            place += 8 + _bytes_of(noted[key])
        if place > size:
            raise Unreadable("the file is cut off (a copy that did not finish?). Copy it again")

    def storage_bytes(self, key: str) -> int | None:
        """Bytes of a tensor's memory; None when the file has none of that name."""
        return self._places[key][1] if key in self._places else None

    def read_storage(self, key: str, target: memoryview) -> None:
        """Fill `target` with a tensor's memory; the old format has no checksums."""
        self._file.seek(self._places[key][0])
        fill(target, self._file.read)

    def place_of(self, key: str) -> int:
        """Where a tensor's memory begins in the file."""
        return self._places[key][0]

    def compare(self, progress: Callable[[int, int], None]) -> None:
        """The old format has no checksums."""
