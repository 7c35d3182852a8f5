"""The peer lives in an environment of its own: its packages must not meet ours, and we learn what a user's would do."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tiny_voice import voice_config, write_checkpoint

from core_vits import _align
from workbench.api import VoiceIdentity
from workbench_onnx.exporter import HalfExporter, OnnxExporter

Ask = Callable[..., Any]
Drive = Callable[..., str]


@pytest.fixture(scope="session")
def peer_python(repo: Path) -> Path:
    """The interpreter of the environment that holds piper-tts and sherpa-onnx."""
    python = Path(os.environ.get("WORKBENCH_PEER_PYTHON") or repo / ".venv-peer" / "bin" / "python")
    if not python.is_file():
        pytest.skip(f"needs the peer's environment, which is not at {python} (run `make peer`)")
    return python


@pytest.fixture(scope="session")
def ask_peer(peer_python: Path) -> Ask:
    """Run a program in the peer's environment; what it prints as JSON on its last line."""

    def ask(program: str, *arguments: object) -> Any:
        # -P and no PYTHONPATH: nothing of this checkout may be imported by accident.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [str(peer_python), "-P", "-c", program, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=55,
            check=False,
        )
        assert done.returncode == 0, f"the peer ended with {done.returncode}: {done.stderr[-2000:]}"
        return json.loads(done.stdout.splitlines()[-1])

    return ask


@pytest.fixture(scope="session")
def drive_piper(peer_python: Path) -> Drive:
    """Run a command of `drive_piper.py` in the peer's environment; what it printed."""
    probe = [str(peer_python), "-P", "-c", "import piper.train.vits.lightning, onnxscript"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs the peer with what its trainer needs (run `make peer` again)")

    def drive(command: str, *arguments: object, options: Mapping[str, object], cwd: Path, narrow: int = 1) -> str:
        program = [str(peer_python), "-P", str(Path(__file__).with_name("drive_piper.py"))]
        program += ["--align", _align.__file__, "--narrow", str(narrow), command, *map(str, arguments)]
        for name, value in options.items():
            program += [f"--{name}", str(value)]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            program, capture_output=True, text=True, env=environment, cwd=cwd, timeout=280, check=False
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"the peer ended with {done.returncode}: {said[-3000:]}"
        return said

    return drive


class PeerVoice:
    """A voice that we exported, for the peer to speak."""

    def __init__(self, folder: Path, speakers: int) -> None:
        self.checkpoint = write_checkpoint(folder / "a.ckpt", speakers=speakers)
        identity = VoiceIdentity(name="probe", language="ru", quality="tiny")
        config = voice_config(speakers=speakers)
        self.onnx, self.json, self.tokens = OnnxExporter().export(self.checkpoint, config, identity, folder)
        self.half, _, self.half_tokens = HalfExporter().export(self.checkpoint, config, identity, folder)


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> PeerVoice:
    return PeerVoice(tmp_path_factory.mktemp("voice"), 1)


@pytest.fixture(scope="session")
def voice_of_two(tmp_path_factory: pytest.TempPathFactory) -> PeerVoice:
    return PeerVoice(tmp_path_factory.mktemp("voice"), 2)
