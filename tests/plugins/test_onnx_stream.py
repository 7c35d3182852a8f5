"""The exporter 'onnx-stream': a voice in two parts, decoded in chunks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import onnxruntime
import pytest
from tiny_voice import TINY, voice_config, write_checkpoint

from core_vits.infer import Scales, load_generator, synthesize
from core_vits.streaming import decoder_margin
from workbench.api import Severity, VoiceIdentity
from workbench.api.testing import ExporterContract
from workbench_onnx.exporter import StreamingExporter
from workbench_onnx.verifier import SEAM_TOLERANCE, StreamingVerifier

VOICE = VoiceIdentity(name="probe", language="ru", quality="tiny")
NAMES = ["ru-probe-tiny.encoder.onnx", "ru-probe-tiny.encoder.onnx.json", "ru-probe-tiny.decoder.onnx"]


class Exported:
    """A checkpoint and its voice in two parts."""

    def __init__(self, folder: Path, speakers: int) -> None:
        self.checkpoint = write_checkpoint(folder / "a.ckpt", speakers=speakers)
        (folder / "voices").mkdir()
        config = voice_config(speakers=speakers)
        self.files = StreamingExporter().export(self.checkpoint, config, VOICE, folder / "voices")

    def copy(self, folder: Path) -> list[Path]:
        """The files once more, to be changed."""
        for path in self.files:
            (folder / path.name).write_bytes(path.read_bytes())
        return [folder / path.name for path in self.files]


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp("single"), 1)


@pytest.fixture(scope="module")
def multi(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp("multi"), 3)


class TestExporter(ExporterContract):
    suffix: ClassVar[str] = ".encoder.onnx"

    @pytest.fixture
    def exporter(self) -> StreamingExporter:
        return StreamingExporter()

    @pytest.fixture
    def verifier(self) -> StreamingVerifier:
        return StreamingVerifier()

    @pytest.fixture
    def checkpoint(self, single: Exported) -> Path:
        return single.checkpoint

    @pytest.fixture
    def config(self) -> Mapping[str, Any]:
        return voice_config()


def session(path: Path) -> Any:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def names(items: Any) -> list[str]:
    return [item.name for item in items]


def test_the_parts_have_the_inputs_and_outputs_that_streaming_programs_expect(
    single: Exported, multi: Exported
) -> None:
    for exported, speaker, vector in ((single, [], []), (multi, ["sid"], ["g"])):
        assert names_of(exported) == NAMES
        encoder, decoder = session(exported.files[0]), session(exported.files[2])
        assert names(encoder.get_inputs()) == ["input", "input_lengths", "scales", *speaker]
        assert names(encoder.get_outputs()) == names(decoder.get_inputs()) == ["z", "y_mask", *vector]
        assert names(decoder.get_outputs()) == ["output"]


def names_of(exported: Exported) -> list[str]:
    return [path.name for path in exported.files]


def test_the_json_says_how_the_decoder_is_used(single: Exported) -> None:
    config = json.loads(single.files[1].read_text(encoding="utf-8"))
    assert config["streaming"] is True
    assert config["decoder"] == {"file": NAMES[2], "margin_frames": decoder_margin(TINY)}
    assert config["hop_length"] == 256
    assert config["audio"]["sample_rate"] == 22_050


def test_the_parts_together_speak_what_the_checkpoint_speaks(multi: Exported) -> None:
    ids = [1, 0, 20, 0, 35, 0, 120, 0, 14, 0, 2]
    encoder, decoder = session(multi.files[0]), session(multi.files[2])
    quiet = np.array([0.0, 1.4, 0.0], dtype=np.float32)
    latent, mask, vector = encoder.run(
        None, {"input": [ids], "input_lengths": np.array([len(ids)]), "scales": quiet, "sid": np.array([2])}
    )
    (audio,) = decoder.run(None, {"z": latent, "y_mask": mask, "g": vector})
    scales = Scales(noise_scale=0.0, length_scale=1.4, noise_w=0.0)
    wanted = synthesize(load_generator(multi.checkpoint), ids, scales=scales, speaker=2, seed=0)
    np.testing.assert_allclose(audio.reshape(-1), wanted, rtol=0, atol=1e-6)


def test_the_verifier_compares_with_the_checkpoint_and_chunks_with_the_whole(multi: Exported) -> None:
    verdict = StreamingVerifier().verify(multi.checkpoint, multi.files)
    assert verdict.accepted
    assert [(item.rule, item.severity) for item in verdict.findings] == [
        ("onnx.equal", Severity.OK),
        ("onnx.seams", Severity.OK),
    ]
    assert verdict.findings[0].evidence["comparisons"] == 12
    assert verdict.findings[1].evidence["largest_difference"] <= 2e-6


def change_json(**changed: Any) -> Callable[[list[Path]], None]:
    def change(files: list[Path]) -> None:
        config = json.loads(files[1].read_text(encoding="utf-8"))
        files[1].write_text(json.dumps({**config, **changed}), encoding="utf-8")

    return change


def change_weight(files: list[Path], which: int, part: str, factor: float) -> None:
    graph = onnx.load(files[which])
    weights = [item for item in graph.graph.initializer if f".{part}." in item.name and len(item.dims) > 1]
    largest = max(weights, key=lambda item: int(np.prod(item.dims)))
    values = onnx.numpy_helper.to_array(largest) * np.float32(factor)
    largest.CopyFrom(onnx.numpy_helper.from_array(values, largest.name))
    onnx.save(graph, files[which])


def swap_parts(files: list[Path]) -> None:
    files[0].write_bytes(files[2].read_bytes())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(change_json(decoder={"file": NAMES[2], "margin_frames": 10}), "margin_frames = 10", id="margin"),
        pytest.param(change_json(decoder={"file": "other.onnx", "margin_frames": 11}), "can't be loaded", id="file"),
        pytest.param(change_json(streaming=False), "in two parts", id="not streaming"),
        pytest.param(change_json(hop_length=128), "hop_length = 128", id="hop length"),
        pytest.param(change_json(num_symbols=100), "num_symbols = 100", id="symbols"),
        pytest.param(lambda files: change_weight(files, 0, "flow", 1.2), "differs|samples", id="flow"),
        pytest.param(lambda files: change_weight(files, 2, "dec", 1.01), "differs", id="decoder"),
        pytest.param(swap_parts, "encoder's outputs are output", id="swapped"),
        pytest.param(lambda files: files[2].write_bytes(b"no graph"), "can't be loaded", id="damaged"),
    ],
)
def test_parts_that_are_not_those_of_the_checkpoint_are_rejected(
    single: Exported, tmp_path: Path, change: Callable[[list[Path]], None], said: str
) -> None:
    files = single.copy(tmp_path)
    change(files)
    verdict = StreamingVerifier().verify(single.checkpoint, files)
    assert not verdict.accepted
    assert any(part in verdict.findings[0].message for part in said.split("|")), verdict.findings[0].message


def test_a_margin_that_leaves_seams_is_rejected(
    single: Exported, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As if the margin were counted wrongly, by exporter and verifier alike.
    files = single.copy(tmp_path)
    change_json(decoder={"file": NAMES[2], "margin_frames": 3})(files)
    monkeypatch.setattr("workbench_onnx.verifier.decoder_margin", lambda _: 3)
    verdict = StreamingVerifier().verify(single.checkpoint, files)
    assert not verdict.accepted
    assert "speaks otherwise in chunks than at once" in verdict.findings[0].message
    assert f"{SEAM_TOLERANCE:.0e}" in verdict.findings[0].message
