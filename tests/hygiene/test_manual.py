"""The manual goes stale only with a red build."""

from __future__ import annotations

import argparse
import dataclasses
import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from workbench import api, errors
from workbench.api import Plugin, Refuse
from workbench.cli.parser import VERBS, build_parser
from workbench.config import TABLES

HOOKS = [name for name in vars(Plugin) if name.startswith("workbench_")]
EXPORTED = [getattr(api, name) for name in api.__all__]
RECORDS = [item for item in EXPORTED if dataclasses.is_dataclass(item)]
PROTOCOLS = [item for item in EXPORTED if getattr(item, "_is_protocol", False)]
PAGES = (
    "index",
    "data",
    "health",
    "mismatch",
    "train",
    "checkpoints",
    "export",
    "piper",
    "report",
    "cli",
    "workspace",
    "hooks",
    "performance",
    "errors",
)


@pytest.fixture(scope="module")
def manual(repo: Path) -> dict[str, str]:
    """Text of each page."""
    return {path.stem: path.read_text(encoding="utf-8") for path in (repo / "workbench" / "help").glob("*.md")}


def section(text: str, title: str) -> str:
    """The part of a page under a heading of the second level."""
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert match is not None, f"there is no section '{title}'"
    return match[1]


def members(protocol: Any) -> list[str]:
    """Methods and attributes that an implementation must have."""
    methods = [name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")]
    return [*methods, *(name for name in vars(protocol).get("__annotations__", {}))]


def test_every_page_is_there_and_listed_on_the_first(manual: dict[str, str]) -> None:
    assert set(PAGES) <= set(manual)
    for page in PAGES[1:]:
        assert f"({page}.md)" in manual["index"], page


def test_links_between_pages_lead_somewhere(manual: dict[str, str]) -> None:
    for page, text in manual.items():
        for target in re.findall(r"\]\(([a-z]+)\.md\)", text):
            assert target in manual, f"{page} links to {target}"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_described_with_its_parameters(hook: str, manual: dict[str, str]) -> None:
    text = section(manual["hooks"], hook)
    parameters = [name for name in getattr(Plugin, hook).__annotations__ if name != "return"]
    assert len(text.strip()) > 40
    for name in parameters:
        assert f"`{name}`" in text, f"{hook} does not describe {name}"


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_field_of_every_record_is_described(record: Any, manual: dict[str, str]) -> None:
    text = section(manual["hooks"], record.__name__)
    described = re.findall(r"^\| `(\w+)` \| (.+) \|$", text, flags=re.MULTILINE)
    properties = [name for name, value in vars(record).items() if isinstance(value, property)]
    assert [name for name, _ in described] == [*(item.name for item in dataclasses.fields(record)), *properties]
    assert all(about.strip() for _, about in described)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.__name__)
def test_every_member_of_every_interface_is_described(protocol: Any, manual: dict[str, str]) -> None:
    described = re.findall(r"^\| `(\w+)` \|", section(manual["hooks"], protocol.__name__), flags=re.MULTILINE)
    assert sorted(described) == sorted(members(protocol))


def test_every_public_name_of_the_api_is_in_the_manual(manual: dict[str, str]) -> None:
    names = {item.__name__ for item in EXPORTED if isinstance(item, type)} - {Refuse.__name__}
    assert {
        name for name in names if f"`{name}`" not in manual["hooks"] and f"## {name}\n" not in manual["hooks"]
    } == set()
    assert 'Refuse("' in manual["hooks"]


def test_every_member_of_every_choice_is_in_the_manual(manual: dict[str, str]) -> None:
    for choice in (item for item in EXPORTED if isinstance(item, type) and issubclass(item, Enum)):
        for member in choice:
            assert f"`{member.name}`" in manual["hooks"], f"{choice.__name__}.{member.name}"


@pytest.mark.parametrize("table", TABLES)
def test_every_setting_is_described_with_its_default(table: str, manual: dict[str, str]) -> None:
    described = {
        name: (default, about)
        for name, default, about in re.findall(
            r"^\| `(\w+)` \| (.+?) \| (.+) \|$", section(manual["workspace"], f"[{table}]"), flags=re.MULTILINE
        )
    }
    fields = dataclasses.fields(TABLES[table])
    assert list(described) == [item.name for item in fields]
    for item in fields:
        default = item.default if item.default is not dataclasses.MISSING else item.default_factory()  # type: ignore[misc]
        plain = list(default) if isinstance(default, tuple) else default
        written = tomli_w.dumps({"x": plain}).strip().removeprefix("x = ").replace("|", r"\|")
        assert described[item.name] == (
            f"`{written}`" if plain != "" or table != "voice" else "(must be set)",
            item.metadata["about"],
        )


def test_every_error_class_is_explained(manual: dict[str, str]) -> None:
    classes = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Exception)]
    for cls in classes:
        assert cls is errors.WorkbenchError or f"| `{cls.__name__}` |" in manual["errors"], cls.__name__


def test_every_verb_and_option_of_the_command_line_is_in_the_manual(manual: dict[str, str]) -> None:
    parsers = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
    assert set(parsers) == set(VERBS)
    for verb, parser in parsers.items():
        assert f"`workbench {verb}" in manual["cli"], verb
        for option in parser._option_string_actions:
            if option not in ("-h", "-C"):
                assert option in manual["cli"], f"{verb} {option}"


def test_the_manual_is_readable_in_a_terminal(manual: dict[str, str]) -> None:
    for page, text in manual.items():
        assert text.startswith("# "), page
        assert "\t" not in text, page
        assert not re.search(r"<[a-z]+>.*</[a-z]+>", text), f"{page} holds HTML"
