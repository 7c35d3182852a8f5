"""The whole way on the command line with the real program: recordings in, a spoken voice out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.jobs.runs import list_runs, read_run
from workbench.jobs.start import request_stop, wait

from .conftest import copy_demo, program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Everything that makes a training small: 8 clips, 2 clips a batch, the smallest model.
TOML = """
[voice]
name = "probe"
language = "ru"
quality = "tiny"
[audio]
sample_rate = 16000
[training]
batch_size = 2
validation_split = 0.2
test_clips = 1
log_every_steps = 1
accelerator = "cpu"
"""
LONG = ("--epochs", "1000")


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory, repo: Path) -> Iterator[Path]:
    """A workspace of eight real clips; whatever still trains in it is stopped at the end."""
    folder = tmp_path_factory.mktemp("voice")
    copy_demo(repo, folder, 8)
    (folder / "workbench.toml").write_text(TOML)
    yield folder
    for run in list_runs(folder / "runs"):
        if run.live:
            request_stop(run.folder)
            wait(run.folder, timeout=200)


@pytest.fixture(scope="module")
def walked(voice: Path) -> dict[str, Any]:
    """The answer of `workbench walk`."""
    outcome = program(voice, "walk", "--steps", "2", "--json", "--text", "Добрый день.", timeout=280)
    assert outcome.code == 0, outcome.err
    answer: dict[str, Any] = json.loads(outcome.out)
    return answer


def test_the_walk_ends_with_a_voice_and_a_wav_that_is_not_silent(voice: Path, walked: dict[str, Any]) -> None:
    onnx = Path(walked["voice"])
    assert onnx == voice / "voices" / "ru-probe-tiny.onnx"
    assert json.loads(onnx.with_suffix(".onnx.json").read_text())["audio"]["sample_rate"] == 16_000
    with wave.open(walked["wav"]) as stream:
        assert (stream.getframerate(), stream.getnchannels(), stream.getsampwidth()) == (16_000, 1, 2)
        samples = array("h", stream.readframes(stream.getnframes()))
    assert len(samples) > 1_000
    assert max(map(abs, samples)) > 100
    assert walked["spoken"]["text"] == "Добрый день."


def test_the_run_of_the_walk_is_listed_with_its_checkpoint(voice: Path, walked: dict[str, Any]) -> None:
    (run,) = json.loads(program(voice, "runs", "--json").out)["runs"]
    assert run["folder"] == walked["run"]
    assert (run["state"], run["status"]["step"]) == ("completed", 2)
    checkpoints = json.loads(program(voice, "checkpoints", "--json").out)["checkpoints"]
    assert [item["optimizer_step"] for item in checkpoints] == [4]
    plain = program(voice, "checkpoints")
    assert "step=4.ckpt" in plain.out
    assert program(voice, "runs", "latest").out.startswith(f"run {run['id']}: completed\n")


def test_a_checkpoint_is_exported_again_and_speaks_from_stdin(voice: Path, walked: dict[str, Any]) -> None:
    exported = program(voice, "export", "best", "--out", "elsewhere", "--json")
    assert exported.code == 0, exported.err
    assert json.loads(exported.out)["largest_difference"] < 1e-3
    assert (voice / "elsewhere" / "ru-probe-tiny.onnx").is_file()
    spoken = program(
        voice, "speak", "-", "--with", "elsewhere/ru-probe-tiny.onnx", "--no-play", "--json", stdin="Да.\n"
    )
    assert spoken.code == 0, spoken.err
    answer = json.loads(spoken.out)
    assert answer["text"] == "Да."
    assert answer["play"] is None
    assert Path(answer["wav"]).is_file()


def wait_for_steps(folder: Path, steps: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        run = read_run(folder)
        if run.status.step >= steps:
            return
        assert run.state in ("new", "running"), run.message
        time.sleep(0.1)
    pytest.fail(f"no {steps} batches within 120 s: {read_run(folder)}")


def test_a_detached_run_refuses_a_second_one_stops_with_a_checkpoint_and_goes_on(voice: Path) -> None:
    started = program(voice, "train", "--detach", "--json", *LONG)
    assert started.code == 0, started.err
    folder = Path(json.loads(started.out)["folder"])
    second = program(voice, "train", "--detach")
    assert second.code == 2
    assert folder.name in second.error
    wait_for_steps(folder, 1)
    stopped = program(voice, "stop", "--json")
    assert stopped.code == 0, stopped.err
    answer = json.loads(stopped.out)
    assert answer["state"] == "stopped"
    batches = answer["status"]["step"]
    assert answer["checkpoints"][-1]["step"] == batches

    resumed = program(voice, "train", "--resume", folder.name[:-2], "--detach", "--json")
    assert resumed.code == 0, resumed.err
    wait_for_steps(folder, batches + 1)
    assert program(voice, "stop", folder.name).code == 0
    assert read_run(folder).state == "stopped"
    assert "is not active" in program(voice, "stop", folder.name).error


def test_ctrl_c_ends_the_following_and_not_the_training(voice: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "train", *LONG],
        cwd=voice,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("started run ")
    folder = voice / "runs" / first.split()[-1]
    wait_for_steps(folder, 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert "training goes on" in out
    assert read_run(folder).live
    assert program(voice, "stop", "--wait", "100").code == 0
