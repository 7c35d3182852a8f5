"""What this plugin offers. Nothing heavy is imported here: records name their code."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.api import PlayerSpec, Plugin
from workbench_audio.settings import AudioSettings


class AudioPlugin(Plugin):
    """Plays voices on this machine, or says how to fetch the WAV."""

    summary = "plays WAVs on this machine, or says how to fetch them"

    def workbench_register_settings(self) -> type[AudioSettings]:
        """`[plugins.audio]`."""
        return AudioSettings

    def workbench_register_players(self) -> Iterable[PlayerSpec]:
        """The players `sounddevice` and `file`."""
        return [
            PlayerSpec(
                name="sounddevice",
                target="workbench_audio.sounddevice_player:SoundDevicePlayer",
                preference=10,
                summary="the sound card, through PortAudio",
            ),
            PlayerSpec(
                name="file",
                target="workbench_audio.file_player:FilePlayer",
                preference=0,
                summary="no sound: says where the WAV is and how to fetch it",
            ),
        ]


plugin = AudioPlugin()
