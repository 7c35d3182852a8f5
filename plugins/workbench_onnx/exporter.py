"""From a checkpoint to the files of a voice: whole, whole with 16-bit weights, or in two parts for streaming."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core_vits.exportable import ExportableDecoder, ExportableEncoder, ExportableGenerator
from core_vits.infer import load_generator
from core_vits.streaming import decoder_margin
from core_vits.synthesizer import Synthesizer
from workbench.api import VoiceIdentity
from workbench_onnx.graphs import TEMPORARY, export_graph, halve_weights
from workbench_onnx.settings import OnnxSettings
from workbench_onnx.voice_config import complete_config, sherpa_metadata, streaming_config, tokens_table

HALF = "-half"
ENCODER, DECODER = ".encoder", ".decoder"
"""What stands behind a voice's name in the names of its files."""


class OnnxExporter:
    """Writes `<voice>.onnx`, `<voice>.onnx.json` and, unless switched off, `<voice>.tokens.txt`."""

    name_suffix = ""

    def __init__(self, settings: OnnxSettings | None = None) -> None:
        self.settings = settings or OnnxSettings()

    def export(self, checkpoint: Path, config: Mapping[str, Any], voice: VoiceIdentity, folder: Path) -> list[Path]:
        """Write the voice; an older voice of that name stays as it was until all new files are complete.

        Args:
            checkpoint: of this program or of Piper.
            config: the run's `config.json`.
            voice: name, language and quality; gives the files their name.
            folder: existing folder.

        Returns:
            The files, the `.onnx` that is spoken first.

        Raises:
            CheckpointFileError: the checkpoint can't be read.
            VoiceConfigError: the configuration does not fit it.
            OSError: a file can't be written.
        """
        generator = load_generator(checkpoint)
        completed = complete_config(config, voice, generator.config)
        return write_together(folder, self._files(generator, completed, voice))

    def _files(self, generator: Synthesizer, config: Mapping[str, Any], voice: VoiceIdentity) -> dict[str, bytes]:
        stem = f"{voice.stem}{self.name_suffix}"
        files = {f"{stem}.onnx": self._graph(generator, sherpa_metadata(config, voice)), **_json(stem, config)}
        if self.settings.tokens:
            files[f"{stem}.tokens.txt"] = tokens_table(config).encode()
        return files

    def _graph(self, generator: Synthesizer, metadata: Mapping[str, str]) -> bytes:
        return export_graph(ExportableGenerator(generator), metadata)


class HalfExporter(OnnxExporter):
    """The same voice in half the bytes: `<voice>-half.onnx` and what belongs to it."""

    name_suffix = HALF

    def _graph(self, generator: Synthesizer, metadata: Mapping[str, str]) -> bytes:
        return halve_weights(super()._graph(generator, metadata))


class StreamingExporter(OnnxExporter):
    """The voice in two parts: `<voice>.encoder.onnx` with its `.json`, and `<voice>.decoder.onnx`."""

    def _files(self, generator: Synthesizer, config: Mapping[str, Any], voice: VoiceIdentity) -> dict[str, bytes]:
        decoder = f"{voice.stem}{DECODER}.onnx"
        described = streaming_config(config, decoder=decoder, margin=decoder_margin(generator.config))
        encoder = f"{voice.stem}{ENCODER}"
        return {
            f"{encoder}.onnx": export_graph(ExportableEncoder(generator), {}),
            **_json(encoder, described),
            decoder: export_graph(ExportableDecoder(generator), {}),
        }


def _json(stem: str, config: Mapping[str, Any]) -> dict[str, bytes]:
    return {f"{stem}.onnx.json": (json.dumps(config, ensure_ascii=False, indent=2) + "\n").encode()}


def write_together(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files so that they appear complete, the first one last: who sees it, sees all.

    They are written and on the disk before the first of them takes its name.

    Args:
        folder: existing folder.
        files: name and content.

    Raises:
        OSError: one can't be written; nothing of the new files is left.
    """
    staging = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder))
    try:
        for name, content in files.items():
            with (staging / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in reversed(list(files)):
            (staging / name).replace(folder / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return [folder / name for name in files]
