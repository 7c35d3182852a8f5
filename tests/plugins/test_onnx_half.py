"""The exporter 'onnx-half': the same voice with 16-bit weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import onnxruntime
import pytest
from tiny_voice import tiny_generator, tiny_model, voice_config, write_checkpoint

from core_vits.checkpoint import load_checkpoint, save_atomic
from workbench.api import Severity, VoiceIdentity
from workbench.api.testing import ExporterContract
from workbench_onnx.exporter import HalfExporter, OnnxExporter
from workbench_onnx.graphs import can_be_halved, halve_weights
from workbench_onnx.rounding import LEAST_SNR, MOST_DURATIONS, MOST_MEL, RoundingCost, rounded_copy, rounding_cost
from workbench_onnx.verifier import HalfVerifier, OnnxVerifier

VOICE = VoiceIdentity(name="probe", language="ru", quality="tiny")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("half") / "a.ckpt")


@pytest.fixture(scope="module")
def files(checkpoint: Path) -> list[Path]:
    """The exported voice, beside the whole one."""
    OnnxExporter().export(checkpoint, voice_config(), VOICE, checkpoint.parent)
    return HalfExporter().export(checkpoint, voice_config(), VOICE, checkpoint.parent)


class TestExporter(ExporterContract):
    suffix: ClassVar[str] = "-half.onnx"

    @pytest.fixture
    def exporter(self) -> HalfExporter:
        return HalfExporter()

    @pytest.fixture
    def verifier(self) -> HalfVerifier:
        return HalfVerifier()

    @pytest.fixture
    def checkpoint(self, checkpoint: Path) -> Path:
        return checkpoint

    @pytest.fixture
    def config(self) -> Mapping[str, Any]:
        return voice_config()


def test_the_whole_voice_beside_it_is_not_touched_and_twice_as_large(files: list[Path]) -> None:
    assert [path.name for path in files] == [f"ru-probe-tiny-half.{end}" for end in ("onnx", "onnx.json", "tokens.txt")]
    whole = files[0].with_name("ru-probe-tiny.onnx")
    weights = {
        path: sum(len(item.raw_data) for item in onnx.load(path).graph.initializer) for path in (whole, files[0])
    }
    assert weights[files[0]] < 0.6 * weights[whole]


def test_every_large_weight_is_stored_in_16_bits_and_computed_with_in_32(files: list[Path]) -> None:
    graph = onnx.load(files[0]).graph
    kinds = {item.name: item.data_type for item in graph.initializer if int(np.prod(item.dims)) >= 256}
    floats = {name: kind for name, kind in kinds.items() if kind != onnx.TensorProto.INT64}
    assert set(floats.values()) == {onnx.TensorProto.FLOAT16}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in floats]
    assert sorted(node.input[0] for node in casts) == sorted(floats)
    assert all(onnx.helper.get_attribute_value(node.attribute[0]) == onnx.TensorProto.FLOAT for node in casts)


def test_onnxruntime_turns_the_weights_back_when_it_loads_the_voice(files: list[Path], tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(files[0]), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(tmp_path / "optimised.onnx").graph
    halves = {item.name for item in graph.initializer if item.data_type == onnx.TensorProto.FLOAT16}
    assert halves == set()


def test_a_weight_that_16_bits_can_not_hold_or_that_is_small_stays_as_it_is() -> None:
    large = np.full(300, 70_000.0, dtype=np.float32)
    assert can_be_halved(large) is None
    assert can_be_halved(large[:255] / 2) is None
    assert can_be_halved(np.zeros(300, dtype=np.int64)) is None
    halved = can_be_halved(large / 2)
    assert halved is not None
    assert halved.dtype == np.float16


def test_the_verdict_says_what_the_rounding_costs(checkpoint: Path, files: list[Path]) -> None:
    verdict = HalfVerifier().verify(checkpoint, files)
    assert verdict.accepted
    (finding,) = verdict.findings
    assert finding.severity is Severity.OK
    assert finding.evidence["snr_db"] > 40
    assert finding.evidence["log_mel_difference"] < 0.01 * finding.evidence["log_mel_difference_of_samples"]
    # It is measured against the checkpoint itself, so it is not nothing.
    assert 1e-6 < verdict.largest_difference < 1e-2
    assert f"{finding.evidence['snr_db']:.1f} dB SNR" in finding.message
    assert "two samples of one sentence differ by" in finding.message


def test_the_whole_voices_verifier_would_not_take_it(checkpoint: Path, files: list[Path]) -> None:
    # Else the cost of rounding would be below what is accepted of rounding 32-bit floats, and nothing to tell.
    assert not OnnxVerifier().verify(checkpoint, files).accepted


def change_weight(graph: Any) -> None:
    """One weight of the decoder 1 % larger: far below what rounding costs a trained voice."""
    weight = next(
        item for item in graph.initializer if ".dec." in item.name and item.data_type == onnx.TensorProto.FLOAT16
    )
    values = onnx.numpy_helper.to_array(weight).copy()
    weight.CopyFrom(onnx.numpy_helper.from_array((values * np.float16(1.01)).astype(np.float16), weight.name))


def fix_the_seed(graph: Any) -> None:
    node = next(item for item in graph.node if item.op_type == "RandomNormalLike")
    node.attribute.append(onnx.helper.make_attribute("seed", 1.0))


@pytest.mark.parametrize(("change", "said"), [(change_weight, "differs"), (fix_the_seed, "not drawn anew")])
def test_what_is_not_rounding_is_rejected_however_small(
    checkpoint: Path, files: list[Path], tmp_path: Path, change: Callable[[Any], None], said: str
) -> None:
    graph = onnx.load(files[0])
    change(graph.graph)
    onnx.save(graph, tmp_path / "voice.onnx")
    (tmp_path / "voice.onnx.json").write_bytes(files[1].read_bytes())
    verdict = HalfVerifier().verify(checkpoint, [tmp_path / "voice.onnx", tmp_path / "voice.onnx.json"])
    assert not verdict.accepted
    assert said in verdict.findings[0].message


def test_a_voice_that_16_bits_can_not_carry_is_rejected(tmp_path: Path) -> None:
    # Weights below what 16 bits can tell from zero, whose product with a large one is the voice.
    checkpoint = write_checkpoint(tmp_path / "a.ckpt")
    payload = load_checkpoint(checkpoint)
    state = payload["state_dict"]
    name = "model_g.dec.conv_pre"
    assert state[f"{name}.weight"].numel() >= 256
    state[f"{name}.weight"] *= 1e-7
    state[f"{name}.bias"] *= 1e-7
    state["model_g.dec.ups.0.weight_g"] *= 1e7
    state["model_g.dec.ups.0.bias"] *= 0
    save_atomic(tmp_path / "b.ckpt", payload)
    files = HalfExporter().export(tmp_path / "b.ckpt", voice_config(), VOICE, tmp_path)
    verdict = HalfVerifier().verify(tmp_path / "b.ckpt", files)
    assert not verdict.accepted
    assert "16-bit weights lead too far away" in verdict.findings[0].message
    assert "Use the whole voice" in verdict.findings[0].message


COST = RoundingCost(largest=0.1, snr=40.0, log_mel=0.01, log_mel_of_samples=0.3, changed_durations=0.0)


@pytest.mark.parametrize(
    "change",
    [
        {"snr": LEAST_SNR - 0.1},
        {"snr": float("nan")},
        {"log_mel": 1.01 * MOST_MEL * COST.log_mel_of_samples},
        {"changed_durations": 1.01 * MOST_DURATIONS},
    ],
)
def test_each_bound_is_one(change: dict[str, float]) -> None:
    assert COST.why_not == ""
    assert "16-bit weights" in replace(COST, **change).why_not


def test_durations_that_rounding_changes_are_counted_and_the_sound_is_compared_with_the_old_ones() -> None:
    generator = tiny_generator(tiny_model())
    generator.fold_weight_norm()
    other = rounded_copy(generator)
    other.dp.flows[0].m.data.sub_(0.5)
    cost = rounding_cost(generator, other)
    assert cost.changed_durations > 0.2
    assert cost.snr > 40


def test_halving_changes_nothing_but_the_weights(files: list[Path]) -> None:
    whole = files[0].with_name("ru-probe-tiny.onnx").read_bytes()
    halved = onnx.load_from_string(halve_weights(whole))
    whole_graph = onnx.load_from_string(whole)
    assert [node for node in halved.graph.node if node.op_type != "Cast"] == [
        node for node in whole_graph.graph.node if node.op_type != "Cast"
    ]
    assert halved.metadata_props == whole_graph.metadata_props
    assert halved.graph.input == whole_graph.graph.input
