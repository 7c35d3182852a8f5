"""Players: ways to make a WAV heard."""

from workbench_audio.plugin import plugin

__all__ = ["plugin"]
