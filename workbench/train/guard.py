"""Callbacks of plugins: called with care, and no longer after they have failed three times."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core_vits.train.callbacks import Callback, Progress
from workbench.errors import PluginError
from workbench.host import Host
from workbench.jobs.rundir import append_event, one_line

FAILURES = 3
"""After so many exceptions a callback is left alone."""

_log = logging.getLogger("workbench.train")


class GuardedCallback(Callback):
    """Passes every event on to a plugin's object, and keeps what it raises away from the run."""

    def __init__(self, name: str, callback: object, note: Callable[[str], None]) -> None:
        """Wrap a callback.

        Args:
            name: plugin and callback, for messages.
            callback: any object; events that it has no method for are passed over.
            note: told about each failure.
        """
        self._name = name
        self._callback: object | None = callback
        self._note = note
        self._failures = 0

    def __getattribute__(self, name: str) -> Any:
        # Every event goes the same way, those that later versions add as well.
        if not name.startswith("on_"):
            return super().__getattribute__(name)
        return lambda progress, *arguments: self._call(name, progress, *arguments)

    def _call(self, event: str, progress: Progress, *arguments: object) -> None:
        method = getattr(self._callback, event, None)
        if method is None:
            return
        try:
            method(progress, *arguments)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
            _log.exception("%s: %s", self._name, event)
            self._failures += 1
            dropped = self._failures >= FAILURES
            if dropped:
                self._callback = None
            ending = "; it is left out from now on" if dropped else ""
            self._note(f"callback {self._name}: {event}: {type(error).__name__}: {one_line(str(error))}{ending}")


def plugin_callbacks(host: Host, run: Path, *, first: bool = True) -> Sequence[Callback]:
    """The callbacks of all plugins, guarded; one that can't be made is noted and left out.

    Args:
        host: the plugins.
        run: gets the notes.
        first: whether this is the first process of the run; in the others only those that ask for it are called.
    """

    def note(message: str) -> None:
        append_event(run, "error", message=message)

    callbacks = []
    for registered in host.callbacks():
        if not first and registered.spec.ranks != "all":
            continue
        name = f"{registered.plugin}/{registered.spec.name}"
        try:
            callbacks.append(GuardedCallback(name, host.create(registered), note))
        except PluginError as error:
            note(f"callback {name}: {error}")
    return callbacks
