"""The hooks. A plugin subclasses `Plugin`, overrides what it offers, and names one instance in its entry point.

The class is the specification and the base at once, so a type checker sees every hook as an override. Hooks that begin
with `workbench_register_` are called once, on the main thread, and must take less than 50 ms; the others report events.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pluggy

from workbench.api.specs import (
    CallbackSpec,
    DoctorCheckSpec,
    ExporterSpec,
    ExportResult,
    HealthRuleSpec,
    LauncherSpec,
    NormalizerSpec,
    PaneSpec,
    PhonemizerSpec,
    PhoneRecognizerSpec,
    PlayerSpec,
    RunFacts,
)

PROJECT = "voice_workbench"
API_VERSION = (1, 0)

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Refuse(Exception):  # a plugin says `raise Refuse("why")`
    """Raised by `workbench_run_created` to keep a run from starting; the message is shown to the user."""


class Plugin:
    """Base class of every plugin."""

    requires_api: tuple[int, int] = API_VERSION
    """Plugin API that it was written for: same major, at most this minor."""
    summary: str = ""

    @hookspec
    def workbench_register_settings(self) -> type[Any] | None:
        """A frozen dataclass for `[plugins.<name>]`; its instance is what targets are called with."""

    @hookspec
    def workbench_register_phonemizers(self) -> Iterable[PhonemizerSpec]:
        """Phonemizer backends."""
        return ()

    @hookspec
    def workbench_register_normalizers(self) -> Iterable[NormalizerSpec]:
        """Text normalisers."""
        return ()

    @hookspec
    def workbench_register_health_rules(self) -> Iterable[HealthRuleSpec]:
        """Dataset rules."""
        return ()

    @hookspec
    def workbench_register_launchers(self) -> Iterable[LauncherSpec]:
        """Ways to start a trainer."""
        return ()

    @hookspec
    def workbench_register_callbacks(self) -> Iterable[CallbackSpec]:
        """Training callbacks."""
        return ()

    @hookspec
    def workbench_register_exporters(self) -> Iterable[ExporterSpec]:
        """Voice formats."""
        return ()

    @hookspec
    def workbench_register_players(self) -> Iterable[PlayerSpec]:
        """Ways to make a WAV heard."""
        return ()

    @hookspec
    def workbench_register_recognizers(self) -> Iterable[PhoneRecognizerSpec]:
        """What hears the phones of recordings."""
        return ()

    @hookspec
    def workbench_register_panes(self) -> Iterable[PaneSpec]:
        """Panes of the terminal workbench."""
        return ()

    @hookspec
    def workbench_register_doctor_checks(self) -> Iterable[DoctorCheckSpec]:
        """Checks of the machine."""
        return ()

    @hookspec
    def workbench_run_created(self, run: RunFacts) -> None:
        """A run directory was made and nothing has started; may raise `Refuse`."""

    @hookspec
    def workbench_run_finished(self, run: RunFacts, outcome: str) -> None:
        """A run ended (`completed`, `stopped` or `failed`); called in the supervisor."""

    @hookspec
    def workbench_checkpoint_saved(self, run: RunFacts, checkpoint: Path) -> None:
        """A checkpoint is complete on disk; called in the supervisor."""

    @hookspec
    def workbench_export_finished(self, result: ExportResult) -> None:
        """An export was verified."""
