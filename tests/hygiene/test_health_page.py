"""The page of the health check is made of the records of its rules.

`python tests/hygiene/test_health_page.py` writes its tables anew.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from workbench.api import HealthRuleSpec, RuleKind
from workbench.host import Host
from workbench.workers.targets.health_kinds import CACHE, OWN_KINDS
from workbench_health.limits import LIMITS

PAGE = Path(__file__).parents[2] / "workbench" / "help" / "health.md"
_KINDS = ("| kind | | what is wrong | what it does to a training | what to do |", "|---|---|---|---|---|")
_LIMITS = ("| name | usual | what it limits |", "|---|---|---|")


def specs() -> list[HealthRuleSpec]:
    """Our rules, in the order in which they are asked."""
    return [registered.spec for registered in Host.load(None).health_rules() if registered.plugin == "health"]


def kinds_table(kinds: Sequence[RuleKind]) -> str:
    rows = [
        f"| `{kind.name}` | {kind.severity} | {kind.summary} | {kind.effect} | {kind.fix} |".replace("\n", " ")
        for kind in kinds
    ]
    return "\n".join((*_KINDS, *rows))


def expected() -> dict[str, str]:
    """The tables of the page, by the heading that they stand under."""
    tables = {spec.name: kinds_table(spec.kinds) for spec in specs()}
    tables["table"] = kinds_table(OWN_KINDS)
    tables["cache"] = kinds_table(CACHE)
    rows = [f"| `{name}` | {limit.default:g} | {limit.about} |" for name, limit in LIMITS.items()]
    tables["Thresholds"] = "\n".join((*_LIMITS, *rows))
    return tables


def tables_of(page: str) -> dict[str, str]:
    """Each first table after a heading."""
    parts = re.split(r"^#{2,3} (.+)$", page, flags=re.MULTILINE)
    found = {}
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        if table := re.search(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
            found[heading] = table[0].rstrip("\n")
    return found


def test_the_page_has_every_kind_and_every_threshold_as_the_rules_have_them() -> None:
    there = tables_of(PAGE.read_text("utf-8"))
    for heading, table in expected().items():
        assert there.get(heading) == table, f"'{heading}' is stale: python tests/hygiene/test_health_page.py"


def test_every_threshold_is_declared_by_a_rule_and_described() -> None:
    declared = {name: value for spec in specs() for name, value in spec.limits.items()}
    assert declared == {name: limit.default for name, limit in LIMITS.items()}


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    there = tables_of(page)
    for heading, table in expected().items():
        if heading not in there:
            sys.exit(f"{PAGE}: there is no table under '{heading}'. Add the heading and the head of a table.")
        page = page.replace(there[heading], table)
    PAGE.write_text(page, "utf-8")
