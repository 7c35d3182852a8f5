"""The workspace file `workbench.toml`: what is in it, reading, writing, and proposing one for a folder.

Standard library, tomli-w and the light half of `core_vits` only, so every process may import it.
"""

from workbench.config.checks import did_you_mean
from workbench.config.proposal import Proposal, guess_language, propose_workspace
from workbench.config.reading import load_workspace, read_plugin_settings, shown, workspace_from_dict
from workbench.config.settings import (
    HOP_LENGTH,
    QUALITIES,
    AudioSettings,
    DatasetSettings,
    PathSettings,
    SettingError,
    StartSettings,
    TextSettings,
    TrainingSettings,
    VoiceSettings,
)
from workbench.config.workspace import TABLES, WORKSPACE_FILE, Workspace
from workbench.config.writing import settings_as_dict, with_overrides, workspace_to_toml, write_workspace

__all__ = [
    "HOP_LENGTH",
    "QUALITIES",
    "TABLES",
    "WORKSPACE_FILE",
    "AudioSettings",
    "DatasetSettings",
    "PathSettings",
    "Proposal",
    "SettingError",
    "StartSettings",
    "TextSettings",
    "TrainingSettings",
    "VoiceSettings",
    "Workspace",
    "did_you_mean",
    "guess_language",
    "load_workspace",
    "propose_workspace",
    "read_plugin_settings",
    "settings_as_dict",
    "shown",
    "with_overrides",
    "workspace_from_dict",
    "workspace_to_toml",
    "write_workspace",
]
