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
        """The exporters `onnx`, `onnx-half` and `onnx-stream`."""
        return [
            ExporterSpec(
                name="onnx",
                target="workbench_onnx.exporter:OnnxExporter",
                suffix=".onnx",
                verifier="workbench_onnx.verifier:OnnxVerifier",
                summary="Piper voice: .onnx and .onnx.json, for Piper, Home Assistant and sherpa-onnx",
            ),
            ExporterSpec(
                name="onnx-half",
                target="workbench_onnx.exporter:HalfExporter",
                suffix="-half.onnx",
                verifier="workbench_onnx.verifier:HalfVerifier",
                summary="the same voice in half the bytes (16-bit weights), for the same programs",
            ),
            ExporterSpec(
                name="onnx-stream",
                target="workbench_onnx.exporter:StreamingExporter",
                suffix=".encoder.onnx",
                verifier="workbench_onnx.verifier:StreamingVerifier",
                summary="the voice in two parts, .encoder.onnx and .decoder.onnx, to be heard while it is being spoken",
            ),
        ]


plugin = OnnxPlugin()
