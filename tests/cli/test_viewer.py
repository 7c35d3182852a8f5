"""`workbench` without a verb: what it offers, and what it prints where no screen can be shown."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

from .conftest import HEAD, Command, copy_demo, program


def at_a_terminal(folder: Path, answers: str, *arguments: str, **environ: str) -> tuple[int, str]:
    """Run the program at a pseudo-terminal and type; returns the exit code and what was shown."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=folder,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "XDG_STATE_HOME": str(folder / ".state"), **environ},
        start_new_session=True,
    )
    os.close(terminal)
    os.write(controller, answers.encode())
    shown = b""
    deadline = time.monotonic() + 50
    while time.monotonic() < deadline:
        ready, _, _ = select.select([controller], [], [], 0.2)
        if ready:
            try:
                data = os.read(controller, 65_536)
            except OSError:  # Linux says EIO when the last user of the terminal is gone
                break
            if not data:
                break
            shown += data
        elif process.poll() is not None:
            break
    if process.poll() is None:
        process.kill()
    os.close(controller)
    return process.wait(), shown.decode(errors="replace")


def test_without_a_terminal_it_says_how_to_write_a_workspace_and_writes_none(
    workbench: Command, folder: Path, repo: Path
) -> None:
    copy_demo(repo, folder, 6)
    outcome = workbench()
    assert outcome.code == 2
    assert "no workbench.toml in this folder" in outcome.error
    assert "metadata.csv and recordings in wavs/" in outcome.error
    assert "`workbench init`" in outcome.error
    assert not (folder / "workbench.toml").exists()


def test_in_an_empty_folder_it_says_what_is_wanted(workbench: Command) -> None:
    outcome = workbench()
    assert outcome.code == 2
    assert "nothing to make one from" in outcome.error


def test_no_is_an_answer(tmp_path: Path, repo: Path) -> None:
    copy_demo(repo, tmp_path, 6)
    code, shown = at_a_terminal(tmp_path, "perhaps\nn\n")
    assert code == 0, shown
    assert "Write workbench.toml? [y/n]" in shown
    assert "Nothing was written." in shown
    assert not (tmp_path / "workbench.toml").exists()


def test_yes_writes_the_workspace_and_opens_it(tmp_path: Path, repo: Path) -> None:
    copy_demo(repo, tmp_path, 6)
    # At a dumb terminal: the question can be asked, and what is opened is the plain view.
    code, shown = at_a_terminal(tmp_path, "y\n", TERM="dumb")
    assert code == 0, shown
    assert (tmp_path / "workbench.toml").is_file()
    assert "language ru" in shown


def test_a_dumb_terminal_gets_plain_lines_and_no_escape_sequence(tmp_path: Path) -> None:
    (tmp_path / "workbench.toml").write_text(HEAD)
    code, shown = at_a_terminal(tmp_path, "", TERM="dumb")
    assert code == 0, shown
    assert "voice probe, language ru, quality tiny" in shown
    assert "\x1b" not in shown


def test_without_a_terminal_the_workspace_is_told_in_plain_lines(tmp_path: Path) -> None:
    (tmp_path / "workbench.toml").write_text(HEAD)
    outcome = program(tmp_path)
    assert outcome.code == 0
    assert "metadata metadata.csv (not there)" in outcome.out
    assert "no run yet; start one: workbench train" in outcome.out
    assert outcome.err == ""


def test_init_writes_what_health_then_reads(workbench: Command, folder: Path, repo: Path) -> None:
    copy_demo(repo, folder, 6)
    printed = workbench("init", "--print").out
    assert not (folder / "workbench.toml").exists()
    outcome = workbench("init", "--json")
    assert outcome.json["file"] == str(folder / "workbench.toml")
    assert (folder / "workbench.toml").read_text() == printed
    assert workbench("runs", "--json").json == {"runs": []}


def test_the_end_of_input_means_no(tmp_path: Path, repo: Path) -> None:
    copy_demo(repo, tmp_path, 6)
    code, shown = at_a_terminal(tmp_path, "\x04")
    assert code == 0, shown
    assert not (tmp_path / "workbench.toml").exists()
