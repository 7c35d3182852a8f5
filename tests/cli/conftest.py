"""The command line in this process, and as the program that a user starts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workbench.cli import main

HEAD = '[voice]\nname = "probe"\nlanguage = "ru"\nquality = "tiny"\n'


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its stdout as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line that an error must be."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("workbench: ")
        return lines[0].removeprefix("workbench: ")


Command = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; state of the workbench goes beside it."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("WORKBENCH_PLUGINS", raising=False)
    monkeypatch.setenv("WORKBENCH_SAFE", "")  # so that what `--safe` sets is taken back after the test
    return here


@pytest.fixture
def workbench(folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line in this process, in the folder."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(code, captured.out, captured.err)

    return run


def program(folder: Path, *arguments: str, stdin: str = "", timeout: float = 100, **environ: str) -> Outcome:
    """Run the program as a user's shell does: another process, no terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "XDG_STATE_HOME": str(folder / ".state"), **environ},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def copy_demo(repo: Path, folder: Path, clips: int) -> None:
    """A dataset of the demo's first clips, without a workspace file."""
    demo = repo / "workbench" / "demo"
    lines = (demo / "metadata.csv").read_text(encoding="utf-8").splitlines()[:clips]
    (folder / "wavs").mkdir(parents=True)
    for line in lines:
        stem = line.split("|")[0]
        source = next(path for path in (demo / "wavs").iterdir() if path.name == stem or path.stem == stem)
        shutil.copy(source, folder / "wavs" / source.name)
    (folder / "metadata.csv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
