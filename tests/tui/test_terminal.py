"""The real program in a real terminal: from recordings to a speaking voice, with the viewer killed on the way."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from workbench.jobs.runs import list_runs
from workbench.jobs.start import request_stop, wait

pytestmark = pytest.mark.terminal

CLIPS = 12
WORKSPACE = """
[voice]
name = "aelita"
language = "ru"
quality = "tiny"
[audio]
sample_rate = 16000
[training]
epochs = 500
batch_size = 4
test_clips = 1
log_every_steps = 1
checkpoint_every_epochs = 1
keep_last = 1000  # epochs take half a second: what is on the screen must still be there when its key is pressed
"""


class Terminal:
    """A tmux server of its own with one window."""

    def __init__(self, folder: Path, size: tuple[int, int]) -> None:
        # A server that is ending can't be asked for a new session, so each has a name of its own.
        self.name = f"workbench-test-{os.getpid()}-{time.monotonic_ns()}"
        self.folder = folder
        self.tmux("new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "-s", "main", "sh")
        self.tmux("set-option", "-g", "remain-on-exit", "on")

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self.name, "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=self.folder).stdout

    def close(self) -> None:
        """End the server, if the test has not."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.tmux("kill-server")

    def keys(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "main", *keys)

    def line(self, text: str) -> None:
        """Type a line into the shell."""
        self.tmux("send-keys", "-t", "main", "-l", text)
        self.keys("Enter")

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "main")

    def until(self, true: Callable[[str], bool] | str, seconds: float = 60.0) -> str:
        """The screen once it shows something; fails with the screen when it never does."""
        wanted = (lambda text: true in text) if isinstance(true, str) else true
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            text = self.screen()
            if wanted(text):
                return text
            time.sleep(0.1)
        raise AssertionError(f"never seen: {true}; the screen:\n{self.screen()}")

    def resize(self, columns: int, lines: int) -> None:
        self.tmux("resize-window", "-t", "main", "-x", str(columns), "-y", str(lines))

    def program(self) -> int:
        """Process id of the viewer: the shell's child."""
        shell = self.tmux("display-message", "-p", "-t", "main", "#{pane_pid}").strip()
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text(encoding="ascii").split()
        return int(children[0])


@pytest.fixture
def workspace(tmp_path: Path, repo: Path) -> Path:
    """Twelve clips of the demo voice, in a folder as a user has it."""
    folder = tmp_path / "aelita"
    (folder / "wavs").mkdir(parents=True)
    rows = (repo / "workbench/demo/metadata.csv").read_text(encoding="utf-8").splitlines()[:CLIPS]
    for row in rows:
        name = row.split("|")[0]
        shutil.copy(repo / "workbench/demo/wavs" / name, folder / "wavs" / name)
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "workbench.toml").write_text(WORKSPACE, encoding="utf-8")
    return folder


@pytest.fixture
def terminal(workspace: Path) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux, which is not installed (Debian: apt install tmux)")
    terminal = Terminal(workspace, (80, 24))
    try:
        yield terminal
    finally:
        for run in list_runs(workspace / "runs"):
            if run.live:
                request_stop(run.folder)
                wait(run.folder, 120.0)
        terminal.close()


def command(workspace: Path) -> str:
    state = workspace.parent / "state"
    return f"XDG_STATE_HOME={state} OMP_NUM_THREADS=1 {sys.executable} -m workbench; echo EXIT-$?"


@pytest.mark.timeout(900)
def test_from_recordings_to_a_speaking_voice(terminal: Terminal, workspace: Path) -> None:
    terminal.line(command(workspace))
    # 1 Data: the scan runs by itself.
    assert terminal.until("usable 12 (100.0 %)").splitlines()[-1].startswith(" ? help")
    heavy = Path(f"/proc/{terminal.program()}/maps").read_text(encoding="utf-8", errors="replace")
    assert not [name for name in ("libtorch", "onnxruntime", "libsndfile") if name in heavy]

    # 2 Train: asks, starts a process of its own, shows the curve as it grows.
    terminal.keys("t")
    terminal.until("12 clips of metadata.csv")
    terminal.keys("Enter")
    terminal.until("[2 Train]")
    terminal.until("── train ", 240)
    first = terminal.until(lambda text: "batches" in text and "┃" in text)
    terminal.until(lambda text: "── train " in text and curve(text) != curve(first), 240)

    # The viewer dies; the training does not notice, and the next viewer attaches to it.
    os.kill(terminal.program(), signal.SIGKILL)
    terminal.until("EXIT-137")
    run = list_runs(workspace / "runs")[0]
    assert run.live
    terminal.tmux("respawn-pane", "-k", "-t", "main", "sh")
    terminal.line("stty -a > before.txt")
    terminal.line(command(workspace))
    # Not the message line: the next checkpoint's message may take it before anybody looks.
    terminal.until(lambda text: f"log of {run.id}" in text and "[2 Train]" in text and "● " in text)
    terminal.resize(160, 48)
    terminal.until(lambda text: "╭─ runs" in text and len(text.splitlines()) > 40)

    # 3 Checkpoints: one appears; it is exported and compared, and both speak.
    terminal.keys("3")
    terminal.until(lambda text: re.search(r"▸ .* \d+\.\d+ MB", text) is not None, 300)
    terminal.keys("e")
    terminal.until("export as")
    terminal.keys("Enter")
    terminal.until("✓ exported voices/ru-aelita-tiny.onnx, largest difference", 120)
    assert (workspace / "voices/ru-aelita-tiny.onnx").is_file()
    assert (workspace / "voices/ru-aelita-tiny.onnx.json").is_file()
    terminal.keys("Space")
    terminal.until(lambda text: "WAV voices/spoken/epoch=" in text and "under way" not in text, 120)
    terminal.until(lambda text: "✓ played" in text or "no sound here" in text or "played" in text, 60)
    terminal.until(lambda text: "x cancels" not in text)
    terminal.keys("Tab")
    terminal.keys("Space")
    terminal.until("WAV voices/spoken/ru-aelita-tiny", 120)
    for wav in (workspace / "voices/spoken").glob("*.wav"):
        assert loudness(wav) > 0.001, f"{wav.name} is silent"

    # X stops it with a checkpoint; q leaves the terminal as it was.
    terminal.until(lambda text: "x cancels" not in text)
    terminal.keys("X")
    terminal.until("stop the training?")
    terminal.keys("s")
    terminal.until("■ stopped", 120)
    assert list_runs(workspace / "runs")[0].state == "stopped"
    terminal.keys("q")
    terminal.until("EXIT-0")
    terminal.line("stty -a > after.tmp; mv after.tmp after.txt")
    terminal.until(lambda _: (workspace / "after.txt").exists())
    assert tty_flags(workspace / "after.txt") == tty_flags(workspace / "before.txt")
    assert terminal.tmux("display-message", "-p", "-t", "main", "#{cursor_flag}").strip() == "1"


@pytest.mark.timeout(120)
def test_data_cannot_send_commands_to_the_terminal(terminal: Terminal, workspace: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x9b31m[/red]\u202e"
    rows = (workspace / "metadata.csv").read_text(encoding="utf-8")
    (workspace / "metadata.csv").write_text(rows + f"wavs{evil}.wav|{evil} Текст.\n", encoding="utf-8")
    log = workspace / "typescript"
    terminal.tmux("pipe-pane", "-t", "main", f"cat > {log}")
    terminal.line(command(workspace))
    terminal.until("will not be trained")
    terminal.keys("Tab")
    terminal.keys("End")
    terminal.until(lambda text: r"\x1b]0;owned" in text or r"\x1b]" in text)
    terminal.keys("q")
    terminal.until("EXIT-0")
    written = log.read_bytes()
    assert b"\x1b]0;owned" not in written
    assert b"\x1b]52" not in written
    assert b"\xc2\x9b" not in written
    assert "\u202e".encode() not in written


@pytest.mark.timeout(120)
def test_a_terminal_of_40x12_shows_a_plain_block_and_follows_when_it_grows(terminal: Terminal, workspace: Path) -> None:
    terminal.resize(40, 12)
    terminal.line(command(workspace))
    terminal.until("terminal too small: 60x20 is needed")
    terminal.resize(80, 24)
    terminal.until("usable 12")
    terminal.keys("q")
    terminal.until("EXIT-0")


@pytest.mark.timeout(120)
def test_the_viewer_ends_with_its_terminal_even_if_nobody_passes_the_signal_on(
    terminal: Terminal, workspace: Path
) -> None:
    terminal.line("trap '' HUP")
    terminal.line(command(workspace))
    terminal.until("usable 12")
    viewer = terminal.program()
    terminal.tmux("kill-server")
    deadline = time.monotonic() + 20
    while computes(viewer):
        assert time.monotonic() < deadline, "the viewer outlived its terminal"
        time.sleep(0.1)


@pytest.mark.timeout(120)
def test_missing_metadata_is_one_line_and_nothing_starts(terminal: Terminal, workspace: Path) -> None:
    (workspace / "metadata.csv").unlink()
    terminal.line(command(workspace))
    terminal.until(lambda text: "metadata.csv" in text and "? help" in text)
    terminal.keys("t")
    terminal.until(lambda text: text.count("metadata.csv") > 0 and "Traceback" not in text)
    terminal.keys("Enter")
    terminal.keys("q")
    assert "Traceback" not in terminal.until("EXIT-0")
    assert not list_runs(workspace / "runs")


def computes(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return False


def curve(text: str) -> str:
    """The part of the legend that tells how far the curve reaches."""
    return text[text.find("batches") :].split("\n", 1)[0]


def loudness(wav: Path) -> float:
    """Root mean square, full scale = 1."""
    with wave.open(str(wav)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64) / 32768
    return float(np.sqrt(np.mean(samples**2)))


def tty_flags(path: Path) -> str:
    """What `stty -a` said of modes and special characters; the size may differ."""
    return path.read_text(encoding="utf-8").split(";", 3)[-1]
