"""Exported voices, spoken by onnxruntime on one thread of the CPU: whole, or in two parts and so in chunks.

Legend: S samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from core_vits.exportable import LATENT_NAMES, SPEAKER_INPUT, SPEAKER_LATENT
from core_vits.infer import Scales, check_ids, check_speaker
from core_vits.streaming import chunks
from workbench.errors import CheckpointError

Samples = NDArray[np.float32]


class OnnxVoice:
    """A whole voice: a sentence is heard when all of it is made."""

    in_chunks = False

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        """
        Raises:
            CheckpointError: it can't be loaded.
        """
        self._num_symbols = int(config.get("num_symbols", 256))
        self._session = _load(path)
        speakers = int(config.get("num_speakers", 1))
        # By the graph's inputs: single-speaker files may hold an unused weight that is called sid as well.
        self._speakers = speakers if SPEAKER_INPUT in {item.name for item in self._session.get_inputs()} else 1

    def speak(self, ids: Sequence[int], scales: Scales, speaker: int | None, seed: int) -> Samples:
        """See `Voice`."""
        return np.concatenate(list(self.stream(ids, scales, speaker, seed)))

    def stream(self, ids: Sequence[int], scales: Scales, speaker: int | None, seed: int) -> Iterator[Samples]:
        """See `Voice`."""
        yield self._run(ids, scales, speaker)[0].reshape(-1)

    def _run(self, ids: Sequence[int], scales: Scales, speaker: int | None) -> list[Any]:
        """What the graph that reads phonemes gives.

        Raises:
            SpeechError: the ids or the speaker are not the voice's.
        """
        check_ids(ids, self._num_symbols)
        speaker = check_speaker(speaker, self._speakers)
        feed: dict[str, Any] = {
            "input": np.array([ids], dtype=np.int64),
            "input_lengths": np.array([len(ids)], dtype=np.int64),
            "scales": np.array([scales.noise_scale, scales.length_scale, scales.noise_w], dtype=np.float32),
        }
        if speaker is not None:
            feed[SPEAKER_INPUT] = np.array([speaker], dtype=np.int64)
        outputs: list[Any] = self._session.run(None, feed)
        return outputs


class OnnxVoiceInParts(OnnxVoice):
    """A voice whose decoder is a file of its own, so that a sentence is heard while it is being made."""

    in_chunks = True

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        """
        Args:
            path: the encoder.
            config: the JSON beside it, which names the decoder.

        Raises:
            CheckpointError: it can't be loaded.
        """
        super().__init__(path, config)
        try:
            decoder = path.with_name(config["decoder"]["file"])
            self._margin, self._hop = int(config["decoder"]["margin_frames"]), int(config["hop_length"])
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(
                f"{path}.json: does not say how the voice's decoder is used (decoder, hop_length); export it again"
            ) from None
        if not decoder.is_file():
            raise CheckpointError(f"{path}: its decoder {decoder.name} is missing; put it beside the voice")
        self._decoder = _load(decoder)

    def stream(self, ids: Sequence[int], scales: Scales, speaker: int | None, seed: int) -> Iterator[Samples]:
        """See `Voice`: chunks that joined are the sentence, the first one short."""
        latent, mask, *vector = self._run(ids, scales, speaker)
        for part in chunks(latent.shape[-1], self._margin):
            context = slice(part.context_begin, part.context_end)
            feed = dict(zip(LATENT_NAMES, (latent[..., context], mask[..., context]), strict=True))
            if vector:
                feed[SPEAKER_LATENT] = vector[0]
            audio: Samples = self._decoder.run(None, feed)[0].reshape(-1)
            yield audio[part.samples(self._hop)]


def _load(path: Path) -> Any:
    """
    Raises:
        CheckpointError: it is no graph that onnxruntime loads.
    """
    options = onnxruntime.SessionOptions()
    # One thread: a trainer may be running beside us and wants the cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each of its status codes
        said = " ".join(str(error).split())
        raise CheckpointError(f"{path}: can't be loaded as an ONNX voice ({said[:200]}); export it again") from None
