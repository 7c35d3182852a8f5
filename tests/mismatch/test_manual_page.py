"""The manual's tables of kinds and classes are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workbench.mismatch.kinds import KINDS
from workbench.mismatch.sounds import CLASSES


@pytest.fixture(scope="module")
def page(repo: Path) -> str:
    return (repo / "workbench" / "help" / "mismatch.md").read_text("utf-8")


def test_every_kind_is_described_with_its_severity(page: str) -> None:
    described = dict(re.findall(r"^\| `(mismatch\.[\w-]+)` \| `(\w+)` \|", page, flags=re.MULTILINE))
    assert described == {kind.name: str(kind.severity) for kind in KINDS}


def test_every_class_is_listed_with_its_symbols(page: str) -> None:
    table = page.partition("## Classes of sounds")[2]
    listed = dict(re.findall(r"^\| ([a-z ]+) \| (.+) \|$", table, flags=re.MULTILINE))
    listed.pop("class")
    assert {name: symbols.replace(" ", "") for name, symbols in listed.items()} == dict(CLASSES)
