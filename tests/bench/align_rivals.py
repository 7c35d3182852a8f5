"""What the alignment search is measured against, as far as it can be had here.

- The classic recursion in Cython (`classic_search.pyx`), built in a temporary folder with the compiler and the options
  of this Python, as Piper builds its own. Needs the package `cython` and a C compiler.
- The package `monotonic-alignment-search` from PyPI.
- Plain reading of the same memory, which is the limit: a loop in C, or `torch.dot` where there is no compiler.

`pip install cython monotonic-alignment-search` brings both packages.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

READER = """
float read_all(const float *from, long count) {
    float sums[64] = {0}, sum = 0;
    for (long at = 0; at + 64 <= count; at += 64) {
        for (int line = 0; line < 64; line += 16) __builtin_prefetch(from + at + 2048 + line);
        for (int lane = 0; lane < 64; ++lane) sums[lane] += from[at + lane];
    }
    for (int lane = 0; lane < 64; ++lane) sum += sums[lane];
    return sum;
}
"""


def compiler() -> list[str]:
    """The C compiler that this Python builds extensions with, and its options."""
    names = ("CC", "CFLAGS", "CCSHARED")
    return [word for name in names for word in shlex.split(sysconfig.get_config_var(name) or "")]


def build(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)


def classic_search(folder: Path) -> tuple[ModuleType | None, str]:
    """The compiled classic recursion, or nothing, with a line that says what it is or why it is missing."""
    if importlib.util.find_spec("Cython") is None:
        return None, "missing: the package cython is not installed (pip install cython)"
    source, code = Path(__file__).with_name("classic_search.pyx"), folder / "classic_search.c"
    extension = folder / "classic_search.so"
    include = sysconfig.get_path("include")
    try:
        build([sys.executable, "-m", "cython", "-3", str(source), "-o", str(code)])
        build([*compiler(), "-shared", f"-I{include}", str(code), "-o", str(extension)])
    except subprocess.CalledProcessError as error:
        return None, f"missing: {Path(error.cmd[0]).name} failed: {error.stderr.strip().splitlines()[-1]}"
    except OSError as error:
        return None, f"missing: no C compiler ({error})"
    loader = importlib.machinery.ExtensionFileLoader("classic_search", str(extension))
    spec = importlib.util.spec_from_loader("classic_search", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module, f"Cython, built with {shlex.join(compiler())}"


def classic_call(search: ModuleType, score_BFT: Tensor, mask_BFT: Tensor) -> Tensor:
    """The whole call as VITS and Piper make it: lengths from a mask, copies to numpy, a dense path back."""
    values = score_BFT.detach().cpu().numpy().astype(np.float32)
    paths = np.zeros(values.shape, dtype=np.int32)
    frames = mask_BFT.sum(1)[:, 0].cpu().numpy().astype(np.int32)
    phonemes = mask_BFT.sum(2)[:, 0].cpu().numpy().astype(np.int32)
    search.align_batch(paths, values, frames, phonemes)
    return torch.from_numpy(paths).to(device=score_BFT.device, dtype=score_BFT.dtype)


def pypi_search() -> tuple[Callable[[Tensor, Tensor], Any] | None, str]:
    """`maximum_path` of the package: scores and mask [B, T, F], a dense path back."""
    try:
        module = importlib.import_module("monotonic_alignment_search")
    except ImportError:
        return None, "missing: pip install monotonic-alignment-search"
    version = importlib.metadata.version("monotonic-alignment-search")
    return module.maximum_path, f"monotonic-alignment-search {version}"


class Reader:
    """Reads a tensor once and adds it up, as fast as one thread can."""

    def __init__(self, folder: Path) -> None:
        source, library = folder / "reader.c", folder / "reader.so"
        source.write_text(READER, encoding="utf-8")
        self._read: Any = None
        try:
            cc = shlex.split(sysconfig.get_config_var("CC") or "cc")
            options = ["-O3", "-march=native", "-ffast-math", "-fPIC", "-shared"]
            build([*cc, *options, str(source), "-o", str(library)])
        except (OSError, subprocess.CalledProcessError):
            self.about = "torch.dot"
            return
        self._read = ctypes.CDLL(str(library)).read_all
        self._read.argtypes = ctypes.c_void_p, ctypes.c_long
        self._read.restype = ctypes.c_float
        self.about = f"a loop in C, built with {shlex.join(options)}"

    def __call__(self, tensor: Tensor) -> None:
        flat = tensor.view(-1)
        if self._read is None:
            torch.dot(flat, flat)
        else:
            self._read(flat.data_ptr(), flat.numel())
