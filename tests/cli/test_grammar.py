"""What the command line understands, and that everything else is one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import workbench as package
from workbench.cli.parser import VERBS
from workbench.errors import Cancelled, DatasetError

from .conftest import HEAD, Command


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, workbench: Command) -> None:
    outcome = workbench(verb, "--help")
    assert outcome.code == 0
    assert "--json" in outcome.out
    assert "--workspace" in outcome.out
    assert "exit codes" in outcome.out


def test_the_version_is_the_packages(workbench: Command) -> None:
    assert workbench("--version").out == f"voice-workbench {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["helth"], "there is no verb 'helth'; did you mean 'health'?"),
        (["help"], "there is no verb 'help'; see `workbench --help`"),
        (["frobnicate"], "there is no verb 'frobnicate'; see `workbench --help`"),
        (["plugins", "--jsn"], "unknown option '--jsn'; did you mean '--json'?"),
        (["runs", "a", "b"], "unknown argument 'b'; see `workbench runs --help`"),
        (["mismatch", "--language=ru"], "'--language=ru'; it is one of `workbench health`, `workbench report`"),
        (["health", "--langage", "ru"], "unknown option '--langage'; did you mean '--language'?"),
        (["train", "--zzz"], "unknown option '--zzz'; see `workbench train --help`"),
        (["train", "--epochs", "0"], "'0' is not a whole number above 0"),
        (["train", "--epochs", "1.5"], "'1.5' is not a whole number above 0"),
        (["train", "--max-steps", "²"], "'²' is not a whole number above 0"),
        (["stop", "--wait", "-1"], "'-1' is not a number of seconds from 0"),
        (["stop", "--wait", "nan"], "'nan' is not a number of seconds from 0"),
        (["speak", "--length-scale", "0"], "'0' is not a factor above 0"),
        (["train", "--resume"], "expected one argument"),
        (["--work=."], "did you mean '--workspace'?"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, workbench: Command
) -> None:
    outcome = workbench(*arguments)
    assert outcome.code == 2
    assert message in outcome.error
    assert outcome.out == ""


def test_the_workspace_option_stands_before_or_after_the_verb(workbench: Command, folder: Path) -> None:
    (folder / "voice").mkdir()
    (folder / "voice" / "workbench.toml").write_text(HEAD)
    for arguments in (
        ["-C", "voice", "runs"],
        ["runs", "-C", "voice"],
        ["runs", "--workspace", "voice/workbench.toml"],
    ):
        assert workbench(*arguments).code == 0
    assert workbench("runs").code == 2


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DatasetError("metadata.csv:3: a\nb \x1b[2J"), 2, "workbench: metadata.csv:3: a b \\x1b[2J\n"),
        (Cancelled("cancelled"), 130, "workbench: cancelled\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_every_error_becomes_a_line_and_an_exit_code(
    error: BaseException, code: int, said: str, workbench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> int:
        raise error

    monkeypatch.setattr("workbench.cli.plugins.run_plugins", failing)
    outcome = workbench("plugins")
    assert (outcome.code, outcome.err) == (code, said)


def test_a_fault_of_the_workbench_leaves_a_report_and_shows_no_traceback(
    workbench: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failing(*_: object) -> int:
        return [][1]

    monkeypatch.setattr("workbench.cli.plugins.run_plugins", failing)
    outcome = workbench("plugins")
    assert outcome.code == 70
    (report,) = (tmp_path / "state" / "voice-workbench" / "crashes").glob("*.log")
    assert outcome.error.endswith(f"please report it with {report}")
    text = report.read_text()
    assert "Traceback" in text
    assert "in failing" in text


def test_a_fault_is_told_even_when_no_report_can_be_written(
    workbench: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failing(*_: object) -> int:
        raise RuntimeError("odd")

    (tmp_path / "blocked").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "blocked"))
    monkeypatch.setattr("workbench.cli.plugins.run_plugins", failing)
    outcome = workbench("plugins")
    assert outcome.code == 70
    assert "unexpected RuntimeError: odd (the report could not be written" in outcome.error


def test_a_reader_that_has_enough_is_no_error(folder: Path) -> None:
    script = f"{sys.executable} -m workbench plugins --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=50, check=False)
    assert (done.stdout.strip(), done.stderr) == ("0", "")


def test_the_module_is_the_command(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "--version"], cwd=folder, capture_output=True, timeout=50, check=True
    )
    assert done.stdout.startswith(b"voice-workbench ")
