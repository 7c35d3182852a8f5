"""What a health rule, a doctor check or a verifier found: one record, one table, one JSON shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is; the order of the members is the order of the table."""

    BLOCKS = "blocks"
    """Training can't start, or would crash."""
    DROPS = "drops"
    """The item will not be trained; training goes on without it."""
    WARNS = "warns"
    """Training runs, the voice may suffer."""
    INFO = "info"
    """Good to know."""
    OK = "ok"
    """A check that passed (doctor and verifiers only)."""

    @property
    def level(self) -> str:
        """`error`, `warning` or `note`: the three levels that CI systems know."""
        return {"blocks": "error", "drops": "error", "warns": "warning"}.get(self.value, "note")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was found."""

    rule: str
    """Stable dotted name, for instance `audio.missing`."""
    severity: Severity
    subject: str
    """Where, as the user wrote it: `metadata.csv:118`, `wavs/felix_000117.wav`, `PortAudio`."""
    message: str
    """What is, what is wanted, what to do; one line."""
    evidence: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Measured values that the verdict stands on."""
    fix: str = ""
    """A shell command or a workbench command that mends it; empty when there is none."""

    def as_json(self) -> dict[str, object]:
        """A plain dictionary for `--json`."""
        # Not by `asdict`, which copies every value deeply and takes ten times as long.
        return {
            "rule": self.rule,
            "severity": str(self.severity),
            "subject": self.subject,
            "message": self.message,
            "evidence": dict(self.evidence),
            "fix": self.fix,
        }


def ranges(lines: Iterable[int]) -> str:
    """Lines as evidence lists them: `1-3 7 9-12`, all of them, short."""
    parts: list[list[int]] = []
    for line in sorted(set(lines)):
        if parts and line == parts[-1][1] + 1:
            parts[-1][1] = line
        else:
            parts.append([line, line])
    return " ".join(str(begin) if begin == end else f"{begin}-{end}" for begin, end in parts)
