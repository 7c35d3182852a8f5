"""Find plugins without importing them, and decide which may be imported.

Block first, load second: a plugin that is switched off never gets to run a line of code.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workbench.config import did_you_mean

GROUP = "voice_workbench"
FIRST_PARTY = "voice-workbench"
ALLOW_LIST = "WORKBENCH_PLUGINS"
SAFE = "WORKBENCH_SAFE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An entry point of our group."""

    name: str
    value: str
    """`package.module:attribute`."""
    distribution: str
    version: str
    broken: str = ""
    """Why it can't even be tried; empty when it can."""


def find_candidates() -> list[Candidate]:
    """Entry points of our group on `sys.path`: first-party ones first, then by distribution and name."""
    found: list[Candidate] = []
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        # One damaged distribution must not hide the others, so each is read on its own.
        try:
            text = distribution.read_text("entry_points.txt") or ""
        except Exception:  # noqa: BLE001 - whatever lies on sys.path can be broken in any way
            continue
        if GROUP not in text:
            continue
        name, version = _identity(distribution)
        if name in seen:  # shadowed by the same distribution earlier on sys.path
            continue
        seen.add(name)
        found.extend(_entry_points(text, name, version))
    found.sort(key=lambda candidate: (candidate.distribution != FIRST_PARTY, candidate.distribution, candidate.name))
    return _without_doubles(found)


def _identity(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    try:
        raw = distribution.metadata["Name"]
        version = distribution.version or "?"
    except Exception:  # noqa: BLE001 - a distribution without readable metadata
        return "unknown", "?"
    return re.sub(r"[-_.]+", "-", raw or "unknown").lower(), version


def _entry_points(text: str, distribution: str, version: str) -> Iterator[Candidate]:
    """The lines of our group in an `entry_points.txt`; a line that is not `name = value` is a broken candidate."""
    inside = False
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.startswith("["):
            inside = stripped.strip("[] ") == GROUP
        elif inside:
            name, equals, value = (part.strip() for part in stripped.partition("="))
            good = equals and re.fullmatch(r"[\w.]+\s*:\s*[\w.]+", value)
            yield Candidate(
                name=name or "?",
                value=value,
                distribution=distribution,
                version=version,
                broken="" if good else f"its entry point '{stripped}' is not 'name = package.module:plugin'",
            )


def _without_doubles(candidates: Sequence[Candidate]) -> list[Candidate]:
    owners: dict[str, str] = {}
    result = []
    for candidate in candidates:
        if candidate.name in owners:
            broken = f"the name '{candidate.name}' is taken by the plugin of {owners[candidate.name]}"
            result.append(
                Candidate(
                    name=f"{candidate.name} ({candidate.distribution})",
                    value=candidate.value,
                    distribution=candidate.distribution,
                    version=candidate.version,
                    broken=broken,
                )
            )
        else:
            owners[candidate.name] = candidate.distribution
            result.append(candidate)
    return result


@dataclass(frozen=True, kw_only=True, slots=True)
class Switches:
    """Which plugins the user wants."""

    disabled: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    """Empty: all."""
    safe: bool = False

    @classmethod
    def read(cls, disabled: Sequence[str], environ: Mapping[str, str], *, safe: bool) -> Switches:
        """From the workspace, the environment and the command line."""
        allowed = tuple(name.strip() for name in environ.get(ALLOW_LIST, "").split(",") if name.strip())
        return cls(disabled=tuple(disabled), allowed=allowed, safe=safe or environ.get(SAFE, "") not in ("", "0"))

    def why_off(self, candidate: Candidate) -> str:
        """One line why the plugin must not be imported; empty when it may."""
        if candidate.name in self.disabled:
            return "switched off by [plugins] disabled in workbench.toml"
        if self.allowed and candidate.name not in self.allowed:
            return f"not in {ALLOW_LIST}"
        if self.safe and candidate.distribution != FIRST_PARTY:
            return "safe mode loads first-party plugins only"
        return ""

    def problems(self, known: Sequence[str]) -> list[str]:
        """Names that were switched on or off and that no plugin has, one line each."""
        lines = [
            f"[plugins] disabled names '{name}', which is not installed{did_you_mean(name, known)}"
            for name in self.disabled
            if name not in known
        ]
        lines += [
            f"{ALLOW_LIST} names '{name}', which is not installed{did_you_mean(name, known)}"
            for name in self.allowed
            if name not in known
        ]
        return lines
