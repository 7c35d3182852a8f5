"""Make a WAV heard, or say why it can't be and where it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from workbench.api import Player, PlayerSpec
from workbench.config import load_workspace
from workbench.errors import EnvironmentProblem, PluginError
from workbench.host import Host
from workbench.host.records import Registered


def play(wav: str, player: str = "auto", workspace: str | None = None) -> dict[str, Any]:
    """Play to the end.

    Args:
        wav: path of a WAV.
        player: name of a player; `auto`: the preferred one that works here.
        workspace: path of the workspace file, for settings of plugins.

    Returns:
        `message`: one line for the user; `played`: whether it made a sound; `player`: which one; `reasons`: why better
        players were passed over.

    Raises:
        EnvironmentProblem: there is no such file, or no player worked.
        PluginError: no player has that name.
    """
    path = Path(wav)
    if not path.is_file():
        raise EnvironmentProblem(f"{wav}: there is no such file")
    host = Host.load(load_workspace(Path(workspace)) if workspace else None)
    reasons: list[str] = []
    for entry in _candidates(host, player):
        try:
            made: Player = host.create(entry)
            reason = made.available(os.environ)
            if not reason:
                message = made.play(path)
                # A player that makes no sound says so; see the player `file`.
                audible = bool(getattr(made, "audible", True))
                if not audible and reasons:
                    # The player's words last: they may end with a command to be copied.
                    message = f"No sound here ({'; '.join(reasons)}). The WAV: {message}"
                return {"message": message, "played": audible, "player": entry.spec.name, "reasons": reasons}
        except (OSError, PluginError) as error:
            reason = " ".join(str(error).split())
        reasons.append(f"{entry.spec.name}: {reason}")
    raise EnvironmentProblem(f"{wav}: can't be played ({'; '.join(reasons) or 'there is no player'})")


def _candidates(host: Host, name: str) -> list[Registered[PlayerSpec]]:
    """
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
