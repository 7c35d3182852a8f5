"""Settings `[plugins.onnx]`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class OnnxSettings:
    """`[plugins.onnx]`."""

    tokens: bool = True
    """Whether `<voice>.tokens.txt` is written too; sherpa-onnx wants it, Piper does not."""
