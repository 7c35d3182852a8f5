"""What a checkpoint tells without being loaded: by its name, and by its first bytes.

Names have had three forms: `epoch=E-step=S.ckpt`, ours and those of Piper up to 1.4; since then Piper writes
`epoch=E-val_mel=X.ckpt`, the same with `val_mos`, and `last.ckpt`; `-v1` and so on behind any of them. What a name does
not tell stands at the very start of the file: the pickle of a Lightning checkpoint begins with epoch and step. Its
operations are listed, none carried out. Standard library only.
"""

from __future__ import annotations

import os
import pickletools
import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path

OPTIMIZERS = 2
"""Optimizer steps of one batch: Piper counts the generator's and the discriminators' in file names."""

OWN_NAME = re.compile(r"epoch=(\d+)-step=(\d+)\.ckpt")
"""What the trainer here calls its files: epoch and optimizer steps. Nothing else is ever removed by it."""

_START, _END = b"PK\x03\x04", b"PK\x05\x06"
_LOCAL_HEADER = struct.Struct("<26xHH")
"""Of a ZIP archive: lengths of the file name and of the extra field."""
_END_BYTES = 22
_HEAD_BYTES = 4096
_PICKLE_OPERATIONS = 40
"""Epoch and step are among the first ten."""
_HIGHEST = 2**53
_EPOCH = re.compile(r"(?:^|-)epoch=(\d{1,9})(?=-|$)")
_STEP = re.compile(r"(?:^|-)step=(\d{1,12})(?=-|$)")
_SCORE = re.compile(r"(?:^|-)(?!epoch=|step=)([A-Za-z_]\w*)=(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointName:
    """What the name of a checkpoint says; None where it says nothing."""

    epoch: int | None
    """The epoch that was just finished, from 0."""
    step: int | None
    """Optimizer steps."""
    metric: str
    """`val_mel`, `val_mos` or another quantity that is part of the name; empty when there is none."""
    score: float | None = None
    """Its value."""

    @property
    def epochs(self) -> int | None:
        """Epochs trained."""
        return None if self.epoch is None else self.epoch + 1

    @property
    def generation(self) -> str:
        """Which Piper gives such names; empty when it can't be told."""
        if self.metric in ("val_mel", "val_mos"):
            return "Piper 1.5 or newer"
        if self.epoch is not None and self.step is not None and not self.metric:
            return "Piper 1.3 to 1.4, or its predecessor piper_train"
        return ""


def read_name(file: str | Path) -> CheckpointName:
    """Read `epoch=426-step=202398.ckpt`, `epoch=9-val_mel=0.4312.ckpt` and their kind."""
    stem = Path(file).name.removesuffix(".ckpt")
    epoch, step, score = (pattern.search(stem) for pattern in (_EPOCH, _STEP, _SCORE))
    return CheckpointName(
        epoch=int(epoch[1]) if epoch else None,
        step=int(step[1]) if step else None,
        metric=score[1] if score else "",
        score=float(score[2]) if score else None,
    )


def read_counters(path: Path) -> CheckpointName:
    """What the name says, and what it leaves out from the first bytes of the file."""
    name = read_name(path)
    if name.epoch is not None and name.step is not None:
        return name
    head = read_head(path)
    return replace(
        name,
        epoch=head.epoch if name.epoch is None else name.epoch,
        step=head.optimizer_step if name.step is None else name.step,
    )


@dataclass(frozen=True, slots=True)
class FileHead:
    """What the first and the last bytes of a checkpoint tell."""

    epoch: int | None = None
    optimizer_step: int | None = None
    problem: str = ""
    """Why it can't be a whole checkpoint."""


def read_head(path: Path) -> FileHead:
    """Look at both ends of a checkpoint, four kilobytes in all."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not wait for a writer
    except OSError as error:
        return FileHead(problem=f"can't be read ({error.strerror})")
    try:
        size = os.fstat(descriptor).st_size
        head = os.pread(descriptor, _HEAD_BYTES, 0)
        tail = os.pread(descriptor, _END_BYTES, max(0, size - _END_BYTES))
    except OSError as error:
        return FileHead(problem=f"can't be read ({error.strerror})")
    finally:
        os.close(descriptor)
    if not size:
        return FileHead(problem="is empty")
    epoch, step = _counters(head)
    if not head.startswith(_START):
        return FileHead(problem="is no checkpoint")
    if not tail.startswith(_END):
        return FileHead(epoch, step, "is not whole (half-copied?)")
    return FileHead(epoch, step)


def _counters(head: bytes) -> tuple[int | None, int | None]:
    """Epoch and optimizer step at the start of the pickle that an archive begins with."""
    if len(head) < _LOCAL_HEADER.size or not head.startswith(_START):
        return None, None
    name, extra = _LOCAL_HEADER.unpack_from(head)
    start = _LOCAL_HEADER.size + name + extra
    if not head[_LOCAL_HEADER.size : _LOCAL_HEADER.size + name].endswith(b"/data.pkl"):
        return None, None
    found: dict[str, int] = {}
    key = ""
    try:
        for number, (operation, argument, _) in enumerate(pickletools.genops(head[start:])):
            if number > _PICKLE_OPERATIONS or len(found) == 2:
                break
            if isinstance(argument, str):
                key = argument if argument in ("epoch", "global_step") else ""
            elif key and isinstance(argument, int) and operation.name.startswith(("BININT", "LONG", "INT")):
                if 0 <= argument < _HIGHEST:
                    found[key] = argument
                key = ""
    except (ValueError, OverflowError, UnicodeDecodeError):
        pass  # cut off, or no pickle: what was found before holds
    return found.get("epoch"), found.get("global_step")
