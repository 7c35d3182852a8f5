"""The exporter 'onnx' and its verifier."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from tiny_voice import tiny_model, voice_config, write_checkpoint

from core_vits.checkpoint import load_checkpoint, save_atomic
from core_vits.infer import Scales, load_generator, synthesize
from core_vits.languages import language_block
from workbench.api import Severity, VoiceIdentity
from workbench.api.testing import ExporterContract, PluginContract
from workbench_onnx.comparison import TOLERANCE
from workbench_onnx.exporter import OnnxExporter, write_together
from workbench_onnx.graphs import known_warnings_ignored
from workbench_onnx.settings import OnnxSettings
from workbench_onnx.verifier import OnnxVerifier
from workbench_onnx.voice_config import VoiceConfigError, complete_config

IDS = [1, 0, 20, 0, 35, 0, 120, 0, 14, 0, 2]
VOICE = VoiceIdentity(name="probe", language="ru", quality="tiny")


class TestPlugin(PluginContract):
    module = "workbench_onnx"


class TestExporter(ExporterContract):
    suffix: ClassVar[str] = ".onnx"

    @pytest.fixture
    def exporter(self) -> OnnxExporter:
        return OnnxExporter()

    @pytest.fixture
    def verifier(self) -> OnnxVerifier:
        return OnnxVerifier()

    @pytest.fixture
    def checkpoint(self, single: Exported) -> Path:
        return single.checkpoint

    @pytest.fixture
    def config(self) -> Mapping[str, Any]:
        return voice_config()


class Exported:
    """A checkpoint and what was exported from it."""

    def __init__(self, folder: Path, speakers: int) -> None:
        self.checkpoint = write_checkpoint(folder / "a.ckpt", speakers=speakers)
        (folder / "voices").mkdir()
        config = voice_config(speakers=speakers)
        self.files = OnnxExporter().export(self.checkpoint, config, VOICE, folder / "voices")
        self.graph = onnx.load(self.files[0])
        self.config = json.loads(self.files[1].read_text(encoding="utf-8"))
        self.speakers = speakers


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp("single"), 1)


@pytest.fixture(scope="module")
def multi(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp("multi"), 3)


def load(voice: Path) -> Any:
    """A session of onnxruntime, as any program would make it."""
    return onnxruntime.InferenceSession(str(voice), providers=["CPUExecutionProvider"])


def run(
    session: Any, ids: list[list[int]], scales: tuple[float, float, float], speaker: int | None = None
) -> NDArray[np.float32]:
    """Speak: audio [B, 1, 1, S]."""
    feed = {
        "input": np.array(ids, dtype=np.int64),
        "input_lengths": np.array([len(item) for item in ids], dtype=np.int64),
        "scales": np.array(scales, dtype=np.float32),
    }
    if speaker is not None:
        feed["sid"] = np.array([speaker], dtype=np.int64)
    audio: NDArray[np.float32] = session.run(["output"], feed)[0]
    return audio


# --- the file ---


def test_inputs_and_output_are_those_of_a_piper_voice(single: Exported, multi: Exported) -> None:
    int64, float32 = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
    for exported, names in ((single, []), (multi, ["sid"])):
        graph = exported.graph.graph
        inputs = [(item.name, item.type.tensor_type.elem_type) for item in graph.input]
        assert inputs == [("input", int64), ("input_lengths", int64), ("scales", float32), *((n, int64) for n in names)]
        assert [item.name for item in graph.output] == ["output"]
        assert len(graph.output[0].type.tensor_type.shape.dim) == 4
        assert [item.version for item in exported.graph.opset_import] == [15]


def test_the_durations_are_the_only_rounded_up_values_so_that_programs_find_them(single: Exported) -> None:
    # Piper's runtime gets the alignment of a voice by this node.
    assert sum(node.op_type == "Ceil" for node in single.graph.graph.node) == 1


def test_sherpa_onnx_finds_its_metadata(multi: Exported) -> None:
    metadata = {item.key: item.value for item in multi.graph.metadata_props}
    assert metadata["sample_rate"] == "22050"
    assert metadata["n_speakers"] == "3"
    assert metadata["language"] == "Russian"
    assert "piper" in metadata["comment"]
    assert metadata["voice"] == "ru"
    assert metadata["model_type"] == "vits"
    assert metadata["has_espeak"] == "1"


def test_the_json_has_all_that_runtimes_and_home_assistant_read(multi: Exported) -> None:
    config = multi.config
    assert config["audio"] == {"sample_rate": 22_050, "quality": "tiny"}
    assert config["espeak"] == {"voice": "ru"}
    assert config["language"] == {
        "code": "ru_RU",
        "family": "ru",
        "region": "RU",
        "name_native": "Русский",
        "name_english": "Russian",
        "country_english": "Russia",
    }
    assert config["inference"] == {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8}
    assert config["dataset"] == "probe"
    assert config["num_speakers"] == 3
    assert config["speaker_id_map"] == {"spk0": 0, "spk1": 1, "spk2": 2}
    assert config["phoneme_id_map"] == voice_config()["phoneme_id_map"]
    for name in ("phoneme_type", "phoneme_map", "num_symbols", "piper_version", "hop_length"):
        assert name in config


def test_fields_that_we_do_not_know_are_kept() -> None:
    model = tiny_model()
    config = {**voice_config(), "default_speaker_id": 0, "vowel_clusters": [["a", "ɪ"]]}
    completed = complete_config(config, VOICE, model)
    assert completed["default_speaker_id"] == 0
    assert completed["vowel_clusters"] == [["a", "ɪ"]]


@pytest.mark.parametrize(
    ("tag", "code", "english", "country"),
    [
        ("ru", "ru_RU", "Russian", "Russia"),
        ("en-GB", "en_GB", "English", "Great Britain"),
        ("en-us", "en_US", "English", "United States"),
        ("pt_BR", "pt_BR", "Portuguese", "Brazil"),
        ("zh-Hans-TW", "zh_TW", "Chinese", "Taiwan"),
        ("xx", "xx_XX", "xx", "XX"),
    ],
)
def test_a_language_is_described_by_its_tag(tag: str, code: str, english: str, country: str) -> None:
    block = language_block(tag)
    assert (block["code"], block["name_english"], block["country_english"]) == (code, english, country)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_speakers": 2}, "num_speakers = 2, the checkpoint has 1"),
        ({"num_symbols": 130}, "num_symbols = 130, the checkpoint has 256"),
        ({"phoneme_id_map": {"a": [256]}}, "goes up to id 256"),
        ({"audio": {}}, "sample_rate None"),
        ({"espeak": {}}, "names no espeak voice"),
        ({"phoneme_id_map": None}, "has no phoneme_id_map"),
    ],
)
def test_a_configuration_of_another_voice_is_refused(change: dict[str, Any], said: str) -> None:
    config = {key: value for key, value in {**voice_config(), **change}.items() if value is not None}
    with pytest.raises(VoiceConfigError, match=said):
        complete_config(config, VOICE, tiny_model())


def test_the_tokens_table_has_one_code_point_a_line_and_every_phoneme_of_the_voice(single: Exported) -> None:
    lines = single.files[2].read_text(encoding="utf-8").splitlines()
    assert "_ 0" in lines
    assert "  3" in lines  # the space
    assert all(len(line.rsplit(" ", 1)[0]) == 1 for line in lines)
    assert len(lines) == sum(len(symbol) == 1 for symbol in single.config["phoneme_id_map"])


def test_clusters_are_no_tokens_of_sherpa_onnx_and_the_verdict_says_so(single: Exported, tmp_path: Path) -> None:
    config = {**voice_config(), "vowel_clusters": [["a", "ɪ"]]}
    files = OnnxExporter().export(single.checkpoint, config, VOICE, tmp_path)
    symbols = {line.rpartition(" ")[0] for line in files[2].read_text(encoding="utf-8").splitlines()}
    assert "a" in symbols
    assert all(len(symbol) == 1 for symbol in symbols)
    verdict = OnnxVerifier().verify(single.checkpoint, files)
    assert verdict.accepted
    assert [(item.rule, item.severity) for item in verdict.findings[1:]] == [("onnx.clusters", Severity.WARNS)]
    assert len(OnnxVerifier().verify(single.checkpoint, single.files).findings) == 1


def test_without_tokens_there_are_two_files(single: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench_onnx.exporter.export_graph", lambda *_: b"what is in it does not matter here")
    exporter = OnnxExporter(OnnxSettings(tokens=False))
    files = exporter.export(single.checkpoint, voice_config(), VOICE, tmp_path)
    assert [path.name for path in files] == ["ru-probe-tiny.onnx", "ru-probe-tiny.onnx.json"]


# --- what it speaks ---


def test_noise_comes_anew_with_every_call(single: Exported) -> None:
    session = load(single.files[0])
    first, second = (run(session, [IDS], (0.667, 1.0, 0.0)) for _ in range(2))
    assert first.shape == second.shape
    assert np.abs(first - second).max() > 1e-3


def test_a_batch_speaks_what_each_of_its_texts_speaks_alone(single: Exported) -> None:
    texts = [IDS * 5, [1, 0, 40, 0, 61, 0, 22, 0, 90, 0, 2] * 5]
    session, quiet = load(single.files[0]), (0.0, 1.0, 0.0)
    alone = [run(session, [ids], quiet).reshape(-1) for ids in texts]
    together = run(session, texts, quiet)
    assert together.shape[:3] == (2, 1, 1)
    # Near the end of the shorter one the decoder sees padding where alone it would see nothing.
    for number, audio in enumerate(alone):
        checked = audio.size - 12 * 256
        assert checked > 4000
        np.testing.assert_allclose(together[number, 0, 0, :checked], audio[:checked], atol=1e-5)


def test_the_peers_checkpoint_becomes_the_voice_that_the_peer_makes_of_it(shared: Path, tmp_path: Path) -> None:
    folder = shared / "fixtures" / "run_minid_ms"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    files = OnnxExporter().export(folder / "last.ckpt", config, VOICE, tmp_path)
    ours, peers = load(files[0]), load(folder / "minid_ms.onnx")
    for speaker in (0, 1):
        for ids, length_scale in ((IDS, 1.0), (IDS * 4, 1.4)):
            wanted, audio = (run(session, [ids], (0.0, length_scale, 0.0), speaker) for session in (peers, ours))
            assert np.abs(wanted).max() > 0.01
            np.testing.assert_allclose(audio, wanted, rtol=0, atol=1e-6)


# --- warnings ---


def test_what_torch_says_on_every_export_is_not_heard_and_anything_else_is() -> None:
    # What is not ignored is an error in this test suite, so the first one would be raised.
    with known_warnings_ignored():
        warnings.warn("Constant folding - Only steps=1 can be constant folded for opset >= 10", stacklevel=1)
        with pytest.raises(UserWarning, match="something new"):
            warnings.warn("something new", stacklevel=1)


# --- half-written files ---


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_text("old")
    program = (
        "import resource, sys\nfrom pathlib import Path\nfrom workbench_onnx.exporter import write_together\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: write_together(Path(sys.argv[1]), {'a.onnx': b'x' * 50_000, 'a.onnx.json': b'y' * 200_000})\n"
        "except OSError as error: print(error.strerror)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "File too large"
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    assert (tmp_path / "a.onnx").read_text() == "old"


def test_the_main_file_is_the_last_to_take_its_name(tmp_path: Path) -> None:
    # A folder in the way of the JSON stops the writing there: a voice without its JSON must not appear.
    (tmp_path / "a.onnx.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_together(tmp_path, {"a.onnx": b"x", "a.onnx.json": b"y"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx.json"]


# --- the verifier ---


def test_the_verifier_accepts_every_speaker_and_says_how_large_the_difference_is(multi: Exported) -> None:
    verdict = OnnxVerifier().verify(multi.checkpoint, multi.files)
    assert verdict.accepted
    assert 0 < verdict.largest_difference < 1e-5
    (finding,) = verdict.findings
    assert finding.severity is Severity.OK
    assert finding.evidence["comparisons"] == 12
    assert f"{verdict.largest_difference:.1e}" in finding.message


def change_weights(part: str, factor: float = 1.01) -> Callable[[Any], None]:
    """Change one weight tensor of a part of the model."""

    def change(graph: Any) -> None:
        weights = [item for item in graph.graph.initializer if f".{part}." in item.name and len(item.dims) > 1]
        largest = max(weights, key=lambda item: int(np.prod(item.dims)))
        values = onnx.numpy_helper.to_array(largest)
        largest.CopyFrom(onnx.numpy_helper.from_array(values * np.float32(factor), largest.name))

    return change


def scale_noise(which: int) -> Callable[[Any], None]:
    """Make one source of noise louder; without noise nothing is different."""

    def change(graph: Any) -> None:
        node = [item for item in graph.graph.node if item.op_type == "RandomNormalLike"][which]
        name = node.output[0]
        node.output[0] = f"{name}_drawn"
        factor = onnx.numpy_helper.from_array(np.array(1.1, dtype=np.float32), f"{name}_factor")
        graph.graph.initializer.append(factor)
        product = onnx.helper.make_node("Mul", [node.output[0], factor.name], [name])
        graph.graph.node.insert(list(graph.graph.node).index(node) + 1, product)

    return change


def fix_the_seed(graph: Any) -> None:
    node = next(item for item in graph.graph.node if item.op_type == "RandomNormalLike")
    node.attribute.append(onnx.helper.make_attribute("seed", 1.0))


def silence_the_noise(graph: Any) -> None:
    node = next(item for item in graph.graph.node if item.op_type == "RandomNormalLike")
    kept = [item for item in node.attribute if item.name != "scale"]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute("scale", 0.5)])


def rename_an_input(graph: Any) -> None:
    for node in graph.graph.node:
        for index, name in enumerate(node.input):
            if name == "scales":
                node.input[index] = "scale"
    next(item for item in graph.graph.input if item.name == "scales").name = "scale"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(change_weights("dec"), "differs|samples", id="decoder weights"),
        pytest.param(change_weights("flow", 1.2), "differs|samples", id="flow weights"),
        pytest.param(change_weights("enc_p"), "differs|samples", id="text encoder weights"),
        pytest.param(change_weights("dp", 1.5), "samples|can't be run", id="duration weights"),
        pytest.param(scale_noise(0), "samples|can't be run", id="duration noise"),
        pytest.param(scale_noise(1), "differs", id="prior noise"),
        pytest.param(fix_the_seed, "not drawn anew", id="fixed seed"),
        pytest.param(silence_the_noise, "not drawn anew", id="quieter noise"),
        pytest.param(rename_an_input, "inputs are input, input_lengths, scale", id="renamed input"),
    ],
)
def test_a_changed_graph_is_rejected(
    single: Exported, tmp_path: Path, change: Callable[[Any], None], said: str
) -> None:
    graph = onnx.load(single.files[0])
    change(graph)
    onnx.save(graph, tmp_path / "voice.onnx")
    (tmp_path / "voice.onnx.json").write_bytes(single.files[1].read_bytes())
    verdict = OnnxVerifier().verify(single.checkpoint, [tmp_path / "voice.onnx", tmp_path / "voice.onnx.json"])
    assert not verdict.accepted
    (finding,) = verdict.findings
    assert finding.severity is Severity.BLOCKS
    assert any(part in finding.message for part in said.split("|")), finding.message
    assert verdict.largest_difference > TOLERANCE * 0.01


def test_the_voice_of_another_checkpoint_is_rejected_with_its_difference(single: Exported, tmp_path: Path) -> None:
    other = write_checkpoint(tmp_path / "other.ckpt", seed=7)
    verdict = OnnxVerifier().verify(other, single.files)
    assert not verdict.accepted
    assert verdict.findings[0].evidence["largest_difference"] == verdict.largest_difference


def test_the_json_of_another_voice_is_rejected(single: Exported, tmp_path: Path) -> None:
    for config, said in (
        ({**single.config, "num_symbols": 100}, "num_symbols = 100, the checkpoint has 256"),
        ([], "not a JSON object"),
    ):
        path = tmp_path / "voice.onnx.json"
        path.write_text(json.dumps(config))
        verdict = OnnxVerifier().verify(single.checkpoint, [single.files[0], path])
        assert not verdict.accepted
        assert said in verdict.findings[0].message
    assert not OnnxVerifier().verify(single.checkpoint, [single.files[0]]).accepted


def test_a_quiet_voice_does_not_pass_because_it_is_quiet(single: Exported, tmp_path: Path) -> None:
    # Both a hundred times quieter, and one of the two a thousandth off: far below 1e-4 of full scale.
    payload = load_checkpoint(single.checkpoint)
    last = "dec.conv_post.weight"
    payload["state_dict"][f"model_g.{last}"] *= 0.01
    save_atomic(tmp_path / "quiet.ckpt", payload)
    (tmp_path / "quiet.onnx.json").write_bytes(single.files[1].read_bytes())
    for factor, accepted in ((0.01, True), (0.01001, False)):
        graph = onnx.load(single.files[0])
        (weight,) = (item for item in graph.graph.initializer if item.name.endswith(last))
        values = onnx.numpy_helper.to_array(weight) * np.float32(factor)
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(graph, tmp_path / "quiet.onnx")
        files = [tmp_path / "quiet.onnx", tmp_path / "quiet.onnx.json"]
        verdict = OnnxVerifier().verify(tmp_path / "quiet.ckpt", files)
        assert verdict.accepted is accepted
        assert verdict.largest_difference < 1e-4


def test_torch_and_the_file_agree_on_a_sentence_of_its_own(single: Exported) -> None:
    """The verifier's word is not taken for it: the same comparison by hand, on other ids."""
    ids = [1, 0, *np.random.default_rng(5).integers(3, 150, 60).tolist(), 2]
    audio = run(load(single.files[0]), [ids], (0.0, 1.2, 0.0)).reshape(-1)
    generator = load_generator(single.checkpoint, fold=False)
    scales = Scales(noise_scale=0.0, length_scale=1.2, noise_w=0.0)
    with torch.no_grad():
        wanted = synthesize(generator, ids, scales=scales, seed=0)
    np.testing.assert_allclose(audio, wanted, rtol=0, atol=1e-5)
