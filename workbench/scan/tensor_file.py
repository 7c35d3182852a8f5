"""One tensor out of a file of Piper's cache. Nothing is unpickled, and torch is not needed."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core_vits.archive import Archive, Unreadable, open_file
from core_vits.descriptions import ITEM_BYTES, PickleError, TensorNote
from core_vits.errors import CheckpointFileError
from core_vits.unpickle import follow, unfold

_END = b"PK\x05\x06"
_END_BYTES = 22
_LARGEST = 2_000_000_000
"""Bytes. A recording of an hour has a spectrogram of 640 MB."""


def is_whole(path: Path) -> bool:
    """Whether a file begins and ends as an archive of torch does; one that was cut off does not."""
    try:
        with path.open("rb") as file:
            begins = file.read(4) == b"PK\x03\x04"
            file.seek(-_END_BYTES, io.SEEK_END)
            return begins and file.read(4) == _END
    except OSError:
        return False


def read_tensor(path: Path) -> npt.NDArray[Any]:
    """The tensor that a file holds, contiguous.

    Raises:
        CheckpointFileError: it holds something else, is damaged, or wants to run code; the message says which.
    """
    with open_file(path) as file:
        try:
            archive = Archive(file)
            note = _note(archive.pickle())
            storage = note.storage
            wanted = storage.elements * ITEM_BYTES[storage.dtype]
            if archive.storage_bytes(storage.key) != wanted or wanted > _LARGEST:
                raise CheckpointFileError(f"{path.name}: its memory is not what it describes")
            raw = bytearray(wanted)
            archive.read_storage(storage.key, memoryview(raw))
        except (Unreadable, PickleError) as error:
            raise CheckpointFileError(f"{path.name}: {error}") from None
    values = np.frombuffer(raw, dtype=np.dtype(storage.dtype))[note.offset : note.offset + math.prod(note.size)]
    return values.reshape(note.size)


def _note(pickle: bytes) -> TensorNote:
    """
    Raises:
        PickleError: it describes no plain tensor.
    """
    foreign: dict[str, None] = {}
    value = follow(io.BytesIO(pickle), foreign)
    if foreign:
        raise PickleError(f"wants to run code ({', '.join(foreign)[:100]})")
    found = unfold(value, lambda note: note)
    if not isinstance(found, TensorNote) or found.dtype != found.storage.dtype or found.dtype == "bfloat16":
        raise PickleError("holds no plain tensor")
    strides = tuple(math.prod(found.size[dimension + 1 :]) for dimension in range(len(found.size)))
    if tuple(found.stride) != strides:
        raise PickleError("holds a tensor whose numbers do not lie one after the other")
    return found
