"""A workspace: the folder and the settings that one voice is made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workbench.config.settings import (
    AudioSettings,
    DatasetSettings,
    PathSettings,
    StartSettings,
    TextSettings,
    TrainingSettings,
    VoiceSettings,
)

WORKSPACE_FILE = "workbench.toml"

TABLES: Mapping[str, type[Any]] = MappingProxyType(
    {
        "voice": VoiceSettings,
        "dataset": DatasetSettings,
        "text": TextSettings,
        "audio": AudioSettings,
        "training": TrainingSettings,
        "start": StartSettings,
        "paths": PathSettings,
    }
)
"""Tables of the workspace file in the order in which they are written; `[health]` and `[plugins]` come last."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Everything that `workbench.toml` says, with its place on disk."""

    file: Path
    """Absolute path of the workspace file; it need not exist yet."""
    root: Path
    """Absolute folder that relative paths of the settings start from."""
    voice: VoiceSettings
    dataset: DatasetSettings = field(default_factory=DatasetSettings)
    text: TextSettings = field(default_factory=TextSettings)
    audio: AudioSettings = field(default_factory=AudioSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    start: StartSettings = field(default_factory=StartSettings)
    paths: PathSettings = field(default_factory=PathSettings)
    health: Mapping[str, float] = field(default_factory=dict)
    """`[health]`: thresholds of the health check, by their name; the rules say which there are."""
    plugins: Mapping[str, Any] = field(default_factory=dict)
    """`[plugins]` as it stands in the file: `disabled`, and one table a plugin."""

    @property
    def metadata(self) -> Path:
        """The table of recordings and texts."""
        return self._absolute(self.dataset.metadata)

    @property
    def audio_folder(self) -> Path:
        """The folder of the recordings."""
        return self._absolute(self.dataset.audio)

    @property
    def curation(self) -> Path:
        """The folder of what was decided about single rows."""
        return self._absolute(self.dataset.curation)

    @property
    def runs(self) -> Path:
        """The folder of the training runs."""
        return self._absolute(self.paths.runs)

    @property
    def cache(self) -> Path:
        """The folder of the prepared audio and phonemes."""
        return self._absolute(self.paths.cache)

    @property
    def voices(self) -> Path:
        """The folder of the exported voices."""
        return self._absolute(self.paths.voices)

    @property
    def piper_runs(self) -> Path | None:
        """The folder of Piper's own runs, if there is one."""
        return self._absolute(self.paths.piper_runs) if self.paths.piper_runs else None

    @property
    def piper_cache(self) -> Path | None:
        """The folder of Piper's own cache, if one is named."""
        return self._absolute(self.paths.piper_cache) if self.paths.piper_cache else None

    @property
    def start_checkpoint(self) -> Path | None:
        """The checkpoint that a new run begins with, if it does not begin from scratch."""
        return self._absolute(self.start.checkpoint) if self.start.checkpoint else None

    @property
    def phoneme_map(self) -> Path | None:
        """The file with the user's own phoneme ids, if there is one."""
        return self._absolute(self.text.phoneme_map) if self.text.phoneme_map else None

    @property
    def disabled_plugins(self) -> tuple[str, ...]:
        """Names of plugins that must not be imported."""
        return tuple(self.plugins.get("disabled", ()))

    def plugin_settings(self, plugin: str) -> Mapping[str, Any]:
        """The table `[plugins.<plugin>]`; empty when there is none."""
        table = self.plugins.get(plugin, {})
        return table if isinstance(table, Mapping) else {}

    def _absolute(self, path: str) -> Path:
        return self.root / Path(path).expanduser()
