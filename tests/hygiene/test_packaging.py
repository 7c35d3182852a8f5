"""What stands in the tree is what is installed, and it stays readable."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import workbench

MOST_LINES = 450
MOST_BYTES = 1_000_000
TOP_LEVEL = {
    "workbench", "plugins", "core_vits", "native", "tests", "deploy", "workbench.toml", "pyproject.toml", "README.md",
    "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "constraints.txt",
}  # fmt: skip


@pytest.fixture(scope="module")
def project(repo: Path) -> dict[str, Any]:
    """`pyproject.toml`."""
    return tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tracked(repo: Path) -> list[Path]:
    """Files under version control; the test needs a checkout."""
    if not (repo / ".git").exists():
        pytest.skip("this is no git checkout, so nothing says which files belong to the project")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=repo, capture_output=True, timeout=20, check=True)
    paths = [repo / name for name in done.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def folders(repo: Path) -> set[str]:
    return {f"plugins/{path.parent.name}" for path in (repo / "plugins").glob("*/__init__.py")}


def test_every_plugin_folder_is_in_the_wheel(repo: Path, project: dict[str, Any]) -> None:
    packages = set(project["tool"]["scikit-build"]["wheel"]["packages"])
    assert packages == folders(repo) | {"workbench", "core_vits"}


def test_every_plugin_folder_has_one_entry_point(repo: Path, project: dict[str, Any]) -> None:
    entry_points = project["project"]["entry-points"]["voice_workbench"]
    expected = {name.removeprefix("plugins/workbench_"): name.removeprefix("plugins/") for name in folders(repo)}
    assert entry_points == {name: f"{package}:plugin" for name, package in expected.items()}


def test_the_type_checker_and_the_import_linter_see_every_package(repo: Path, project: dict[str, Any]) -> None:
    packages = {name.removeprefix("plugins/") for name in folders(repo)} | {"workbench", "core_vits"}
    assert set(project["tool"]["mypy"]["packages"]) == packages
    assert set(project["tool"]["importlinter"]["root_packages"]) == packages


def test_the_version_stands_in_one_place_or_is_the_same(project: dict[str, Any]) -> None:
    assert project["project"]["version"] == workbench.__version__


def test_the_top_level_holds_the_fixed_names(tracked: list[Path], repo: Path) -> None:
    names = {path.relative_to(repo).parts[0] for path in tracked}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_no_source_file_is_longer_than_its_limit(tracked: list[Path], repo: Path) -> None:
    lengths = {
        str(path.relative_to(repo)): len(path.read_text(encoding="utf-8").splitlines())
        for path in tracked
        if path.suffix in (".py", ".cpp", ".hpp", ".tcss")
    }
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_no_module_has_a_name_that_says_nothing(tracked: list[Path]) -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [path for path in tracked if path.suffix == ".py" and path.stem in empty] == []


def test_no_tracked_file_is_large(tracked: list[Path], repo: Path) -> None:
    large = {str(path.relative_to(repo)): path.stat().st_size for path in tracked if path.stat().st_size > MOST_BYTES}
    assert large == {}


def test_nothing_is_left_for_later(tracked: list[Path], repo: Path) -> None:
    later = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    found = [
        f"{path.relative_to(repo)}:{number}"
        for path in tracked
        if path.suffix == ".py" and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if later.search(line)
    ]
    assert found == []
