"""The inside of a checkpoint file: a pickle that is followed step by step, and never unpickled.

A pickle is a program for a small stack machine. Here it runs on a machine that knows plain values and can describe
tensors. A name that it wants to import is looked up in a table of descriptions: nothing is imported and nothing of the
file's choosing is called, so there is no list of dangerous names to keep. Names that are not in the table are noted,
and the file is followed to its end all the same, to name them all.

It also bounds what torch's own restricted loader does not: the number of steps, the depth, what a small file may unfold
into, and keys that are chosen to collide. Standard library only.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from core_vits.descriptions import (
    BUILDERS,
    ITEM_BYTES,
    NUMPY_TYPE,
    OLD_MODULES,
    STORAGES,
    Foreign,
    Name,
    NumpyType,
    PickleError,
    StorageNote,
    TensorNote,
    put_items,
    set_of,
)

MOST_STEPS = 1_000_000
"""Of the stack machine. A voice with its optimizers takes some 120,000."""
MOST_VALUES = 2_000_000
"""That a file may unfold into; lists that hold one another many times over would make billions."""
DEEPEST = 60
"""Nested containers; a checkpoint of Lightning has 10."""
LONGEST_NUMBER = 1_024
"""Bits. States of random number generators have 128."""


def follow(file: BinaryIO, foreign: dict[str, None]) -> Any:
    """Follow the pickle that begins where the file stands.

    Args:
        file: left behind the pickle's end.
        foreign: gets the names that the pickle wants to import and that are not in the table, in their order; also when
            it can't be followed to its end.

    Returns:
        Its value, for `unfold`.

    Raises:
        PickleError: it is damaged, too large, or does something that no checkpoint needs.
    """
    machine = _Machine(foreign)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.step(opcode.name, argument)
    except (PickleError, MemoryError):
        raise
    except Exception as error:  # an empty stack, a missing memo, a string that is none, …
        raise PickleError(f"its description can't be followed, {type(error).__name__}") from error
    raise PickleError("its description has no end")


def unfold(value: Any, tensor: Callable[[TensorNote], Any]) -> Any:
    """The plain value of what `follow` gave.

    Args:
        value: nothing foreign in it.
        tensor: makes a tensor of its description; a tensor that stands in several places is made once.

    Raises:
        PickleError: it is nested too deeply, contains itself, or unfolds into too much.
    """
    return _Unfolding(tensor).of(value, 0)[0]


class _Machine:
    """The stack machine of pickle (see `pickletools`), for plain values and descriptions."""

    def __init__(self, foreign: dict[str, None]) -> None:
        self.stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._left = MOST_STEPS
        self._foreign = foreign

    def step(self, name: str, argument: Any) -> None:
        """One instruction.

        Raises:
            PickleError: it asks for something that no checkpoint needs.
        """
        self._pay(1)
        if name in _CONSTANTS:
            self._push(_CONSTANTS[name]())
        elif name in _NUMBERS_AND_TEXT:
            if isinstance(argument, int) and argument.bit_length() > LONGEST_NUMBER:
                raise PickleError(f"a number in it has {argument.bit_length()} bits")
            self._push(bytes(argument) if isinstance(argument, bytearray) else argument)
        else:
            action = _ACTIONS.get(name)
            if action is None:
                raise PickleError(f"its description has the instruction {name}, which torch never writes")
            action(self, argument)

    def _push(self, value: Any) -> None:
        self.stack.append(value)

    def _pay(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise PickleError(f"its description has more than {MOST_STEPS} steps")

    # --- stack and memo -----------------------------------------------------------------------------------------------

    def mark(self, _: Any) -> None:
        self._marked.append(self.stack)
        self.stack = []

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self._marked.pop()
        return items

    def drop_mark(self, _: Any) -> None:
        self._since_mark()

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._since_mark()

    def repeat(self, _: Any) -> None:
        self._push(self.stack[-1])

    def get(self, number: int) -> None:
        self._push(self._memo[int(number)])

    def put(self, number: int) -> None:
        self._memo[int(number)] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def nothing(self, _: Any) -> None:
        """The version, and the frames of the newer ones: they say nothing that is needed."""

    # --- containers ---------------------------------------------------------------------------------------------------

    def make_list(self, _: Any) -> None:
        items = self._since_mark()
        self._push(items)

    def make_tuple(self, _: Any) -> None:
        items = self._since_mark()
        self._push(tuple(items))

    def make_frozenset(self, _: Any) -> None:
        items = self._since_mark()
        self._push(set_of(items))

    def make_dict(self, _: Any) -> None:
        items = self._since_mark()
        fresh: dict[Any, Any] = {}
        put_items(fresh, items)
        self._push(fresh)

    def tuple_of(self, count: int) -> None:
        items = [self.stack.pop() for _ in range(count)]
        self._push(tuple(reversed(items)))

    def append(self, _: Any) -> None:
        item = self.stack.pop()
        self._extend([item])

    def extend(self, _: Any) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Foreign):
            raise PickleError("something is appended to what is no list")

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def set_items(self, _: Any) -> None:
        self._set_items(self._since_mark())

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            put_items(target, items)
        elif not isinstance(target, Foreign):
            raise PickleError("an item is set in what is no dictionary")

    def add_items(self, _: Any) -> None:
        items = self._since_mark()
        target = self.stack[-1]
        if isinstance(target, set):
            target |= set_of(items)
        elif not isinstance(target, Foreign):
            raise PickleError("something is added to what is no set")

    # --- names and what is called -------------------------------------------------------------------------------------

    def name(self, argument: str) -> None:
        module, _, attribute = argument.partition(" ")
        self._push(self._named(module, attribute))

    def name_from_stack(self, _: Any) -> None:
        attribute, module = self.stack.pop(), self.stack.pop()
        self._push(self._named(str(module), str(attribute)))

    def _named(self, module: str, attribute: str) -> Name | Foreign:
        full = f"{OLD_MODULES.get(module, module)}.{attribute}"
        if full in BUILDERS or full in STORAGES or full.removeprefix("torch.") in ITEM_BYTES or full == NUMPY_TYPE:
            return Name(full)
        return self._note(full)

    def _note(self, full: str) -> Foreign:
        self._foreign[full] = None
        return Foreign(full)

    def call(self, _: Any) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._called(self.stack[-1], arguments)

    def call_with_names(self, _: Any) -> None:
        named = self.stack.pop()
        arguments = self.stack.pop()
        if named:
            raise PickleError("an object is made with named arguments")
        self.stack[-1] = self._called(self.stack[-1], arguments)

    def make_object(self, _: Any) -> None:
        function, *arguments = self._since_mark()
        self._push(self._called(function, tuple(arguments)))

    def make_instance(self, argument: str) -> None:
        arguments = tuple(self._since_mark())
        self.name(argument)
        self.stack[-1] = self._called(self.stack[-1], arguments)

    def _called(self, function: Any, arguments: Any) -> Any:
        if isinstance(function, Foreign):
            return function
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise PickleError("something that is no function is called")
        builder = BUILDERS.get(function.full)
        if builder is None:
            raise PickleError(f"{function.full} is called")
        # What is copied costs as if it had been written out.
        self._pay(sum(len(item) for item in arguments if isinstance(item, (list, tuple, dict, set, str, bytes))))
        return builder(*arguments)

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, NumpyType):
            target.order = str(state[1])
        elif not isinstance(target, (dict, Foreign)):  # a dict is an OrderedDict here; torch keeps versions beside it
            raise PickleError("the state of something that has none is set")

    def storage(self, _: Any) -> None:
        note = self.stack.pop()
        if not isinstance(note, tuple) or note[0] not in ("storage", b"storage"):
            raise PickleError("something that is not a tensor's memory lies outside its description")
        kind, key, elements, view = note[1], note[2], note[4], note[5] if len(note) > 5 else None
        if isinstance(kind, Foreign):
            self._push(kind)
            return
        if not isinstance(kind, Name) or kind.full not in STORAGES or view is not None:
            raise PickleError("a tensor's memory has no type that a checkpoint needs")
        if not isinstance(key, (str, int)) or type(elements) is not int or elements < 0:
            raise PickleError("a tensor's memory is not described")
        self._push(StorageNote(str(key), STORAGES[kind.full], elements))

    def extension(self, number: int) -> None:
        self._push(self._note(f"copyreg extension {number}"))


_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_SET": set,
}  # fmt: skip
_NUMBERS_AND_TEXT = frozenset(
    {
        "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
        "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE",
        "BINUNICODE", "BINUNICODE8",
    }
)  # fmt: skip
_ACTIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.nothing, "FRAME": _Machine.nothing, "MARK": _Machine.mark, "POP": _Machine.pop,
    "POP_MARK": _Machine.drop_mark, "DUP": _Machine.repeat,
    "GET": _Machine.get, "BINGET": _Machine.get, "LONG_BINGET": _Machine.get,
    "PUT": _Machine.put, "BINPUT": _Machine.put, "LONG_BINPUT": _Machine.put, "MEMOIZE": _Machine.memoize,
    "LIST": _Machine.make_list, "TUPLE": _Machine.make_tuple, "DICT": _Machine.make_dict,
    "FROZENSET": _Machine.make_frozenset,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": _Machine.append, "APPENDS": _Machine.extend, "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items, "ADDITEMS": _Machine.add_items,
    "GLOBAL": _Machine.name, "STACK_GLOBAL": _Machine.name_from_stack, "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call, "NEWOBJ_EX": _Machine.call_with_names, "OBJ": _Machine.make_object,
    "INST": _Machine.make_instance, "BUILD": _Machine.build, "BINPERSID": _Machine.storage,
    "EXT1": _Machine.extension, "EXT2": _Machine.extension, "EXT4": _Machine.extension,
}  # fmt: skip


class _Unfolding:
    """Turns what the machine made into plain values, once for each place that it was made at."""

    def __init__(self, tensor: Callable[[TensorNote], Any]) -> None:
        self._tensor = tensor
        self._done: dict[int, tuple[Any, int]] = {}

    def of(self, value: Any, depth: int) -> tuple[Any, int]:
        """The plain value, and how many values it unfolds into."""
        if value is None or isinstance(value, (bool, int, float, str, bytes)):
            return value, 1
        known = self._done.get(id(value))
        if known is not None:
            return known
        if depth > DEEPEST:
            raise PickleError(f"its description is nested deeper than {DEEPEST} levels, or contains itself")
        result, count = self._fresh(value, depth)
        if count > MOST_VALUES:
            raise PickleError(f"its description unfolds into more than {MOST_VALUES} values")
        self._done[id(value)] = result, count
        return result, count

    def _fresh(self, value: Any, depth: int) -> tuple[Any, int]:
        if isinstance(value, TensorNote):
            return self._tensor(value), 1
        if isinstance(value, Name):
            return value.full, 1
        if isinstance(value, NumpyType):
            return value.code, 1
        if isinstance(value, set):
            return set(value), len(value) + 1
        if isinstance(value, (list, tuple)):
            parts = [self.of(item, depth + 1) for item in value]
            items = [item for item, _ in parts]
            return (tuple(items) if isinstance(value, tuple) else items), 1 + sum(count for _, count in parts)
        if isinstance(value, dict):
            pairs = {key: self.of(item, depth + 1) for key, item in value.items()}
            return {key: item for key, (item, _) in pairs.items()}, 1 + sum(count for _, count in pairs.values())
        raise PickleError("the memory of a tensor stands in it without the tensor")
