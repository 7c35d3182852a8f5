"""Exported graphs as a verifier runs them: as they are, and with their noise in its hands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from core_vits.exportable import LATENT_NAMES, SPEAKER_LATENT
from core_vits.streaming import FIRST_FRAMES, GROWTH, chunks

Samples = NDArray[np.float32]

_RANDOM_NODE = "RandomNormalLike"
_WAYS_TO_CHUNK = ((FIRST_FRAMES, GROWTH), (7, 1.5))
"""Frames of the first chunk, and growth: as speech is streamed, and with seams in other places."""


def make_session(content: bytes, *, optimise: bool = True) -> Any:
    """A session on one thread."""
    options = onnxruntime.SessionOptions()
    # One thread: a trainer may be running beside us. Errors are raised; printed as well they would be said twice.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


class TextGraph:
    """A graph that reads phonemes and draws noise: the file as it is, and a copy that takes its noise as inputs."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        self.plain = make_session(content)
        graph = onnx.load_from_string(content)
        # The copy loses what the nodes say about their noise, so that is looked at by itself.
        self.odd_noise = any(node.op_type == _RANDOM_NODE and not _is_standard(node) for node in graph.graph.node)
        self.noise_inputs = _random_nodes_become_inputs(graph.graph)
        # Not optimised: that takes longer than all runs, and the file as it is runs as programs will run it.
        self._noisy = make_session(graph.SerializeToString(), optimise=False)
        self.inputs = [item.name for item in self.plain.get_inputs()]
        self.outputs = [item.name for item in self.plain.get_outputs()]

    def run(self, feed: Mapping[str, Any], noise: Sequence[Any] | None) -> list[Any]:
        """All outputs; `noise` in the order in which the graph draws it, None: the file as it is."""
        if noise is None:
            outputs: list[Any] = self.plain.run(None, dict(feed))
        else:
            outputs = self._noisy.run(None, {**feed, **dict(zip(self.noise_inputs, noise, strict=True))})
        return outputs


def _is_standard(node: Any) -> bool:
    """Whether a random node draws from N(0, 1), other numbers on every call."""
    standard = {"mean": 0.0, "scale": 1.0, "dtype": onnx.TensorProto.FLOAT}
    given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    return all(name in standard and value == standard[name] for name, value in given.items())


def _random_nodes_become_inputs(graph: Any) -> list[str]:
    """Replace the random nodes by inputs of the same names, which are returned in the order of the graph."""
    random = [node for node in graph.node if node.op_type == _RANDOM_NODE]
    for node in random:
        graph.node.remove(node)
        graph.input.append(onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None))
    return [node.output[0] for node in random]


class WholeVoice:
    """A voice in one file."""

    def __init__(self, path: Path) -> None:
        self.text = TextGraph(path)

    def speak(self, feed: Mapping[str, Any], noise: Sequence[Any] | None) -> Samples:
        """Audio [S].

        Raises:
            ValueError: the output has another shape than Piper's.
        """
        return _flat(self.text.run(feed, noise)[0], axes=4)


class VoiceInParts:
    """A voice whose decoder is a file of its own, decoded at once and in chunks."""

    def __init__(self, encoder: Path, decoder: Path, *, margin: int, hop_length: int) -> None:
        self.text = TextGraph(encoder)
        self.decoder = make_session(decoder.read_bytes())
        self._margin, self._hop = margin, hop_length
        self.seams = 0.0
        """Largest difference so far between audio decoded at once and in chunks, as a part of the loudest sample."""

    def speak(self, feed: Mapping[str, Any], noise: Sequence[Any] | None) -> Samples:
        """Audio [S], decoded at once.

        Raises:
            ValueError: the output has another shape than it should.
        """
        latent, mask, *speaker = self.text.run(feed, noise)
        whole = self._decode(latent, mask, speaker)
        loudest = max(float(np.abs(whole).max(initial=0.0)), 1e-9)
        for first, growth in _WAYS_TO_CHUNK:
            parts = [
                self._decode(
                    latent[..., part.context_begin : part.context_end],
                    mask[..., part.context_begin : part.context_end],
                    speaker,
                )[part.samples(self._hop)]
                for part in chunks(latent.shape[-1], self._margin, first=first, growth=growth)
            ]
            joined = np.concatenate(parts)
            if joined.shape != whole.shape:
                raise ValueError(f"its chunks have {joined.size} samples, decoded at once it has {whole.size}")
            self.seams = max(self.seams, float(np.abs(joined - whole).max()) / loudest)
        return whole

    def _decode(self, latent: Any, mask: Any, speaker: Sequence[Any]) -> Samples:
        names = [*LATENT_NAMES, SPEAKER_LATENT]
        feed = dict(zip(names, (latent, mask, *speaker), strict=False))
        return _flat(self.decoder.run(None, feed)[0], axes=3)


def _flat(audio: Any, *, axes: int) -> Samples:
    """
    Raises:
        ValueError: it has another number of axes.
    """
    if audio.ndim != axes:
        raise ValueError(f"its output has {audio.ndim} axes, wanted are {axes}")
    flat: Samples = audio.reshape(-1)
    return flat
