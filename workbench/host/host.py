"""The host: loads plugins, hands out what they registered, and reports events to them.

It has no list of plugins of its own: first-party ones come through the same entry points as everybody's.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

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
    Refuse,
    RunFacts,
)
from workbench.config import Workspace, did_you_mean
from workbench.errors import PluginError, RunError, WorkbenchError
from workbench.host.discovery import Candidate, Switches, find_candidates
from workbench.host.loading import Loaded, kinds_of, load
from workbench.host.manager import HookManager
from workbench.host.records import PluginRecord, Registered, Spec

T = TypeVar("T", bound=Spec)

_log = logging.getLogger("workbench.host")


class Host:
    """The plugins of one process. Make it with `Host.load`."""

    def __init__(self, loaded: Sequence[Loaded], off: Mapping[str, str], manager: HookManager) -> None:
        self._manager = manager
        self._settings = {item.candidate.name: item.settings for item in loaded}
        self._specs: dict[str, list[Registered[Spec]]] = {}
        self.problems: list[str] = []
        """One line each: what is wrong with the switches, not with a plugin."""
        self.failures: list[str] = []
        """One line each: a plugin's event hook that raised."""
        self._merge(loaded)
        self._records = [_record(item, off.get(item.candidate.name, "")) for item in loaded]

    @classmethod
    def load(cls, workspace: Workspace | None, *, safe: bool = False, environ: Mapping[str, str] | None = None) -> Host:
        """Find and load plugins. Never raises because of a plugin.

        Args:
            workspace: says which plugins are off and holds their settings; None: all plugins with their defaults.
            safe: load plugins of the distribution `voice-workbench` only.
            environ: environment to look for `WORKBENCH_PLUGINS` and `WORKBENCH_SAFE` in; `os.environ` when None.
        """
        disabled = workspace.disabled_plugins if workspace is not None else ()
        switches = Switches.read(disabled, os.environ if environ is None else environ, safe=safe)
        candidates = find_candidates()
        off = {item.name: reason for item in candidates if (reason := switches.why_off(item))}
        manager = HookManager()
        loaded = [Loaded(candidate=item) if item.name in off else load(item, manager, workspace) for item in candidates]
        host = cls(loaded, off, manager)
        names = [item.name for item in candidates]
        host.problems.extend(switches.problems(names))
        host.problems.extend(_unknown_tables(workspace, candidates))
        return host

    def _merge(self, loaded: Sequence[Loaded]) -> None:
        """Put the records of all plugins together; the first of two equal names wins and the second is told."""
        for item in loaded:
            for hook, specs in item.specs.items():
                owners = {entry.spec.name: entry.plugin for entry in self._specs.get(hook, [])}
                for spec in list(specs):
                    if spec.name in owners:
                        item.warnings.append(f"its '{spec.name}' is left out: {owners[spec.name]} has the same name")
                        specs.remove(spec)
                    else:
                        entry: Registered[Spec] = Registered(plugin=item.candidate.name, spec=spec)
                        self._specs.setdefault(hook, []).append(entry)

    # --- what there is ---

    @property
    def plugins(self) -> list[PluginRecord]:
        """Every plugin that was found: active, disabled or failed."""
        return list(self._records)

    def phonemizers(self) -> list[Registered[PhonemizerSpec]]:
        """Phonemizer backends of the active plugins."""
        return self._registered("workbench_register_phonemizers", PhonemizerSpec)

    def normalizers(self) -> list[Registered[NormalizerSpec]]:
        """Text normalisers."""
        return self._registered("workbench_register_normalizers", NormalizerSpec)

    def health_rules(self) -> list[Registered[HealthRuleSpec]]:
        """Dataset rules."""
        return self._registered("workbench_register_health_rules", HealthRuleSpec)

    def launchers(self) -> list[Registered[LauncherSpec]]:
        """Ways to start a trainer."""
        return self._registered("workbench_register_launchers", LauncherSpec)

    def callbacks(self) -> list[Registered[CallbackSpec]]:
        """Training callbacks."""
        return self._registered("workbench_register_callbacks", CallbackSpec)

    def exporters(self) -> list[Registered[ExporterSpec]]:
        """Voice formats."""
        return self._registered("workbench_register_exporters", ExporterSpec)

    def players(self) -> list[Registered[PlayerSpec]]:
        """Ways to make a WAV heard."""
        return self._registered("workbench_register_players", PlayerSpec)

    def recognizers(self) -> list[Registered[PhoneRecognizerSpec]]:
        """What hears the phones of recordings."""
        return self._registered("workbench_register_recognizers", PhoneRecognizerSpec)

    def panes(self) -> list[Registered[PaneSpec]]:
        """Panes for the terminal workbench."""
        return self._registered("workbench_register_panes", PaneSpec)

    def doctor_checks(self) -> list[Registered[DoctorCheckSpec]]:
        """Checks of the machine."""
        return self._registered("workbench_register_doctor_checks", DoctorCheckSpec)

    def _registered(self, hook: str, kind: type[T]) -> list[Registered[T]]:
        return cast("list[Registered[T]]", list(self._specs.get(hook, [])))

    # --- choosing ---

    def phonemizer_for(self, language: str, name: str = "auto") -> Registered[PhonemizerSpec]:
        """The phonemizer called `name`, or for `auto` the available one that speaks the language and is preferred.

        Raises:
            PluginError: there is none; the message says why each one that there is can't be used.
        """
        entries = self.phonemizers()
        if name != "auto":
            entries = [self._named(entries, "phonemizer", name)]
        reasons: list[str] = []
        for entry in sorted(entries, key=lambda item: -item.spec.preference):
            if name == "auto" and not entry.spec.automatic:
                reasons.append(f"{entry.spec.name} is used only where [text] phonemizer names it")
            elif not speaks(entry.spec.languages, language):
                reasons.append(f"{entry.spec.name} doesn't speak it")
            elif why := why_unavailable(entry.spec):
                reasons.append(f"{entry.spec.name}: {why}")
            else:
                return entry
        found = "; ".join(reasons) or "no plugin registers one"
        raise PluginError(f"no phonemizer for the language '{language}': {found}{self._idle()}")

    def recognizer(self, name: str = "auto") -> Registered[PhoneRecognizerSpec]:
        """The phone recogniser called `name`, or for `auto` the available one that is preferred.

        Raises:
            PluginError: there is none; the message says why each one that there is can't be used.
        """
        entries = self.recognizers()
        if name != "auto":
            entries = [self._named(entries, "phone recogniser", name)]
        reasons: list[str] = []
        for entry in sorted(entries, key=lambda item: -item.spec.preference):
            if not (why := why_unavailable(entry.spec)):
                return entry
            reasons.append(why)
        found = "; ".join(reasons) or "no plugin registers one"
        raise PluginError(f"nothing here can hear which phones a recording holds: {found}{self._idle()}")

    def normalizer(self, name: str) -> Registered[NormalizerSpec]:
        """The normaliser called `name`.

        Raises:
            PluginError: there is none.
        """
        return self._named(self.normalizers(), "normalizer", name)

    def launcher(self, name: str) -> Registered[LauncherSpec]:
        """The launcher called `name`.

        Raises:
            PluginError: there is none.
        """
        return self._named(self.launchers(), "launcher", name)

    def exporter(self, name: str = "onnx") -> Registered[ExporterSpec]:
        """The exporter called `name`.

        Raises:
            PluginError: there is none.
        """
        return self._named(self.exporters(), "exporter", name)

    def player(self, name: str) -> Registered[PlayerSpec]:
        """The player of that name.

        Raises:
            PluginError: there is none.
        """
        return self._named(self.players(), "player", name)

    def players_by_preference(self) -> list[Registered[PlayerSpec]]:
        """Players, the preferred one first; whether one can play here is asked of the object (`Player.available`)."""
        return sorted(self.players(), key=lambda item: -item.spec.preference)

    def _named(self, entries: list[Registered[T]], kind: str, name: str) -> Registered[T]:
        for entry in entries:
            if entry.spec.name == name:
                return entry
        names = [entry.spec.name for entry in entries]
        there = f"there are: {', '.join(names)}" if names else "no plugin registers one"
        raise PluginError(f"no {kind} '{name}'{did_you_mean(name, names) or f'; {there}'}{self._idle()}")

    def _idle(self) -> str:
        """Says which plugins are not at work, because what is missing may be theirs."""
        states = {
            state: [item.name for item in self._records if item.state == state] for state in ("failed", "disabled")
        }
        said = [f"{state}: {', '.join(names)}" for state, names in states.items() if names]
        return f" ({'; '.join(said)}; see `workbench plugins`)" if said else ""

    # --- making objects ---

    def settings(self, plugin: str) -> Any:
        """The plugin's settings as an instance of its dataclass; None when it has no settings."""
        return self._settings.get(plugin)

    def resolve(self, target: str) -> Any:
        """Import `package.module:attribute`.

        Raises:
            PluginError: it can't be imported or has no such attribute; one line.
        """
        module_name, _, attribute = target.partition(":")
        try:
            found: Any = importlib.import_module(module_name)
            for part in attribute.split("."):
                found = getattr(found, part)
        except (KeyboardInterrupt, WorkbenchError):
            raise
        except BaseException as error:
            _log.exception("can't import %s", target)
            raise PluginError(f"{target} can't be imported: {type(error).__name__}: {_one_line(error)}") from error
        return found

    def create(self, registered: Registered[Any]) -> Any:
        """The object that a record names: its target, called with the plugin's settings.

        Raises:
            PluginError: it can't be imported or made; one line.
        """
        return self.create_target(registered.plugin, registered.spec.target)

    def create_target(self, plugin: str, target: str) -> Any:
        """Any target of a plugin, for instance an exporter's verifier, called with the plugin's settings.

        Raises:
            PluginError: it can't be imported or made; one line.
        """
        factory = self.resolve(target)
        try:
            return factory(self.settings(plugin))
        except (KeyboardInterrupt, WorkbenchError):
            raise
        except BaseException as error:
            _log.exception("can't make %s of plugin %s", target, plugin)
            raise PluginError(
                f"{target} of plugin {plugin} failed: {type(error).__name__}: {_one_line(error)}"
            ) from error

    # --- events ---

    def emit(self, hook: str, **arguments: object) -> None:
        """Tell every active plugin that something happened; one that raises is noted and the others still hear it."""
        self._each(hook, arguments, may_refuse=False)

    def emit_run_created(self, run: RunFacts) -> None:
        """Tell every plugin that a run is about to start; each may refuse.

        Raises:
            RunError: a plugin refused; the message names it and gives its reason.
        """
        self._each("workbench_run_created", {"run": run}, may_refuse=True)

    def _each(self, hook: str, arguments: Mapping[str, object], *, may_refuse: bool) -> None:
        # pluggy keeps the list in reverse calling order, so that `tryfirst` stands last.
        for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            plugin = implementation.plugin_name
            wanted = {name: arguments[name] for name in implementation.argnames if name in arguments}
            try:
                implementation.function(**wanted)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
                if may_refuse and isinstance(error, Refuse):
                    reason = _one_line(error) or "no reason given"
                    raise RunError(f"plugin {plugin} refuses the run: {reason}") from None
                line = f"plugin {plugin}: {hook}: {type(error).__name__}: {_one_line(error)}"
                self.failures.append(line)
                _log.warning(line, exc_info=error)


def speaks(languages: frozenset[str], language: str) -> bool:
    """Whether one of the tags covers the language: `ru` covers `ru-RU`, `*` covers any."""
    wanted = language.lower().replace("_", "-")
    tags = {tag.lower().replace("_", "-") for tag in languages}
    return any(tag == "*" or wanted == tag or wanted.startswith(f"{tag}-") for tag in tags)


def why_unavailable(spec: PhonemizerSpec | PhoneRecognizerSpec) -> str:
    """Empty, or the one-line reason why a phonemizer or a phone recogniser can't be used here."""
    if spec.available is None:
        return ""
    try:
        return _one_line(spec.available() or "")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
        return f"its check failed: {type(error).__name__}: {_one_line(error)}"


def _unknown_tables(workspace: Workspace | None, candidates: Sequence[Candidate]) -> list[str]:
    if workspace is None:
        return []
    names = [item.name for item in candidates]
    return [
        f"[plugins.{name}] is set, but no plugin '{name}' is installed{did_you_mean(name, names)}"
        for name in workspace.plugins
        if name != "disabled" and name not in names
    ]


def _record(loaded: Loaded, off: str) -> PluginRecord:
    candidate = loaded.candidate
    state = "disabled" if off else "failed" if loaded.reason else "active"
    return PluginRecord(
        name=candidate.name,
        state=state,
        reason=off or loaded.reason,
        traceback=loaded.traceback,
        version=candidate.version,
        distribution=candidate.distribution,
        origin=candidate.value,
        load_ms=loaded.load_ms,
        summary=_one_line(str(loaded.plugin.summary)) if loaded.plugin is not None else "",
        hooks_ms=dict(loaded.hooks_ms),
        warnings=tuple(loaded.warnings),
        registered=kinds_of(loaded),
    )


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
