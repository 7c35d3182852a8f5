"""The rules that plugins registered, asked one utterance after the other; one that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from workbench.api import DatasetFacts, Finding, HealthRule, HealthRuleSpec, Needs, RuleKind, Severity, Utterance
from workbench.config import did_you_mean
from workbench.host import Host
from workbench.workers.targets.health_kinds import CACHE, OWN_KINDS
from workbench.workers.targets.health_russian import failed_rule


class Rules:
    """The rules of all plugins, made for one scan."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._specs: list[HealthRuleSpec] = [registered.spec for registered in host.health_rules()]
        self._rules: dict[str, HealthRule] = {}
        self._failed: list[RuleKind] = []

    @property
    def needs(self) -> frozenset[Needs]:
        """What the rules ask for together."""
        return frozenset(need for spec in self._specs for need in spec.needs)

    @property
    def limits(self) -> dict[str, float]:
        """Thresholds that the rules declare."""
        return {name: value for spec in self._specs for name, value in spec.limits.items()}

    def unknown_limits(self, given: Mapping[str, float]) -> Iterator[Finding]:
        """Thresholds of `[health]` that no rule declares."""
        known = self.limits
        for name in given:
            if name not in known:
                yield Finding(
                    rule="health.limit",
                    severity=Severity.WARNS,
                    subject=f"[health] {name}",
                    message=f"no rule has a threshold of this name, so it changes nothing"
                    f"{did_you_mean(name, known) or _those(known)}.",
                )

    def make(self, facts: DatasetFacts) -> Iterator[Finding]:
        """Make the rules; one that can't be made is reported and left out."""
        for spec in self._specs:
            try:
                self._rules[spec.name] = self._host.resolve(spec.target)(facts)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                yield self._broken(spec.name, error)

    def check(self, utterance: Utterance) -> list[Finding]:
        """What all rules say about an utterance."""
        found: list[Finding] = []
        for name, rule in list(self._rules.items()):
            found += self._guarded(name, lambda rule=rule: rule.check(utterance))  # type: ignore[misc]
        return found

    def finish(self) -> list[Finding]:
        """What all rules say about the whole."""
        found: list[Finding] = []
        for name, rule in list(self._rules.items()):
            found += self._guarded(name, rule.finish)
        return found

    def kinds(self) -> dict[str, dict[str, object]]:
        """Every kind of finding that may be in the report, by name."""
        own = [("", kind) for kind in (*OWN_KINDS, *CACHE, *self._failed)]
        all_kinds = own + [(spec.name, kind) for spec in self._specs for kind in spec.kinds]
        return {kind.name: kind.as_json(check) for check, kind in all_kinds}

    def _guarded(self, name: str, ask: Callable[[], Iterable[Finding]]) -> list[Finding]:
        """The findings of one rule; a rule that raises is reported once and asked no more."""
        try:
            return list(ask())
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            self._rules.pop(name, None)
            return [self._broken(name, error)]

    def _broken(self, name: str, error: Exception) -> Finding:
        kind = RuleKind(
            name=f"{name}.failed",
            severity=Severity.WARNS,
            summary=f"the rule {name} failed",
            effect="What it looks for was not checked.",
            fix="See `workbench plugins`, and tell its author.",
            words={"ru": failed_rule(name)},
        )
        self._failed.append(kind)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return Finding(
            rule=kind.name,
            severity=kind.severity,
            subject=f"rule {name}",
            message=f"the rule stopped working ({reason}): what it looks for was not checked. See `workbench plugins`.",
            evidence={"reason": reason},
        )


def _those(known: Iterable[str]) -> str:
    there = ", ".join(sorted(known))
    return f"; there are: {there}" if there else "; the rules here have none"
