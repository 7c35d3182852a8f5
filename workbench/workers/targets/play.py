"""Make a recording heard, or say why it can't be and where it is."""

from __future__ import annotations

import os
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.api import Player, PlayerSpec
from workbench.config import load_workspace
from workbench.errors import EnvironmentProblem, PluginError
from workbench.host import Host
from workbench.host.records import Registered
from workbench.workers.targets.wav import write_wav


def play(wav: str, player: str = "auto", workspace: str | None = None) -> dict[str, Any]:
    """Play to the end.

    Args:
        wav: path of a WAV, or of any other recording; players get it as a WAV.
        player: name of a player; `auto`: the preferred one that works here.
        workspace: path of the workspace file, for settings of plugins.

    Returns:
        `message`: one line for the user; `played`: whether it made a sound; `player`: which one; `reasons`: why better
        players were passed over.

    Raises:
        EnvironmentProblem: there is no such file, it can't be decoded, or no player worked.
        PluginError: no player has that name.
    """
    path = Path(wav)
    if not path.is_file():
        raise EnvironmentProblem(f"{wav}: there is no such file")
    host = Host.load(load_workspace(Path(workspace)) if workspace else None)
    with _as_wav(path) as heard:
        return _play_with(candidates(host, player), host, path, heard)


def _play_with(candidates: list[Registered[PlayerSpec]], host: Host, path: Path, heard: Path) -> dict[str, Any]:
    """Play `heard`, which sounds as `path` does, with the first player that works.

    Raises:
        EnvironmentProblem: none does.
    """
    reasons: list[str] = []
    for entry in candidates:
        try:
            made: Player = host.create(entry)
            reason = made.available(os.environ)
            if not reason:
                message = made.play(heard).replace(str(heard), str(path.absolute()))
                # A player that makes no sound says so; see the player `file`.
                audible = bool(getattr(made, "audible", True))
                if not audible and reasons:
                    # The player's words last: they may end with a command to be copied.
                    message = f"No sound here ({'; '.join(reasons)}). The WAV: {message}"
                return {"message": message, "played": audible, "player": entry.spec.name, "reasons": reasons}
        except (OSError, PluginError) as error:
            reason = " ".join(str(error).split())
        reasons.append(f"{entry.spec.name}: {reason}")
    raise EnvironmentProblem(f"{path}: can't be played ({'; '.join(reasons) or 'there is no player'})")


@contextmanager
def _as_wav(path: Path) -> Iterator[Path]:
    """The file itself if it is a WAV that players read, else the same sound as one, for as long as it is needed.

    Raises:
        EnvironmentProblem: it can't be decoded, or there is no room for the WAV.
    """
    try:
        with wave.open(str(path), "rb"):
            pass
    except (wave.Error, EOFError, OSError):
        pass
    else:
        yield path
        return
    from core_vits.audio import AudioError, decode, to_int16

    try:
        samples, rate = decode(path)
    except AudioError as error:
        raise EnvironmentProblem(f"{path}: {error}") from None
    with tempfile.TemporaryDirectory(prefix="heard-") as folder:
        heard = Path(folder) / path.name  # the name is told to the user
        try:
            write_wav(heard, to_int16(samples).astype("<i2").tobytes(), rate)
        except OSError as error:
            raise EnvironmentProblem(f"{heard}: can't be written ({error.strerror or error})") from None
        yield heard


def candidates(host: Host, name: str) -> list[Registered[PlayerSpec]]:
    """The players to try, in order: the one of that name, or for `auto` all, the preferred one first.

    Raises:
        PluginError: no player has that name.
    """
    players = host.players_by_preference()
    if name == "auto":
        return players
    named = [entry for entry in players if entry.spec.name == name]
    if not named:
        names = ", ".join(entry.spec.name for entry in players) or "no plugin registers one"
        raise PluginError(f"no player '{name}'; there are: {names}")
    return named
