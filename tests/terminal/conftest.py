"""A workspace that trains within seconds, and a terminal to work in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal.session import WORKBENCH, Terminal


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder of the test's own."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def small_workspace(tmp_path: Path, repo: Path) -> Path:
    """A workspace on 14 clips of the demo voice, which a tiny model trains within seconds."""
    folder = tmp_path / "voice"
    (folder / "wavs").mkdir(parents=True)
    demo = repo / "workbench" / "demo"
    rows = (demo / "metadata.csv").read_text("utf-8").splitlines()[:14]
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n", "utf-8")
    for row in rows:
        shutil.copy(demo / "wavs" / row.split("|")[0], folder / "wavs")
    (folder / "workbench.toml").write_text(
        '[voice]\nname = "aelita"\nlanguage = "ru"\nquality = "tiny"\n\n'
        '[dataset]\nmetadata = "metadata.csv"\naudio = "wavs"\n\n[audio]\nsample_rate = 16000\n\n'
        "[training]\nepochs = 5000\nbatch_size = 6\ntest_clips = 1\nlog_every_steps = 2\ncheckpoint_every_epochs = 2\n"
        "validate_every_epochs = 2\n",
        "utf-8",
    )
    return folder


@pytest.fixture
def terminal(small_workspace: Path, home: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A terminal in the small workspace; ended afterwards, with whatever training still runs."""
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux: apt-get install tmux")
    made = Terminal(f"workbench-test-{os.getpid()}-{abs(hash(request.node.nodeid)) % 10_000}", small_workspace, home)
    yield made
    made.close()
    subprocess.run([WORKBENCH, "stop"], cwd=small_workspace, capture_output=True, check=False, timeout=60)
