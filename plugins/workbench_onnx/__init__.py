"""Exporter `onnx`: Piper voices."""

from workbench_onnx.plugin import plugin

__all__ = ["plugin"]
