"""Load one plugin, guarded: whatever it does, the result is a record."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import re
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pluggy

from workbench.api import API_VERSION, DoctorCheckSpec, ExporterSpec, Plugin
from workbench.config import Workspace, read_plugin_settings
from workbench.errors import ConfigError
from workbench.host.discovery import Candidate
from workbench.host.manager import HookManager, HookProblem, check_hooks
from workbench.host.records import HOOK_BUDGET_MS, REGISTER_HOOKS, Spec, kind_of

_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_POOLS = ("", "torch", "audio", "text")


class LoadProblem(Exception):
    """The plugin can't be used; the message is the reason that the user reads."""


@dataclass(kw_only=True)
class Loaded:
    """What came of loading one plugin."""

    candidate: Candidate
    plugin: Plugin | None = None
    reason: str = ""
    traceback: str = ""
    load_ms: float = 0.0
    hooks_ms: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    settings: Any = None
    specs: dict[str, list[Spec]] = field(default_factory=dict)
    """Records by register hook."""


def load(candidate: Candidate, manager: HookManager, workspace: Workspace | None) -> Loaded:
    """Import a plugin, check it, register its hooks and collect its records. Never raises but for KeyboardInterrupt."""
    loaded = Loaded(candidate=candidate)
    if candidate.broken:
        loaded.reason = candidate.broken
        return loaded
    started = time.perf_counter()
    try:
        # A plugin that prints while it is imported would spoil `--json`; what it says belongs to the log.
        with contextlib.redirect_stdout(sys.stderr):
            plugin = _import_plugin(candidate)
            _check_api(plugin)
            check_hooks(plugin)
            _register(plugin, candidate.name, manager)
            _collect(plugin, manager, loaded, workspace)
        loaded.plugin = plugin
    except KeyboardInterrupt:
        raise
    except (LoadProblem, HookProblem, ConfigError) as problem:
        loaded.reason = _one_line(str(problem))
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit included
        loaded.reason = _one_line(f"{type(error).__name__}: {error}")
        loaded.traceback = traceback.format_exc()
    loaded.load_ms = (time.perf_counter() - started) * 1000
    if loaded.reason:
        loaded.specs.clear()
        if manager.has_plugin(candidate.name):
            manager.unregister(name=candidate.name)
    return loaded


def _import_plugin(candidate: Candidate) -> Plugin:
    module_name, _, attribute = (part.strip() for part in candidate.value.partition(":"))
    try:
        found: object = importlib.import_module(module_name)
    except SystemExit as error:
        raise LoadProblem(f"{module_name} ends the program when it is imported (sys.exit({error.code}))") from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise LoadProblem(f"{module_name} has no '{attribute}', which its entry point names")
        found = getattr(found, part)
    if isinstance(found, type) and issubclass(found, Plugin):
        raise LoadProblem(f"{candidate.value} is a class; an instance is wanted: {attribute} = {found.__name__}()")
    if not isinstance(found, Plugin):
        raise LoadProblem(
            f"{candidate.value} is a {type(found).__name__}; an instance of workbench.api.Plugin is wanted"
        )
    return found


def _check_api(plugin: Plugin) -> None:
    wanted = plugin.requires_api
    ours = ".".join(map(str, API_VERSION))
    pair = isinstance(wanted, tuple) and len(wanted) == 2 and all(type(part) is int for part in wanted)
    if not pair:
        raise LoadProblem(f"requires_api is {wanted!r}; a pair such as {API_VERSION} is wanted")
    if wanted[0] != API_VERSION[0] or wanted[1] > API_VERSION[1]:
        advice = "update voice-workbench" if wanted > API_VERSION else "update the plugin"
        raise LoadProblem(f"needs plugin API {wanted[0]}.{wanted[1]}; this program has {ours}: {advice}")


def _register(plugin: Plugin, name: str, manager: HookManager) -> None:
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        last = str(error).strip().splitlines()
        raise LoadProblem(f"a hook has the wrong parameters: {' '.join(last[1:]) or last[0]}") from None
    except ValueError:
        raise LoadProblem("the same plugin object stands in another entry point already") from None


def _collect(plugin: Plugin, manager: HookManager, loaded: Loaded, workspace: Workspace | None) -> None:
    """Call the plugin's own register hooks, timed, and check what they return."""
    name = loaded.candidate.name
    settings = _call(manager, "workbench_register_settings", plugin, loaded)
    if settings is not None:
        if not (isinstance(settings, type) and dataclasses.is_dataclass(settings)):
            raise LoadProblem(f"workbench_register_settings returned {settings!r}; a dataclass (the class) is wanted")
        loaded.settings = read_plugin_settings(workspace, name, settings)
    elif workspace is not None and workspace.plugin_settings(name):
        loaded.warnings.append(f"[plugins.{name}] is set, but this plugin has no settings")
    for hook, record in REGISTER_HOOKS.items():
        returned = _call(manager, hook, plugin, loaded)
        loaded.specs[hook] = _checked(returned if returned is not None else (), hook, record)


def _call(manager: HookManager, hook: str, plugin: Plugin, loaded: Loaded) -> Any:
    """Call this plugin's implementation of a hook, if it has one."""
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin is not plugin:
            continue
        started = time.perf_counter()
        result = implementation.function()
        if isinstance(result, Iterable) and not isinstance(result, (str, type)):
            result = list(result)  # a generator does its work here, inside guard and timing
        took = (time.perf_counter() - started) * 1000
        loaded.hooks_ms[hook] = took
        if took > HOOK_BUDGET_MS:
            loaded.warnings.append(f"{hook} took {took:.0f} ms; {HOOK_BUDGET_MS:.0f} ms is the most it should take")
        return result
    return None


def _checked(returned: Any, hook: str, record: type[Spec]) -> list[Spec]:
    if not isinstance(returned, list | tuple):
        raise LoadProblem(f"{hook} returned a {type(returned).__name__}; an iterable of {record.__name__} is wanted")
    names: set[str] = set()
    for spec in returned:
        if not isinstance(spec, record):
            raise LoadProblem(f"{hook} returned a {type(spec).__name__} among its records; {record.__name__} is wanted")
        _check_spec(spec, hook)
        if spec.name in names:
            raise LoadProblem(f"{hook} returned two records with the name '{spec.name}'")
        names.add(spec.name)
    return list(returned)


def _check_spec(spec: Spec, hook: str) -> None:
    title = f"{type(spec).__name__} '{spec.name}'"
    if not isinstance(spec.name, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", spec.name):
        raise LoadProblem(f"{hook}: {title} must have a name of letters, digits, '.', '_' and '-'")
    targets = [("target", spec.target)]
    if isinstance(spec, ExporterSpec) and spec.verifier:
        targets.append(("verifier", spec.verifier))
    for field_name, target in targets:
        if not isinstance(target, str) or not _TARGET.fullmatch(target):
            raise LoadProblem(f"{title}: {field_name} is {target!r}; 'package.module:attribute' is wanted")
    if isinstance(spec, DoctorCheckSpec) and spec.pool not in _POOLS:
        raise LoadProblem(f"{title}: pool is '{spec.pool}'; one of {', '.join(_POOLS[1:])} or none is wanted")


def kinds_of(loaded: Loaded) -> dict[str, tuple[str, ...]]:
    """Names of what a plugin registered, by kind."""
    return {kind_of(hook): tuple(spec.name for spec in specs) for hook, specs in loaded.specs.items() if specs}


def _one_line(text: str) -> str:
    return " ".join(text.split())
