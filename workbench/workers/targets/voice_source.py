"""What belongs to a voice that is to be spoken or exported: its configuration, its workspace, its name."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core_vits.checkpoint import CheckpointFileError, load_checkpoint
from workbench.api import VoiceIdentity
from workbench.config import Workspace, load_workspace, workspace_from_dict
from workbench.errors import CheckpointError, ConfigError
from workbench.jobs.voice_files import DECODER_SUFFIX, ENCODER_SUFFIX, find_voice_config, folders_with_config


@dataclass(frozen=True, kw_only=True)
class VoiceSource:
    """A checkpoint or an exported voice with what is known about it."""

    path: Path
    config: Mapping[str, Any]
    """The voice's `config.json` (of a run) or `.onnx.json` (of an exported voice)."""
    workspace: Workspace | None
    """Settings that it was trained with; None when nobody knows them."""

    @property
    def exported(self) -> bool:
        """Whether it is an ONNX voice."""
        return self.path.suffix == ".onnx"

    @property
    def streaming(self) -> bool:
        """Whether it is an exported voice in two parts."""
        return self.exported and self.config.get("streaming") is True

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return int(self.config["audio"]["sample_rate"])

    @property
    def espeak_voice(self) -> str:
        """What its phonemes were made with."""
        return str(self.config["espeak"]["voice"])

    @property
    def language(self) -> str:
        """BCP 47 tag."""
        if self.workspace is not None:
            return self.workspace.voice.language
        block = self.config.get("language") or {}
        return str(block.get("code", self.espeak_voice)).replace("_", "-")

    def identity(self) -> VoiceIdentity:
        """How the voice is named; what no workspace says is taken from the configuration and the folder's name."""
        if self.workspace is not None:
            voice = self.workspace.voice
            return VoiceIdentity(name=voice.name, language=voice.language, quality=voice.quality, dataset=voice.name)
        folder = self.path.parent.parent.name if self.path.parent.name == "checkpoints" else self.path.parent.name
        name = re.sub(r"\W+", "_", str(self.config.get("dataset") or folder)).strip("_") or "voice"
        quality = str(self.config["audio"].get("quality") or "custom")
        return VoiceIdentity(name=name, language=self.language, quality=quality, dataset=name)


def find_source(
    path: str, *, run_folder: str | None = None, config: str | None = None, workspace: str | None = None
) -> VoiceSource:
    """Find what belongs to a checkpoint or voice.

    Args:
        path: a `.ckpt` or an `.onnx`.
        run_folder: the run that saved the checkpoint; found by the checkpoint's place if not given.
        config: the voice's configuration, if it lies elsewhere.
        workspace: the workspace file, where there is no run folder that holds the settings.

    Raises:
        CheckpointError: there is no such file, or its configuration is missing or unreadable.
        ConfigError: the settings can't be read.
    """
    source = Path(path)
    if not source.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    run = Path(run_folder) if run_folder else None
    found = Path(config) if config else _config_of(source, run)
    content = _read_config(found)
    settings = _settings_of(run or found.parent, Path(workspace) if workspace else None)
    if source.suffix == ".onnx" and settings is not None and not _is_of(settings, content):
        settings = None  # a voice from elsewhere: the workspace it is spoken in says nothing about it
    return VoiceSource(path=source, config=content, workspace=settings)


def _is_of(workspace: Workspace, config: Mapping[str, Any]) -> bool:
    """Whether a workspace is the one that an exported voice comes from, as far as name and language tell."""
    block = config.get("language") or {}
    family = str(block.get("family", "")) if isinstance(block, dict) else ""
    own = workspace.voice
    return config.get("dataset") == own.name and family in ("", own.language.partition("-")[0])


def _config_of(source: Path, run: Path | None) -> Path:
    """
    Raises:
        CheckpointError: there is none.
    """
    found = find_voice_config(source, run)
    if found is not None:
        return found
    if source.name.endswith(DECODER_SUFFIX):
        encoder = source.name.removesuffix(DECODER_SUFFIX) + ENCODER_SUFFIX
        raise CheckpointError(f"{source}: is the second part of a voice; name the first, {encoder}")
    if source.suffix == ".onnx":
        raise CheckpointError(
            f"{source}: the file {source.name}.json that belongs to it is missing; put it beside the voice"
        )
    try:
        load_checkpoint(source)  # that it is no checkpoint at all is the better thing to say
    except CheckpointFileError as error:
        raise CheckpointError(str(error)) from None
    raise CheckpointError(
        f"{source}: no config.json of its voice in {folders_with_config(source, run)[0]}"
        f"{' or the folders above' if run is None else ''}; put the one of its training run beside it"
    )


def _read_config(path: Path) -> dict[str, Any]:
    """
    Raises:
        CheckpointError: it is no voice's configuration.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read ({error.strerror or error})") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: is not JSON ({' '.join(str(error).split())})") from None
    missing = _missing(config)
    if missing:
        raise CheckpointError(f"{path}: is not a voice's configuration: {missing}")
    return dict(config)


def _missing(config: Any) -> str:
    """Empty, or what a voice's configuration must have and this one has not."""
    if not isinstance(config, dict):
        return "it is not a JSON object"
    for table, key, kind in (("audio", "sample_rate", int), ("espeak", "voice", str)):
        if not isinstance(config.get(table), dict) or not isinstance(config[table].get(key), kind):
            return f"it has no {table}.{key}"
    id_map = config.get("phoneme_id_map")
    if not isinstance(id_map, dict) or not all(isinstance(ids, list) for ids in id_map.values()):
        return "it has no phoneme_id_map"
    if config["audio"]["sample_rate"] < 1:
        return f"audio.sample_rate is {config['audio']['sample_rate']}"
    return ""


def _settings_of(run: Path, workspace: Path | None) -> Workspace | None:
    """The settings that a run was started with, else those of the workspace.

    Raises:
        ConfigError: they can't be read.
    """
    file = run / "run.toml"
    if file.is_file():
        try:
            return workspace_from_dict(tomllib.loads(file.read_text(encoding="utf-8")), file)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{file}: can't be read ({' '.join(str(error).split())})") from None
    return load_workspace(workspace) if workspace is not None else None
