"""The one place that lets a checkpoint run code: `python -m workbench.workers.trusted SOURCE FOLDER`.

Only `workbench convert --i-trust-this-file` starts it, in a process of its own that can reach no network (where the
system allows that), has little memory, time and disk, and an environment without anybody's secrets. It is a fence, not
a wall: the code of the file runs with the rights of the user. What it leaves in FOLDER is read like any other file.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import resource
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

RESULT = "converted.ckpt"
REPORT = "report.json"

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_CPU_SECONDS = 600
_LIBRARIES_BYTES = 8_000_000_000
"""Of address space, most of it never touched, for Python and torch themselves."""


def fence_in(size: int) -> bool:
    """Take from this process what a file of `size` bytes does not need; returns whether the network is out of reach."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Who may, leaves the network alone; everyone else needs a user namespace for it, where the system has them.
    offline: bool = libc.unshare(_CLONE_NEWNET) == 0 or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
    limits = {
        resource.RLIMIT_AS: _LIBRARIES_BYTES + 6 * size,
        resource.RLIMIT_CPU: _CPU_SECONDS,
        resource.RLIMIT_FSIZE: 2 * size + 100_000_000,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256,
    }
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))
    return offline


class StandIn:
    """What stands for an object whose code is not installed here: it takes everything and is left out."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> StandIn:
        return self

    def append(self, _: Any) -> None:
        """Of a list."""

    def __setitem__(self, *_: Any) -> None: ...


class TrustingUnpickler(pickle.Unpickler):
    """Imports what a file wants, as far as it is installed."""

    def find_class(self, module: str, name: str) -> Any:
        """The class or function, or a stand-in."""
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError):
            return type(name, (StandIn,), {"__module__": module})


def unpickle_module() -> ModuleType:
    """What torch wants to be given: a module like `pickle`."""
    module = ModuleType("trusting_pickle")
    vars(module).update({**vars(pickle), "Unpickler": TrustingUnpickler})
    return module


def convert(source: Path, folder: Path, *, offline: bool) -> None:
    """Load a file with its code, and save what is plain of it."""
    import torch

    from core_vits.convert import as_plain

    value = torch.load(source, map_location="cpu", weights_only=False, pickle_module=unpickle_module())
    if isinstance(value, torch.nn.Module):
        value = {"state_dict": value.state_dict()}
    left_out: list[str] = []
    torch.save(as_plain(value, left_out), folder / RESULT)
    (folder / REPORT).write_text(json.dumps({"left_out": left_out, "offline": offline}), encoding="utf-8")


def main() -> int:
    """Entry point."""
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    offline = fence_in(source.stat().st_size)
    os.chdir(folder)
    convert(source, folder, offline=offline)
    return 0


if __name__ == "__main__":
    sys.exit(main())
