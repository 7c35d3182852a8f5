"""What each kind of finding is called, how bad it is, what it does to a training and what to do.

Findings are worded with these records, so the manual and the messages can't say different things.
"""

from __future__ import annotations

from workbench.api import RuleKind, Severity
from workbench_health.russian import RUSSIAN


def kind(name: str, severity: Severity, summary: str, effect: str, fix: str) -> RuleKind:
    """A `RuleKind`; its fields by place, so that a table of them can be read."""
    words = {"ru": RUSSIAN[name]}
    return RuleKind(name=name, severity=severity, summary=summary, effect=effect, fix=fix, words=words)
