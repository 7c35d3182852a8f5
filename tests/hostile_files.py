"""Checkpoint files that want to do harm, and the means to damage a good one.

A pickle is written here as what it is, a program: `GLOBAL("os", "system")` and so on, so that each file does exactly
what its name says, whatever Python's own pickler would make of it.
"""

from __future__ import annotations

import functools
import io
import pickle
import random
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

END = b"."
OLD_MAGIC = 0x1950A86A20F9469CFC6C


def name_of(module: str, attribute: str) -> bytes:
    """GLOBAL."""
    return b"c" + f"{module}\n{attribute}\n".encode()


def text(value: str) -> bytes:
    """BINUNICODE."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    """BININT, or LONG1 for what does not fit."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    raw = pickle.encode_long(value)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(*values: int) -> bytes:
    """A tuple of numbers."""
    return b"(" + b"".join(map(number, values)) + b"t"


def call(module: str, attribute: str, *arguments: bytes) -> bytes:
    """REDUCE: call a function with arguments."""
    return name_of(module, attribute) + b"(" + b"".join(arguments) + b"tR"


def dictionary(**items: bytes) -> bytes:
    """A dictionary with text as keys."""
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def tensor(size: bytes, stride: bytes, *, elements: int = 4, offset: int = 0, key: str = "0") -> bytes:
    """A float32 tensor in the memory `key` of so many elements."""
    kind = name_of("torch", "FloatStorage")
    storage = b"(" + text("storage") + kind + text(key) + text("cpu") + number(elements) + b"tQ"
    hooks = call("collections", "OrderedDict")
    return call("torch._utils", "_rebuild_tensor_v2", storage, number(offset), size, stride, b"\x89", hooks)


GOOD_TENSOR = tensor(numbers(4), numbers(1))


def program(value: bytes, *, protocol: int = 2) -> bytes:
    """A whole pickle."""
    return b"\x80" + bytes([protocol]) + value + END


def with_extra(value: bytes, **more: bytes) -> bytes:
    """The pickle of a checkpoint with one tensor that holds `value` beside it."""
    return program(dictionary(state_dict=dictionary(w=GOOD_TENSOR), callbacks=value, **more))


def archive(description: bytes, records: Mapping[str, bytes] | None = None, *, packed: bool = False) -> bytes:
    """A file as torch saves it; `records` are added to or take the place of the usual ones."""
    content = {
        "data.pkl": description,
        "byteorder": b"little",
        "data/0": bytes(16),
        "version": b"3\n",
        **(records or {}),
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file:
        for name, record in content.items():
            file.writestr(f"archive/{name}", record)
    return stream.getvalue()


def old_file(description: bytes) -> bytes:
    """A file as torch saved it before version 1.6, without the memory of its tensors."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = b"".join(pickle.dumps(item, protocol=2) for item in (OLD_MAGIC, 1001, system))
    return head + description + pickle.dumps([], protocol=2)


@dataclass(frozen=True)
class Hostile:
    """A file and what must be said of it."""

    content: bytes
    said: str


@functools.cache
def exploits(canary: Path) -> dict[str, Hostile]:
    """Files that would make the file `canary` if anything in them ran, or use up time or memory."""
    return {**_calls(canary), **_lies(), **_containers(canary)}


def _calls(canary: Path) -> dict[str, Hostile]:
    touch = f"touch {canary}"
    python = f"open({str(canary)!r}, 'w')"
    inner = pickle.dumps(_Touch(str(canary)), protocol=2)
    as_bytes = call("_codecs", "encode", text(inner.decode("latin-1")), text("latin1"))
    posix = call("posix", "system", text(touch))
    values = {
        "os.system": posix,
        "builtins.eval": call("builtins", "eval", text(python)),
        "builtins.exec": call("builtins", "exec", text(python)),
        "builtins.eval in Python 2's words": call("__builtin__", "eval", text(python)),
        "builtins.getattr": call("builtins", "getattr", call("builtins", "__import__", text("os")), text("system")),
        "subprocess.Popen": call("subprocess", "Popen", b"](" + text("touch") + text(str(canary)) + b"e"),
        "runpy._run_code": call("runpy", "_run_code", text(python), b"}"),
        "pickle.loads": call("pickle", "loads", as_bytes),
        "torch.storage._load_from_bytes": call("torch.storage", "_load_from_bytes", as_bytes),
        "torch.serialization.load": call("torch.serialization", "load", text(str(canary))),
        "torch.hub.load": call("torch.hub", "load", text("a/b"), text("c")),
        "numpy.load": call("numpy", "load", text(str(canary))),
        "torch._tensor._rebuild_from_type_v2": call(
            "torch._tensor",
            "_rebuild_from_type_v2",
            name_of("builtins", "eval"),
            b"N",
            b"(" + text(python) + b"t",
            b"N",
        ),
        "torch._utils._rebuild_wrapper_subclass": call("torch._utils", "_rebuild_wrapper_subclass", b"N"),
        "torch._utils._rebuild_device_tensor_from_numpy": call(
            "torch._utils", "_rebuild_device_tensor_from_numpy", as_bytes, b"N", b"N", b"\x89"
        ),
        "pathlib.Path.touch": call("pathlib", "Path.touch", call("pathlib", "PosixPath", text(str(canary)))),
    }
    found = {
        name: Hostile(archive(with_extra(value)), name.split(" in ")[0].replace("os.", "posix."))
        for name, value in values.items()
    }
    deep = b"](" + b"}(" + text("x") + b"](" + posix + b"eue"
    forms = {
        "a call among the arguments of a call": with_extra(call("collections", "OrderedDict", b"](" + posix + b"e")),
        "a call inside lists and dictionaries": with_extra(deep),
        "a call as the key of a dictionary": with_extra(b"}(" + posix + b"Nu"),
        "a call as the state of an object": with_extra(call("collections", "OrderedDict") + posix + b"b"),
        "a call that is dropped again": with_extra(posix + b"0N"),
        "STACK_GLOBAL": program(text("posix") + text("system") + b"\x93" + text(touch) + b"\x85R", protocol=4),
        "INST": program(b"(" + text(touch) + b"iposix\nsystem\n"),
        "OBJ": program(b"(" + name_of("posix", "system") + text(touch) + b"o"),
        "NEWOBJ": program(name_of("posix", "system") + text(touch) + b"\x85\x81"),
        "NEWOBJ_EX": program(name_of("posix", "system") + text(touch) + b"\x85}\x92", protocol=4),
        "a mere name": with_extra(name_of("posix", "system")),
        "a name and then damage": program(posix + b"\xff\xff"),
        "a name before an instruction that torch never writes": program(posix + b"Pid\n"),
    }
    found |= {name: Hostile(archive(content), "wants to import posix.system") for name, content in forms.items()}
    found["an extension"] = Hostile(archive(program(b"\x82\x01")), "copyreg extension 1")
    found["a bare pickle"] = Hostile(program(posix), "posix.system")
    found["a bare pickle without a version"] = Hostile(posix + END, "posix.system")
    found["the old format"] = Hostile(old_file(with_extra(posix)), "posix.system")
    found["several names"] = Hostile(
        archive(with_extra(call("a", "b") + call("c", "d") + call("e", "f") + call("g", "h"))),
        "a.b, c.d, e.f and 1 more",
    )
    found["a name that writes to the terminal"] = Hostile(
        archive(program(text("x\x1b]0;owned\x07\n") + text("y" * 5000) + b"\x93", protocol=4)), "x\\x1b]0;owned\\x07"
    )
    return found


class _Touch:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (self.path, "w")


def _lies() -> dict[str, Hostile]:
    """Descriptions that cost much or do not fit the file."""
    one = numbers(1)
    values = {
        "memory for a million million numbers": (tensor(numbers(4), one, elements=10**12), "bytes is 16 bytes long"),
        "a shape larger than its memory": (tensor(numbers(5), one), "5 numbers is said to lie in memory for 4"),
        "a million million numbers in one place": (tensor(numbers(10**12), numbers(0)), "said to lie in memory for 4"),
        "a shape whose product is out of reach": (
            tensor(numbers(2**62, 2**62), numbers(0, 0)),
            "said to lie in memory",
        ),
        "an offset behind the end": (tensor(numbers(2), one, offset=3), "said to lie in memory for 4"),
        "a negative step": (tensor(numbers(4), numbers(-1), offset=3), "negative"),
        "a negative length": (tensor(numbers(-4), one), "negative"),
        "a negative offset": (tensor(numbers(1), one, offset=-1), "negative"),
        "more steps than lengths": (tensor(numbers(4), numbers(1, 1)), "the shape of a tensor is none"),
        "memory that is not in the file": (tensor(numbers(4), one, key="9"), "is missing"),
        "memory with the name of a path": (tensor(numbers(4), one, key="../version"), "is missing"),
        "lists in lists": (b"]" + b"\x85" * 50_000, "nested deeper than"),
        "a list in itself": (b"]q\x01h\x01a", "or contains itself"),
        "a small file that unfolds": (_laughs(), "unfolds into more than"),
        "keys that collide": (_colliding(), "is the key of a dictionary"),
        "copies of copies": (_copies(), "more than 1000000 steps"),
        "a number of a million digits": (b"\x8b" + struct.pack("<i", 500_000) + b"\x7f" * 500_000, "bits"),
        "text that is not there": (b"X\xff\xff\xff\x7fabc", "can't be followed"),
        "memory without a tensor": (_storage_alone(), "stands in it without the tensor"),
        "an empty stack": (b"0" * 50, "can't be followed"),
        "no end": (b"(" * 50, "can't be followed"),
    }
    found = {name: Hostile(archive(with_extra(value)), said) for name, (value, said) in values.items()}
    found["too many steps"] = Hostile(archive(program(b"N0" * 600_000 + b"N")), "more than 1000000 steps")
    return found


def _storage_alone() -> bytes:
    return b"(" + text("storage") + name_of("torch", "FloatStorage") + text("0") + text("cpu") + number(4) + b"tQ"


def _laughs() -> bytes:
    """Lists that each hold the last one ten times."""
    levels = (b"](" + (b"h" + bytes([level])) * 10 + b"eq" + bytes([level + 1]) + b"0" for level in range(30))
    return b"]q\x000" + b"".join(levels) + b"h" + bytes([30])


def _colliding() -> bytes:
    return b"}(" + b"".join(number((2**61 - 1) * (2**10 + index)) + b"N" for index in range(20_000)) + b"u"


def _copies() -> bytes:
    pairs = b"](" + (number(1) + b"N\x86") * 30_000 + b"eq\x01"
    return pairs + (name_of("collections", "OrderedDict") + b"h\x01\x85R0") * 50


def _containers(canary: Path) -> dict[str, Hostile]:
    """Archives that are not what they seem."""
    good = archive(with_extra(b"N"))
    evil = with_extra(call("posix", "system", text(f"touch {canary}")))
    code = f"open({str(canary)!r}, 'w')".encode()
    return {
        "two records of one name": Hostile(_twice(evil), "the same name"),
        "two checkpoints": Hostile(_second(evil), "two checkpoints"),
        "a zip bomb": Hostile(archive(with_extra(b"N"), {"data/1": bytes(5_000_000)}, packed=True), "compressed"),
        "an encrypted record": Hostile(_flagged(good), "encrypted"),
        "a record outside": Hostile(archive(with_extra(b"N"), {"../../x": b"1"}), "the name of a path"),
        "a record larger than the file": Hostile(_lying_size(good, 0x7FFFFFF0), "does not fit into the file"),
        "records that lie on each other": Hostile(_overlapping(), "larger than the file"),
        "a table of contents of two gigabytes": Hostile(_table_size(good, 0x7FFFFFFF), "cut off"),
        "a big-endian machine": Hostile(archive(with_extra(b"N"), {"byteorder": b"big"}), "big-endian"),
        "a TorchScript program": Hostile(
            archive(with_extra(b"N"), {"constants.pkl": program(b")"), "code/__torch__.py": code}), "TorchScript"
        ),
        "a pickle behind the pickle": Hostile(archive(program(b"N") + evil), "not a checkpoint"),
    }


def _twice(evil: bytes) -> bytes:
    first = archive(with_extra(b"N"), {"data/1": bytes(4)})
    return first.replace(b"archive/data/1", b"archive/data/0")


def _second(evil: bytes) -> bytes:
    stream = io.BytesIO(archive(with_extra(b"N")))
    with zipfile.ZipFile(stream, "a") as file:
        file.writestr("other/data.pkl", evil)
    return stream.getvalue()


def _flagged(good: bytes) -> bytes:
    content = bytearray(good)
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def _lying_size(good: bytes, size: int) -> bytes:
    content = bytearray(good)
    place = content.index(b"PK\x01\x02")
    content[place + 20 : place + 28] = struct.pack("<II", size, size)
    return bytes(content)


def _table_size(good: bytes, size: int) -> bytes:
    content = bytearray(good)
    place = content.rindex(b"PK\x05\x06")
    content[place + 12 : place + 16] = struct.pack("<I", size)
    return bytes(content)


def _overlapping() -> bytes:
    """Many entries of the table that name the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("archive/data.pkl", with_extra(b"N"))
        file.writestr("archive/data/0", bytes(16))
        file.writestr("archive/data/1", bytes(10_000))
        first = file.infolist()[-1]
        for index in range(2, 400):
            copy = zipfile.ZipInfo(f"archive/data/{index}")
            copy.header_offset, copy.CRC = first.header_offset, first.CRC
            copy.file_size = copy.compress_size = first.file_size
            file.filelist.append(copy)
    return stream.getvalue()


# --- damaging a good file -------------------------------------------------------------------------------------------


def small_checkpoint() -> bytes:
    """A complete checkpoint as torch saves it, some 20 kB: weights, both optimizers, counters, hyperparameters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = torch.nn.Sequential(*(torch.nn.Conv1d(4, 4, 3) for _ in range(4)))
        optimizer = torch.optim.AdamW(module.parameters())
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        stream = io.BytesIO()
        torch.save(
            {
                "epoch": 3,
                "global_step": 8,
                "state_dict": module.state_dict(),
                "optimizer_states": [optimizer.state_dict()],
                "hyper_parameters": {"learning_rate": 2e-4, "betas": (0.8, 0.99), "dataset": [Path("/data/x.jsonl")]},
                "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"current": {"ready": 4}}}},
            },
            stream,
        )
    return stream.getvalue()


def mutations(good: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Damaged and altered versions of a checkpoint, always the same ones for a seed."""
    choose = random.Random(seed)
    with zipfile.ZipFile(io.BytesIO(good)) as file:
        records = {name.partition("/")[2]: file.read(name) for name in file.namelist()}
    kinds: tuple[tuple[str, Callable[[], bytes]], ...] = (
        ("bytes", lambda: _flip(good, choose)),
        ("cut", lambda: good[: choose.randrange(len(good))]),
        ("table", lambda: _flip(good, choose, start=good.index(b"PK\x01\x02"))),
        ("pickle", lambda: archive(_edit(records["data.pkl"], choose), _others(records))),
        ("pickle", lambda: archive(_edit(records["data.pkl"], choose), _others(records))),
        ("spliced", lambda: archive(_splice(records["data.pkl"], choose), _others(records))),
        ("records", lambda: archive(records["data.pkl"], _shuffled(records, choose))),
    )
    for index in range(count):
        name, make = kinds[index % len(kinds)]
        yield f"{name} {index}", make()


def _others(records: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: record for name, record in records.items() if name != "data.pkl"}


def _flip(content: bytes, choose: random.Random, start: int = 0) -> bytes:
    changed = bytearray(content)
    for _ in range(choose.randint(1, 8)):
        changed[choose.randrange(start, len(changed))] = choose.randrange(256)
    return bytes(changed)


_INSTRUCTIONS = b"(.012FGIJKLMNPQRSTUVX]abcdeghijlopqrstu}\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8f\x90\x93\x94"
_TOKENS = (
    name_of("posix", "system"), name_of("builtins", "eval"), name_of("collections", "OrderedDict"), number(-1),
    name_of("torch._utils", "_rebuild_tensor_v2"), number(2**40), text("storage"), b"tR", b"tQ", b"h\x01", b"\x85" * 90,
)  # fmt: skip


def _edit(description: bytes, choose: random.Random) -> bytes:
    """Other instructions at some places."""
    changed = bytearray(description)
    for _ in range(choose.randint(1, 6)):
        changed[choose.randrange(len(changed))] = choose.choice(_INSTRUCTIONS)
    return bytes(changed)


def _splice(description: bytes, choose: random.Random) -> bytes:
    """Something put in, taken out or doubled."""
    place = choose.randrange(len(description))
    end = min(len(description), place + choose.randrange(40))
    return (
        description[:place]
        + choose.choice((b"", choose.choice(_TOKENS), description[place:end] * 2))
        + description[end:]
    )


def _shuffled(records: Mapping[str, bytes], choose: random.Random) -> dict[str, bytes]:
    """The right names with wrong contents."""
    others = _others(records)
    names = list(others)
    first, second = choose.choice(names), choose.choice(names)
    others[first], others[second] = others[second], others[first][: choose.randrange(40)]
    return others
