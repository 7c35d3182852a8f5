"""The suite for health rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from workbench.api import DatasetFacts, Finding, HealthRule, Severity, Utterance
from workbench.api.testing.samples import make_facts, make_utterance, one_line


class HealthRuleContract:
    """What every health rule must do. Give the rule's name, a factory, and utterances with and without the fault."""

    name: ClassVar[str]
    """Name in the record; findings carry it, or it and a dotted detail."""
    faults: ClassVar[Sequence[tuple[Utterance, Severity]]] = ()
    """Utterances that the rule must find something about, at once or at the end, and how bad it is."""
    clean: ClassVar[Sequence[Utterance]] = (make_utterance(),)
    """Utterances that nothing may be found about."""

    def make(self, dataset: DatasetFacts) -> HealthRule:
        """A new rule object, as the workbench makes one for each scan."""
        raise AssertionError("the subclass must define make()")

    def found(self, tmp_path: Path, utterance: Utterance) -> list[Finding]:
        """What a new rule says about one utterance, at once or at the end, without dataset-wide findings."""
        rule = self.make(make_facts(tmp_path))
        at_once = list(rule.check(utterance))
        return at_once + [finding for finding in rule.finish() if finding.subject == utterance.subject]

    def test_it_is_a_rule(self, tmp_path: Path) -> None:
        assert isinstance(self.make(make_facts(tmp_path)), HealthRule)

    def test_it_says_nothing_about_utterances_without_the_fault(self, tmp_path: Path) -> None:
        assert [self.found(tmp_path, utterance) for utterance in self.clean] == [[] for _ in self.clean]

    def test_it_finds_each_fault_and_says_where(self, tmp_path: Path) -> None:
        for utterance, severity in self.faults:
            findings = self.found(tmp_path, utterance)
            assert severity in {finding.severity for finding in findings}, f"{utterance} gave {findings}"
            for finding in findings:
                assert finding.rule == self.name or finding.rule.startswith(f"{self.name}.")
                assert one_line(finding.subject)
                assert one_line(finding.message)

    def test_two_scans_do_not_share_what_they_saw(self, tmp_path: Path) -> None:
        def scan() -> list[Finding]:
            rule = self.make(make_facts(tmp_path))
            everything = [*(utterance for utterance, _ in self.faults), *self.clean]
            found = [finding for utterance in everything for finding in rule.check(utterance)]
            return [*found, *rule.finish()]

        assert scan() == scan()

    def test_an_empty_dataset_is_not_a_crash(self, tmp_path: Path) -> None:
        for finding in self.make(make_facts(tmp_path)).finish():
            assert one_line(finding.message)
