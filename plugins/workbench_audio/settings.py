"""Settings `[plugins.audio]`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AudioSettings:
    """`[plugins.audio]`."""

    device: str = ""
    """Name or number of PortAudio's output device; empty: the default one."""
    play_over_ssh: bool = False
    """Whether an SSH session plays too: the sound comes out of the machine that runs the workbench."""
