"""From a checkpoint to the files of a Piper voice.

Legend: B utterances, T phonemes, S samples.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from torch.jit._trace import TracerWarning

from core_vits.exportable import OUTPUT_NAME, ExportableGenerator
from core_vits.infer import load_generator
from workbench.api import VoiceIdentity
from workbench_onnx.settings import OnnxSettings
from workbench_onnx.voice_config import complete_config, sherpa_metadata, tokens_table

OPSET = 15
_TRACED_IDS = 50
_TEMPORARY = ".onnx-export-"

# What torch says during an export that is neither news nor a reason to act. By message, so that anything else it says
# is still heard.
_KNOWN_WARNINGS = (
    # We choose the exporter by TorchScript: the one by torch.export stops at the data-dependent number of frames.
    (DeprecationWarning, r"You are using the legacy TorchScript-based ONNX export"),
    (DeprecationWarning, r"The feature will be removed\. Please remove usage of this function"),
    # Splitting channels asks for their number, which is a constant of the architecture.
    (TracerWarning, r"Converting a tensor to a Python boolean might cause the trace to be incorrect"),
    # The flips of the flow are slices with step -1, which stay nodes of the graph.
    (UserWarning, r"Constant folding - Only steps=1 can be constant folded"),
)


class OnnxExporter:
    """Writes `<voice>.onnx`, `<voice>.onnx.json` and, unless switched off, `<voice>.tokens.txt`."""

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
            The files, the `.onnx` first.

        Raises:
            CheckpointFileError: the checkpoint can't be read.
            VoiceConfigError: the configuration does not fit it.
            OSError: a file can't be written.
        """
        generator = load_generator(checkpoint)
        completed = complete_config(config, voice, generator.config)
        graph = export_graph(ExportableGenerator(generator), sherpa_metadata(completed, voice))
        files = {
            f"{voice.stem}.onnx": graph,
            f"{voice.stem}.onnx.json": (json.dumps(completed, ensure_ascii=False, indent=2) + "\n").encode(),
        }
        if self.settings.tokens:
            files[f"{voice.stem}.tokens.txt"] = tokens_table(completed).encode()
        return write_together(folder, files)


def export_graph(model: ExportableGenerator, metadata: Mapping[str, str]) -> bytes:
    """The serialised graph of a generator.

    Args:
        model: on the CPU, in eval mode, weight norm folded.
        metadata: becomes `metadata_props`.
    """
    axes = {
        "input": {0: "batch_size", 1: "phonemes"},
        "input_lengths": {0: "batch_size"},
        OUTPUT_NAME: {0: "batch_size", 3: "samples"},
    }
    with tempfile.TemporaryDirectory(prefix=_TEMPORARY) as scratch, torch.no_grad(), _known_warnings_ignored():
        path = Path(scratch) / "graph.onnx"
        torch.onnx.export(
            model,
            _example(model),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=model.input_names,
            output_names=[OUTPUT_NAME],
            dynamic_axes=axes,
        )
        graph = onnx.load(path)
    for key, value in metadata.items():
        graph.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(graph)
    serialised: bytes = graph.SerializeToString()
    return serialised


def _example(model: ExportableGenerator) -> tuple[torch.Tensor, ...]:
    """Inputs to trace with; which ids they are does not matter, for nothing in the graph depends on values."""
    ids = torch.arange(_TRACED_IDS) % model.generator.config.num_symbols
    inputs = [ids.unsqueeze(0), torch.tensor([_TRACED_IDS]), torch.tensor([0.667, 1.0, 0.8])]
    if len(model.input_names) > len(inputs):
        inputs.append(torch.tensor([0]))
    return tuple(inputs)


@contextmanager
def _known_warnings_ignored() -> Iterator[None]:
    with warnings.catch_warnings():
        for category, message in _KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message, category)
        yield


def write_together(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files so that they appear complete, the first one last: who sees it, sees all.

    They are written and on the disk before the first of them takes its name.

    Args:
        folder: existing folder.
        files: name and content.

    Raises:
        OSError: one can't be written; nothing of the new files is left.
    """
    staging = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder))
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
