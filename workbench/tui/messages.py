"""Messages from threads and panes to the app."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from workbench.tail.follower import RunFollower
    from workbench.tui.watch import Snapshot


class Looked(Message):
    """A look at the files brought something new."""

    def __init__(self, snapshot: Snapshot, curves: RunFollower | None, curves_changed: bool) -> None:
        super().__init__()
        self.snapshot = snapshot
        self.curves = curves
        self.curves_changed = curves_changed

    def can_replace(self, message: Message) -> bool:
        """Only the newest look counts, unless this one brought curves and the newer one did not."""
        return isinstance(message, Looked) and (message.curves_changed or not self.curves_changed)


class Said(Message):
    """One line for the user; kept in the alert log."""

    def __init__(self, text: str, level: str = "info") -> None:
        """
        Args:
            text: one line.
            level: `info`, `good`, `warn` or `bad`.
        """
        super().__init__()
        self.text = text
        self.level = level


class Progressed(Message):
    """A job in a worker got further."""

    def __init__(self, job: str, done: float, total: float, what: str) -> None:
        super().__init__()
        self.job = job
        self.done = done
        self.total = total
        self.what = what

    def can_replace(self, message: Message) -> bool:
        """Only the newest progress of a job counts."""
        return isinstance(message, Progressed) and message.job == self.job


class ScanPart(Message):
    """A scan found something; it goes on."""

    def __init__(self, findings: Sequence[Mapping[str, Any]], utterances: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.findings = findings
        self.utterances = utterances


class JobEnded(Message):
    """A job in a worker ended; `error` is None when it succeeded."""

    def __init__(self, job: str, label: str, result: object, error: Exception | None) -> None:
        super().__init__()
        self.job = job
        self.label = label
        self.result = result
        self.error = error


class Answered(Message):
    """A thread did what it was asked; `then` is called with the result on the event loop."""

    def __init__(self, then: Callable[[Any], object], result: object) -> None:
        super().__init__()
        self.then = then
        self.result = result
