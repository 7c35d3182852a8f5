"""The main job in a real terminal: train, watch, export, speak; and a viewer that is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from terminal.session import WORKBENCH, Terminal

from workbench.jobs.runs import list_runs

pytestmark = [pytest.mark.terminal, pytest.mark.timeout(420)]


def points_of_the_curve(screen: str) -> int:
    """The newest batch that the chart's title names."""
    found = re.search(r"batches \d+–([\d  ]+)", screen)
    return int(re.sub(r"\D", "", found.group(1))) if found else 0


def spoken(folder: Path) -> Path:
    """The newest WAV that was spoken."""
    return max((folder / "voices" / "spoken").glob("*.wav"), key=lambda path: path.stat().st_mtime_ns)


def start_training(terminal: Terminal) -> None:
    terminal.wait_for(r"\? help")
    terminal.press("t")
    terminal.wait_for("(?s)14 .*tiny|tiny.*14 ")
    terminal.press("Enter")
    terminal.wait_for(r"\[2 Train\]|training")


def test_from_recordings_to_a_spoken_voice_by_keys_alone(terminal: Terminal, small_workspace: Path) -> None:
    terminal.open(80, 24)
    terminal.wait_for(r"usable 14 \(100")
    start_training(terminal)
    terminal.press("2")
    first = points_of_the_curve(terminal.wait_until(lambda s: points_of_the_curve(s) >= 2, "a curve", within=180))
    terminal.wait_until(lambda s: points_of_the_curve(s) > first, "the curve to move")
    terminal.resize(160, 48)
    wide = terminal.wait_until(lambda s: max(map(len, s.splitlines())) > 120, "the wide layout")
    assert "generator" in wide

    terminal.press("3")
    terminal.wait_for(r"\[3 Checkpoints\]")
    terminal.wait_for(r"(?m)^.*▸.*\d+\.\d+ MB", within=120)
    terminal.press("e")
    terminal.wait_for(r"exported voices/ru-aelita-tiny\.onnx, largest difference", within=120)
    voice = small_workspace / "voices" / "ru-aelita-tiny.onnx"
    assert voice.stat().st_size > 100_000
    config = json.loads(voice.with_name(voice.name + ".json").read_text("utf-8"))
    assert config["audio"]["sample_rate"] == 16_000

    terminal.press("Space")
    terminal.wait_for(r"WAV voices/spoken/\S+\.wav", within=120)
    with wave.open(str(spoken(small_workspace))) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), np.int16)
        assert wav.getframerate() == 16_000
    assert len(samples) > 4_000
    assert np.abs(samples).max() > 50

    terminal.press("X")
    terminal.wait_for("(?i)stop")
    terminal.press("s")
    terminal.wait_for("stopped", within=120)
    terminal.resize(80, 24)
    terminal.press("q")
    terminal.wait_for("Pane is dead|dead", within=20)
    (run,) = list_runs(small_workspace / "runs")
    assert run.state == "stopped"


def test_killing_the_viewer_leaves_the_training_alive_and_the_next_viewer_attaches(
    terminal: Terminal,
    small_workspace: Path,
) -> None:
    terminal.open(80, 24)
    start_training(terminal)
    terminal.press("2")
    terminal.wait_until(lambda s: points_of_the_curve(s) >= 2, "a curve", within=180)
    os.kill(terminal.pid(), signal.SIGKILL)
    terminal.wait_for("dead", within=20)
    before = list_runs(small_workspace / "runs")[0]
    assert before.live
    deadline = time.monotonic() + 60
    while (now := list_runs(small_workspace / "runs")[0]).status.step <= before.status.step:
        assert time.monotonic() < deadline, "the training stood still after its viewer was killed"
        time.sleep(0.3)
    assert now.live

    terminal.close()
    terminal.open(160, 48)
    terminal.wait_for("training")
    terminal.press("2")
    seen = points_of_the_curve(terminal.wait_until(lambda s: points_of_the_curve(s) > 2, "the curve"))
    terminal.wait_until(lambda s: points_of_the_curve(s) > seen, "the curve to move in the second viewer")


def test_a_metadata_file_that_is_missing_is_one_line_and_no_traceback(
    terminal: Terminal, small_workspace: Path
) -> None:
    (small_workspace / "metadata.csv").unlink()
    terminal.open(80, 24)
    screen = terminal.wait_for(r"metadata\.csv")
    assert "Traceback" not in screen
    terminal.press("t")
    screen = terminal.wait_for(r"metadata\.csv", within=30)
    assert "Traceback" not in screen
    assert "? help" in screen or "Enter" in screen
    assert not (small_workspace / "runs").exists() or not list_runs(small_workspace / "runs")


def test_a_dumb_terminal_gets_plain_lines(small_workspace: Path) -> None:
    done = subprocess.run(
        [WORKBENCH],
        cwd=small_workspace,
        env={**os.environ, "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert "\x1b" not in done.stdout + done.stderr
    assert "aelita" in done.stdout
