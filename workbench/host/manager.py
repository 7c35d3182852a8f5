"""pluggy, told what a hook implementation is: any method of `Plugin` that a plugin overrides.

No decorator is needed, so none can be forgotten. `@hookimpl(tryfirst=True)` and `trylast` still work; wrappers do not,
because the host calls implementations one by one to keep a failing one from taking the others' results with it.
"""

from __future__ import annotations

import difflib
import inspect
from typing import Any

import pluggy
from pluggy import HookimplOpts

from workbench.api.hookspecs import PROJECT, Plugin

PREFIX = "workbench_"


def hook_names() -> list[str]:
    """Names of all hooks, in the order of their declaration."""
    return [name for name in vars(Plugin) if name.startswith(PREFIX)]


class HookProblem(Exception):
    """A plugin's hooks can't be used; the message says which one and why."""


class HookManager(pluggy.PluginManager):
    """A plugin manager that takes overridden methods for hook implementations."""

    def __init__(self) -> None:
        super().__init__(PROJECT)
        self.add_hookspecs(Plugin)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> HookimplOpts | None:
        """Options of the implementation `name`, or None when `plugin` doesn't override it."""
        if not name.startswith(PREFIX) or not hasattr(Plugin, name):
            return None
        implementation = inspect.getattr_static(plugin, name)
        if implementation is inspect.getattr_static(Plugin, name):
            return None
        marked: Any = getattr(implementation, f"{PROJECT}_impl", None) or {}
        return HookimplOpts(
            wrapper=False,
            hookwrapper=False,
            optionalhook=False,
            tryfirst=bool(marked.get("tryfirst")),
            trylast=bool(marked.get("trylast")),
            specname=None,
        )


def check_hooks(plugin: Plugin) -> None:
    """Check the names and kinds of a plugin's hooks before they are registered.

    Raises:
        HookProblem: a name that looks like a hook is none, or a hook is not a plain method.
    """
    known = hook_names()
    for name in dir(plugin):
        if name.startswith("__") or name in vars(object):
            continue
        attribute = inspect.getattr_static(plugin, name)
        if name in known:
            _check_kind(name, attribute)
        elif name.startswith(PREFIX):
            raise HookProblem(f"there is no hook '{name}'{_meant(name, known, 0.6)}")
        elif callable(attribute) and not hasattr(Plugin, name) and _meant(name, known, 0.85):
            raise HookProblem(f"there is no hook '{name}'{_meant(name, known, 0.85)}")


def _check_kind(name: str, attribute: object) -> None:
    if not inspect.isfunction(attribute):
        raise HookProblem(f"'{name}' must be a plain method (def {name}(self, …))")
    if inspect.iscoroutinefunction(attribute) or inspect.isasyncgenfunction(attribute):
        raise HookProblem(f"'{name}' must not be async: hooks are called and answer at once")
    marked: Any = getattr(attribute, f"{PROJECT}_impl", None) or {}
    if marked.get("wrapper") or marked.get("hookwrapper"):
        raise HookProblem(f"'{name}' is a hook wrapper; the workbench has no hook wrappers")


def _meant(name: str, known: list[str], cutoff: float) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"; did you mean '{close[0]}'?" if close else ""
