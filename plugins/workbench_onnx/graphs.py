"""From a generator, or a part of it, to a serialised graph."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch.jit._trace import TracerWarning

from core_vits.exportable import Exportable

OPSET = 15
TEMPORARY = ".onnx-export-"
HALF_SUFFIX = ".half"
"""Of a weight's name where it is stored in 16 bits."""

_LEAST_HALVED = 256
"""Numbers in a weight that is worth a node of its own."""

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


def export_graph(model: Exportable, metadata: Mapping[str, str]) -> bytes:
    """The serialised graph of a generator or of a part of it.

    Args:
        model: on the CPU, in eval mode, weight norm folded.
        metadata: becomes `metadata_props`.
    """
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as scratch, torch.no_grad(), known_warnings_ignored():
        path = Path(scratch) / "graph.onnx"
        torch.onnx.export(
            model,
            model.example(),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=model.input_names,
            output_names=model.output_names,
            dynamic_axes={name: dict(axes) for name, axes in model.axes.items()},
        )
        graph = onnx.load(path)
    for key, value in metadata.items():
        graph.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(graph)
    serialised: bytes = graph.SerializeToString()
    return serialised


def halve_weights(serialised: bytes) -> bytes:
    """Store the weights in 16 bits. A program turns them back when it loads the graph, and computes in 32 bits as ever.

    A graph that computes in 16 bits would be slower on CPUs, and onnxruntime does not load it at all. A weight that 16
    bits can't hold stays as it is.
    """
    graph = onnx.load_from_string(serialised)
    casts = []
    for weight in graph.graph.initializer:
        halved = can_be_halved(onnx.numpy_helper.to_array(weight))
        if halved is None:
            continue
        name = weight.name
        weight.CopyFrom(onnx.numpy_helper.from_array(halved, f"{name}{HALF_SUFFIX}"))
        casts.append(onnx.helper.make_node("Cast", [weight.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.graph.node]  # who reads a weight must stand behind the node that makes it
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    onnx.checker.check_model(graph)
    halved_graph: bytes = graph.SerializeToString()
    return halved_graph


def can_be_halved(values: NDArray[Any]) -> NDArray[np.float16] | None:
    """A weight in 16 bits; None where that is not worth a node, or where 16 bits can't hold it."""
    if values.dtype != np.float32 or values.size < _LEAST_HALVED:
        return None
    with np.errstate(over="ignore"):
        halved = values.astype(np.float16)
    return halved if np.isfinite(halved).all() else None


@contextmanager
def known_warnings_ignored() -> Iterator[None]:
    """What torch says on every export is not heard; anything else is."""
    with warnings.catch_warnings():
        for category, message in _KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message, category)
        yield
