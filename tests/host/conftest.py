"""Throw-away distributions: real packages with real metadata on `sys.path`, found like any installed plugin."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.config import Workspace, load_workspace


class Distributions:
    """Installs distributions into a folder that is on `sys.path` for one test."""

    def __init__(self, site: Path) -> None:
        self.site = site

    def add(self, name: str, source: str, *, module: str = "", entry: str = "", distribution: str = "") -> str:
        """Install a plugin and return the name of its module.

        Args:
            name: name of the entry point.
            source: Python source of its module.
            module: module name; by default made from the name.
            entry: the entry point's line; by default `name = module:plugin`.
            distribution: name of the distribution; by default made from the name.
        """
        module = module or f"throwaway_{name}"
        distribution = distribution or f"throwaway-{name}"
        (self.site / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        info = self.site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n", encoding="utf-8")
        line = entry or f"{name} = {module}:plugin"
        (info / "entry_points.txt").write_text(f"[voice_workbench]\n{line}\n", encoding="utf-8")
        importlib.invalidate_caches()
        return module


@pytest.fixture
def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distributions]:
    """An empty site folder in front of `sys.path`."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)
    yield Distributions(site)
    for name in set(sys.modules) - before:
        if name.startswith("throwaway_"):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace without any plugin settings."""
    return write(tmp_path, "")


def write(folder: Path, plugins: str) -> Workspace:
    """A workspace whose file ends with `plugins`."""
    file = folder / "workbench.toml"
    file.write_text(f'[voice]\nname = "probe"\nlanguage = "ru"\n{plugins}', encoding="utf-8")
    return load_workspace(file)
