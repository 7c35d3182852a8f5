"""Run the checks of the machine: our own, the phonemizers' word on themselves, and those of plugins."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.api import DoctorCheckSpec, Finding, Severity
from workbench.config import Workspace
from workbench.config.settings import PHONEME_IDS
from workbench.errors import PluginError
from workbench.host.gpus import advise, list_gpus
from workbench.host.host import Host, why_unavailable
from workbench.host.machine import finding, machine_checks

Elsewhere = Callable[[str, str], Sequence[Mapping[str, Any]]]
"""Runs a check in a worker: called with pool and target, returns findings as dictionaries."""

REMOTE = "workbench.host.doctor:run_target"
"""What a worker is asked to call, with the check's target as `check`."""


def run_checks(
    host: Host, workspace: Workspace | None, environ: Mapping[str, str], elsewhere: Elsewhere
) -> Iterator[Finding]:
    """All findings, one after the other; a check that fails is a finding, too."""
    folder = workspace.runs if workspace is not None else Path.cwd()
    for name, check in machine_checks(folder, environ).items():
        yield from _guarded(name, check)
    if workspace is not None:
        yield from _guarded("gpu_settings", functools.partial(_gpu_settings, workspace))
    yield from _phonemizers(host, workspace)
    for entry in host.doctor_checks():
        yield from _guarded(entry.spec.name, functools.partial(_plugin_check, host, entry.spec, elsewhere))
    yield from _plugins(host)


def run_target(check: str) -> list[dict[str, object]]:
    """Run a plugin's check in this process, which is a worker, and return its findings as plain values."""
    module, _, attribute = check.partition(":")
    found = getattr(importlib.import_module(module), attribute)()
    return [item.as_json() for item in found]


def _plugin_check(host: Host, spec: DoctorCheckSpec, elsewhere: Elsewhere) -> Iterable[Finding]:
    if spec.pool:
        records = elsewhere(spec.pool, spec.target)
        return [Finding(**{**record, "severity": Severity(record["severity"])}) for record in records]
    findings: Iterable[Finding] = host.resolve(spec.target)()
    return findings


def _gpu_settings(workspace: Workspace) -> Iterable[Finding]:
    return advise(list_gpus(), workspace.training, workspace.voice.quality)


def _guarded(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        found = list(check())
        wrong = next((item for item in found if not isinstance(item, Finding)), None)
        if wrong is not None:
            raise PluginError(f"returned a {type(wrong).__name__}; a Finding is wanted")  # noqa: TRY301 - shown below
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - checks of plugins may raise anything
        text = " ".join(str(error).split()) or type(error).__name__
        yield finding(name, Severity.WARNS, name, f"the check itself failed: {text}")
        return
    yield from found


def _phonemizers(host: Host, workspace: Workspace | None) -> Iterator[Finding]:
    """What each phonemizer says of itself, and whether one speaks the voice's language."""
    for entry in host.phonemizers():
        reason = why_unavailable(entry.spec)
        severity = Severity.INFO if reason else Severity.OK
        yield finding("phonemizer", severity, f"phonemizer {entry.spec.name}", reason or "ready")
    if workspace is None:
        return
    language = workspace.voice.language
    if workspace.dataset.type == PHONEME_IDS and workspace.text.phonemizer == "auto":
        said = "phoneme ids are given, no phonemizer is needed to train"
        yield finding("phonemizer_language", Severity.OK, f"language {language}", said)
        return
    try:
        chosen = host.phonemizer_for(language, workspace.text.phonemizer)
    except PluginError as error:
        yield finding("phonemizer_language", Severity.BLOCKS, f"language {language}", str(error))
    else:
        yield finding("phonemizer_language", Severity.OK, f"language {language}", f"phonemizer {chosen.spec.name}")


def _plugins(host: Host) -> Iterator[Finding]:
    for record in host.plugins:
        if record.state == "failed":
            yield finding("plugin", Severity.WARNS, f"plugin {record.name}", f"failed: {record.reason}")
    for problem in host.problems:
        yield finding("plugin_switches", Severity.WARNS, "plugins", problem)
