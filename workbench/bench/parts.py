"""The parts of the bench and what each one answers. Light: the command line reads it before any worker starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Something that is measured by itself."""

    title: str
    target: str
    """Called as `target(workspace, seconds)` in a worker: path of the workspace file or None, and how long to measure
    once everything is ready. Returns `Measured.as_json()`."""
    pool: str
    """Of the worker."""


PARTS: Mapping[str, Part] = {
    "align": Part(title="alignment search", target="workbench.bench.compute:align", pool="torch"),
    "step": Part(title="training step", target="workbench.bench.compute:step", pool="torch"),
    "loader": Part(title="loading of batches", target="workbench.bench.clips:loader", pool="torch"),
    "cache": Part(title="reading of clips", target="workbench.bench.clips:cache", pool="audio"),
    "prepare": Part(title="preparing of clips", target="workbench.bench.clips:prepare", pool="audio"),
    "speak": Part(title="speaking", target="workbench.bench.compute:speak", pool="torch"),
    "disk": Part(title="writing of checkpoints", target="workbench.bench.files:disk", pool="audio"),
    "events": Part(title="reading of curves", target="workbench.bench.files:events", pool="audio"),
}
"""By the name that `--only` takes, in the order in which they run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a part came to."""

    value: float
    unit: str
    about: str
    """What was measured, with what, one line."""
    limited_by: str
    """What stands in the way of more."""
    advice: str
    """Which value is a bad one, and what to do then."""
    figures: Mapping[str, float | str] = field(default_factory=dict)
    """Further numbers for programs, by name with unit."""

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
