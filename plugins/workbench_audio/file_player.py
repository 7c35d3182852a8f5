"""The player of last resort: it makes no sound, and says where the WAV is and how to fetch it."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import wave
from collections.abc import Mapping
from pathlib import Path

from workbench_audio.settings import AudioSettings

_SSH_PORT = "22"


class FilePlayer:
    """Implements `workbench.api.Player`; available everywhere."""

    audible = False
    """It makes no sound, so whoever asked for some must be told why."""

    def __init__(self, settings: AudioSettings | None = None) -> None:
        """No setting changes what it says."""

    def available(self, environment: Mapping[str, str]) -> str:
        """Always empty."""
        return ""

    def play(self, wav: Path) -> str:
        """Where the WAV is; over SSH also the command that fetches it.

        Raises:
            OSError: there is no readable WAV.
        """
        path = wav.absolute()
        try:
            with wave.open(str(path), "rb") as file:
                seconds = file.getnframes() / file.getframerate()
        except (wave.Error, EOFError) as error:
            raise OSError(f"{wav}: is not a WAV ({error or 'it is empty'})") from None
        return f"{path} ({seconds:.1f} s). {fetch_command(path, os.environ)}"

    def stop(self) -> None:
        """Nothing plays."""


def fetch_command(path: Path, environment: Mapping[str, str]) -> str:
    """How to get the file to where the user sits.

    Args:
        path: absolute.
        environment: tells whether this is an SSH session, and by which address it came.
    """
    connection = environment.get("SSH_CONNECTION", "").split()
    if len(connection) != 4:
        return "Open it with any player of this machine."
    address, port = connection[2], connection[3]
    host = f"[{address}]" if ":" in address else address
    option = "" if port == _SSH_PORT else f"-P {port} "
    return f"Fetch it: scp {option}{shlex.quote(f'{_user()}@{host}:{path}')} ."


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have no name for its user
        return socket.gethostname()
