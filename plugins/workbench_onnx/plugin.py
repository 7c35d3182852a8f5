"""What this plugin offers. Nothing heavy is imported here: records name their code."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.api import ExporterSpec, Plugin
from workbench_onnx.settings import OnnxSettings


class OnnxPlugin(Plugin):
    """Exports voices for Piper and everything that speaks its voices."""

    summary = "exports Piper voices (ONNX), compared with their checkpoint"

    def workbench_register_settings(self) -> type[OnnxSettings]:
        """`[plugins.onnx]`."""
        return OnnxSettings

    def workbench_register_exporters(self) -> Iterable[ExporterSpec]:
        """The exporter `onnx`."""
        return [
            ExporterSpec(
                name="onnx",
                target="workbench_onnx.exporter:OnnxExporter",
                suffix=".onnx",
                verifier="workbench_onnx.verifier:OnnxVerifier",
                summary="Piper voice: .onnx and .onnx.json, for Piper, Home Assistant and sherpa-onnx",
            )
        ]


plugin = OnnxPlugin()
