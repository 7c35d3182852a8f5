"""No file runs code: there is one reader of checkpoints, and one fenced place that trusts a file when it is told to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
FORBIDDEN_CALLS = {
    "torch.load", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "torch.serialization.load",
    "torch.serialization.add_safe_globals", "torch.storage._load_from_bytes", "lightning.fabric.Fabric.load",
    "numpy.load", "np.load", "np.fromfile", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "eval", "exec",
}  # fmt: skip
TRUSTED = Path("workbench/workers/trusted.py")
"""What `workbench convert --i-trust-this-file` runs in a process of its own."""


def dotted(node: ast.expr) -> str:
    """`torch.load` of an expression of names; empty for any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def loads(source: str) -> Iterator[tuple[int, str]]:
    """Lines of a module that import or call what may run a file's code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module in FORBIDDEN_MODULES:
                yield node.lineno, node.module
            named = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from ((node.lineno, name) for name in named if name in FORBIDDEN_CALLS)
        elif isinstance(node, (ast.Attribute, ast.Name)) and dotted(node) in FORBIDDEN_CALLS:
            yield node.lineno, dotted(node)


def modules(repo: Path, *folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path.relative_to(repo) for path in (repo / folder).rglob("*.py"))


@pytest.mark.parametrize(
    "line",
    ["import pickle", "from pickle import loads", "import torch\ntorch.load(f)", "from torch import load",
     "import torch as t\nfrom torch.serialization import load", "model = eval(text)", "import dill"],
)  # fmt: skip
def test_the_search_finds_what_it_is_for(line: str) -> None:
    assert list(loads(line))


def test_nothing_but_the_fenced_process_can_run_the_code_of_a_file(repo: Path) -> None:
    found = {
        path: [f"{path}:{line} {name}" for line, name in loads((repo / path).read_text(encoding="utf-8"))]
        for path in modules(repo, "core_vits", "workbench", "plugins")
    }
    assert found.pop(TRUSTED)
    assert [line for lines in found.values() for line in lines] == []


def test_the_fenced_process_is_started_by_the_conversion_alone(repo: Path) -> None:
    words = re.compile(r"workers\.trusted|workers import .*\btrusted")
    naming = {
        str(path)
        for path in modules(repo, "core_vits", "workbench", "plugins")
        if path != TRUSTED and words.search((repo / path).read_text(encoding="utf-8"))
    }
    assert naming == {"workbench/workers/targets/convert.py"}
    source = (repo / "workbench/workers/targets/convert.py").read_text(encoding="utf-8")
    assert source.count("_with_its_code(") == 2  # where it is defined, and behind the one question `trust`


def test_the_restricted_reader_imports_nothing_that_unpickles(repo: Path) -> None:
    for name in ("archive", "descriptions", "unpickle"):
        tree = ast.parse((repo / "core_vits" / f"{name}.py").read_text(encoding="utf-8"))
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert not {item for item in imported if item.partition(".")[0] in {"torch", "importlib", "pickle"}}


def test_tests_load_torch_files_restricted(repo: Path) -> None:
    guilty = []
    for path in modules(repo, "tests"):
        for node in ast.walk(ast.parse((repo / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and dotted(node.func) == "torch.load":
                options = {item.arg: item.value for item in node.keywords}
                flag = options.get("weights_only")
                if not (isinstance(flag, ast.Constant) and flag.value is True):
                    guilty.append(f"{path}:{node.lineno}")
    assert guilty == []
