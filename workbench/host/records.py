"""What the host knows about a plugin and about what a plugin registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from workbench.api import (
    CallbackSpec,
    DoctorCheckSpec,
    ExporterSpec,
    HealthRuleSpec,
    LauncherSpec,
    NormalizerSpec,
    PaneSpec,
    PhonemizerSpec,
    PhoneRecognizerSpec,
    PlayerSpec,
)

Spec = (
    PhonemizerSpec
    | NormalizerSpec
    | HealthRuleSpec
    | LauncherSpec
    | CallbackSpec
    | ExporterSpec
    | PlayerSpec
    | PhoneRecognizerSpec
    | PaneSpec
    | DoctorCheckSpec
)
S = TypeVar("S", covariant=True)

REGISTER_HOOKS: Mapping[str, type[Spec]] = {
    "workbench_register_phonemizers": PhonemizerSpec,
    "workbench_register_normalizers": NormalizerSpec,
    "workbench_register_health_rules": HealthRuleSpec,
    "workbench_register_launchers": LauncherSpec,
    "workbench_register_callbacks": CallbackSpec,
    "workbench_register_exporters": ExporterSpec,
    "workbench_register_players": PlayerSpec,
    "workbench_register_recognizers": PhoneRecognizerSpec,
    "workbench_register_panes": PaneSpec,
    "workbench_register_doctor_checks": DoctorCheckSpec,
}
"""Hooks that return records, and the record each must return."""

HOOK_BUDGET_MS = 50.0
"""A register hook that takes longer is reported: nothing it does should take time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginRecord:
    """A plugin that was found, whether it works or not. Failing is a state, not an exception."""

    name: str
    """Name of the entry point; what `workbench.toml` and the command line call it."""
    state: str
    """`active`, `disabled` or `failed`."""
    reason: str = ""
    """One line why it is not active; empty when it is."""
    traceback: str = ""
    """Where it failed, for its author; empty when it did not."""
    version: str = ""
    """Version of its distribution."""
    distribution: str = ""
    """Name of the distribution that it came with."""
    origin: str = ""
    """`package.module:attribute` of its entry point."""
    load_ms: float = 0.0
    """Milliseconds for import and hooks together."""
    summary: str = ""
    hooks_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds each register hook took."""
    warnings: tuple[str, ...] = ()
    """What is wrong with it although it works, one line each."""
    registered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of what it registered, by kind (`phonemizers`, `players`, …)."""

    def as_json(self) -> dict[str, object]:
        """A plain dictionary for `--json`."""
        return {
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "version": self.version,
            "distribution": self.distribution,
            "origin": self.origin,
            "load_ms": round(self.load_ms, 2),
            "summary": self.summary,
            "warnings": list(self.warnings),
            "registered": {kind: list(names) for kind, names in self.registered.items()},
            "traceback": self.traceback,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered(Generic[S]):
    """A record and the plugin it came from."""

    plugin: str
    spec: S


def kind_of(hook: str) -> str:
    """`workbench_register_health_rules` → `health_rules`."""
    return hook.removeprefix("workbench_register_")
