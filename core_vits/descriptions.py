"""What the names in a checkpoint's pickle stand for: descriptions of tensors, and plain values.

A name that is not in `BUILDERS`, `STORAGES` or among the kinds of numbers means nothing here. Standard library only.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MOST_DIMENSIONS = 16


class PickleError(Exception):
    """The pickle can't be followed; the text says why."""


@dataclass(frozen=True, slots=True)
class StorageNote:
    """The memory that tensors lie in, as the file describes it."""

    key: str
    """Names the record that holds it."""
    dtype: str
    """Name in torch, for instance `float32`; `uint8` for memory without a type."""
    elements: int


@dataclass(frozen=True, slots=True)
class TensorNote:
    """A tensor, as the file describes it: checked to lie inside its memory."""

    storage: StorageNote
    dtype: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Numbers in it."""
        count = 1
        for length in self.size:
            count *= length
        return count


@dataclass(frozen=True, slots=True)
class Name:
    """An importable that the table knows."""

    full: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """What came of a name that the table does not know."""

    name: str


@dataclass(slots=True)
class NumpyType:
    """A NumPy dtype: kind and bytes such as `f8`, and their order."""

    code: str
    order: str = "<"


ITEM_BYTES: Mapping[str, int] = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip
"""Bytes of an element of each dtype that a tensor may have."""

STORAGES: Mapping[str, str] = {
    "torch.DoubleStorage": "float64", "torch.FloatStorage": "float32", "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16", "torch.LongStorage": "int64", "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16", "torch.CharStorage": "int8", "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool", "torch.storage.UntypedStorage": "uint8",
}  # fmt: skip

# Checkpoints of the first Piper hold the path of their data set. It becomes plain text: nothing of pathlib is built, so
# the file also opens on a system that has no PosixPath.
_PATHS = tuple(
    f"{module}.{name}"
    for module in ("pathlib", "pathlib._local")
    for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path", "PurePath")
)
# Python 2, and the pickles that are still written in its words.
OLD_MODULES: Mapping[str, str] = {"__builtin__": "builtins", "copy_reg": "copyreg", "exceptions": "builtins"}


def _key(key: Any) -> Any:
    """
    Raises:
        PickleError: it is no key of a checkpoint. Large numbers and tuples can be chosen to collide, which makes a
            dictionary of them take for ever.
    """
    if key is None or type(key) in (str, bytes, bool) or (type(key) is int and -(2**63) <= key < 2**64):
        return key
    raise PickleError(f"a {type(key).__name__} is the key of a dictionary or the member of a set")


def put_items(target: dict[Any, Any], items: list[Any]) -> None:
    for index in range(0, len(items), 2):
        target[_key(items[index])] = items[index + 1]


def set_of(items: Any) -> set[Any]:
    return {_key(item) for item in items}


def _dictionary(items: Any = ()) -> dict[Any, Any]:
    pairs = items.items() if isinstance(items, dict) else items
    return {_key(key): value for key, value in pairs}


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any, dtype: str = "") -> Any:
    """The description of a tensor that lies inside its memory.

    Raises:
        PickleError: it does not. torch would enlarge the memory, with whatever happens to be there.
    """
    if isinstance(storage, Foreign):
        return storage
    if not isinstance(storage, StorageNote):
        raise PickleError("a tensor has no memory")
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or len(size) > MOST_DIMENSIONS or any(type(item) is not int for item in numbers):
        raise PickleError("the shape of a tensor is none")
    if min(numbers) < 0:
        raise PickleError("a shape or step of a tensor is negative")
    note = TensorNote(storage, dtype or storage.dtype, offset, tuple(size), tuple(stride))
    there = storage.elements * ITEM_BYTES[storage.dtype] // ITEM_BYTES[note.dtype]
    end = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True)) + 1
    # More numbers than there is memory for: rows that all lie in the same place.
    if note.elements and (end > there or note.elements > there):
        raise PickleError(f"a tensor of {note.elements} numbers is said to lie in memory for {there}")
    return note


def _tensor_with_type(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    dtype = rest[2]  # after two that concern gradients
    name = dtype.full.removeprefix("torch.") if isinstance(dtype, Name) else ""
    if name not in ITEM_BYTES:
        raise PickleError("a tensor has no type that a checkpoint needs")
    return _tensor(storage, offset, size, stride, dtype=name)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _path(*parts: Any) -> str:
    return "/".join(str(part) for part in parts)


def _device(*parts: Any) -> str:
    return ":".join(str(part) for part in parts)


def _bytes(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise PickleError("bytes are written in an encoding that torch never uses")
    return text.encode("latin-1")


def _numpy_type(code: Any, *_: Any) -> NumpyType:
    return NumpyType(str(code))


_NUMPY_NUMBERS: Mapping[str, str] = {
    "f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b",
    "u8": "Q", "u4": "I", "u2": "H", "u1": "B", "b1": "?",
}  # fmt: skip


def _numpy_number(dtype: Any, content: Any = b"") -> float | int | bool:
    """The number that a NumPy scalar holds."""
    if not isinstance(dtype, NumpyType) or dtype.code not in _NUMPY_NUMBERS:
        raise PickleError("a NumPy value in it is not a number")
    raw = content.encode("latin-1") if isinstance(content, str) else content
    order = dtype.order if dtype.order in "<>" else "<"
    value: float | int | bool = struct.unpack(order + _NUMPY_NUMBERS[dtype.code], raw)[0]
    return value


NUMPY_TYPE = "numpy.dtype"
BUILDERS: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": _dictionary,
    "collections.Counter": _dictionary,
    "builtins.set": lambda items=(): set_of(items),
    "builtins.frozenset": lambda items=(): set_of(items),
    "torch.Size": lambda items=(): tuple(items),
    "torch.device": _device,
    "_codecs.encode": _bytes,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_with_type,
    "torch._utils._rebuild_parameter": _parameter,
    NUMPY_TYPE: _numpy_type,
    "numpy.core.multiarray.scalar": _numpy_number,
    "numpy._core.multiarray.scalar": _numpy_number,
    **dict.fromkeys(_PATHS, _path),
}
