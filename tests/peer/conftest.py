"""The peer lives in an environment of its own: its packages must not meet ours, and we learn what a user's would do."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_voice import voice_config, write_checkpoint

from workbench.api import VoiceIdentity
from workbench_onnx.exporter import OnnxExporter

Ask = Callable[..., Any]


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


class PeerVoice:
    """A voice that we exported, for the peer to speak."""

    def __init__(self, folder: Path, speakers: int) -> None:
        self.checkpoint = write_checkpoint(folder / "a.ckpt", speakers=speakers)
        identity = VoiceIdentity(name="probe", language="ru", quality="tiny")
        config = voice_config(speakers=speakers)
        self.onnx, self.json, self.tokens = OnnxExporter().export(self.checkpoint, config, identity, folder)


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> PeerVoice:
    return PeerVoice(tmp_path_factory.mktemp("voice"), 1)


@pytest.fixture(scope="session")
def voice_of_two(tmp_path_factory: pytest.TempPathFactory) -> PeerVoice:
    return PeerVoice(tmp_path_factory.mktemp("voice"), 2)
