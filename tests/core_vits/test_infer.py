"""From a checkpoint to sound, and the generator as other programs call it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_voice import write_checkpoint

from core_vits.checkpoint import load_checkpoint, save_atomic
from core_vits.errors import CheckpointFileError
from core_vits.exportable import ExportableGenerator
from core_vits.infer import Scales, SpeechError, load_generator, synthesize, to_int16
from core_vits.synthesizer import Synthesizer

IDS = [1, 0, 20, 0, 35, 0, 120, 0, 14, 0, 2]
QUIET = Scales(noise_scale=0.0, noise_w=0.0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("voice") / "a.ckpt")


@pytest.fixture(scope="module")
def generator(checkpoint: Path) -> Synthesizer:
    return load_generator(checkpoint)


@pytest.fixture(scope="module")
def two_speakers(tmp_path_factory: pytest.TempPathFactory) -> Synthesizer:
    return load_generator(write_checkpoint(tmp_path_factory.mktemp("voice") / "b.ckpt", speakers=2))


def spoiled(checkpoint: Path, path: Path, **changes: torch.Tensor | None) -> Path:
    """A copy of a checkpoint with some tensors of the generator changed, or removed when None."""
    payload = load_checkpoint(checkpoint)
    for name, value in changes.items():
        key = f"model_g.{name.replace('__', '.')}"
        if value is None:
            del payload["state_dict"][key]
        else:
            payload["state_dict"][key] = value
    save_atomic(path, payload)
    return path


def test_the_same_seed_speaks_the_same_samples_and_another_does_not(generator: Synthesizer) -> None:
    first, again, other = (synthesize(generator, IDS, seed=seed) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    assert first.ndim == 1
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_speaking_leaves_the_random_state_of_torch_as_it_was(generator: Synthesizer) -> None:
    before = torch.random.get_rng_state()
    synthesize(generator, IDS, seed=5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_length_scale_stretches_the_sentence(generator: Synthesizer) -> None:
    lengths = [
        synthesize(generator, IDS * 4, scales=Scales(noise_w=0.0, length_scale=scale), seed=1).size
        for scale in (0.5, 1.0, 2.0)
    ]
    assert lengths[0] < lengths[1] < lengths[2]
    assert lengths[2] / lengths[1] == pytest.approx(2.0, rel=0.3)


def test_folding_the_weight_norm_changes_no_more_than_rounding(checkpoint: Path, generator: Synthesizer) -> None:
    as_stored = load_generator(checkpoint, fold=False)
    assert any(name.endswith("weight_g") for name in as_stored.state_dict())
    assert not any(name.endswith("weight_g") for name in generator.state_dict())
    difference = np.abs(synthesize(as_stored, IDS, seed=3) - synthesize(generator, IDS, seed=3))
    assert difference.max() < 1e-5


def test_speakers_differ_and_the_first_one_speaks_unless_another_is_asked_for(two_speakers: Synthesizer) -> None:
    unnamed, first, second = (
        synthesize(two_speakers, IDS, scales=QUIET, speaker=speaker, seed=1) for speaker in (None, 0, 1)
    )
    np.testing.assert_array_equal(unnamed, first)
    assert first.shape != second.shape or np.abs(first - second).max() > 1e-3


def test_what_a_voice_can_not_speak_is_one_clear_line(generator: Synthesizer, two_speakers: Synthesizer) -> None:
    with pytest.raises(SpeechError, match="there is nothing to speak"):
        synthesize(generator, [], seed=1)
    with pytest.raises(SpeechError, match="phoneme id 256 is outside the voice's table of 256 symbols"):
        synthesize(generator, [1, 256, 2], seed=1)
    with pytest.raises(SpeechError, match="phoneme id -1"):
        synthesize(generator, [1, -1, 2], seed=1)
    with pytest.raises(SpeechError, match="no speaker 2; the voice has 2"):
        synthesize(two_speakers, IDS, speaker=2, seed=1)
    with pytest.raises(SpeechError, match="no speaker 1; the voice has 1"):
        synthesize(generator, IDS, speaker=1, seed=1)


@pytest.mark.parametrize("scales", [{"length_scale": 0.0}, {"noise_scale": -0.1}, {"noise_w": float("nan")}])
def test_scales_that_make_no_sense_are_refused(scales: dict[str, float]) -> None:
    with pytest.raises(SpeechError, match=f"{next(iter(scales))} is"):
        Scales(**scales)


def test_scales_come_from_the_configuration_unless_given() -> None:
    config = {"inference": {"noise_scale": 0.1, "length_scale": 1.2, "phoneme_silence": {}}}
    assert Scales.from_config(config, length_scale=0.9, noise_w=None) == Scales(
        noise_scale=0.1, length_scale=0.9, noise_w=0.8
    )
    assert Scales.from_config({}) == Scales()


def test_a_checkpoint_that_diverged_is_refused_by_the_name_of_the_tensor(checkpoint: Path, tmp_path: Path) -> None:
    shape = load_checkpoint(checkpoint)["state_dict"]["model_g.dec.conv_post.weight"].shape
    broken = spoiled(checkpoint, tmp_path / "x.ckpt", dec__conv_post__weight=torch.full(shape, float("nan")))
    with pytest.raises(CheckpointFileError, match=r"dec\.conv_post\.weight are not finite"):
        load_generator(broken)


def test_a_checkpoint_with_a_tensor_missing_is_refused_in_one_line(checkpoint: Path, tmp_path: Path) -> None:
    broken = spoiled(checkpoint, tmp_path / "x.ckpt", flow__flows__0__pre__weight=None)
    with pytest.raises(CheckpointFileError, match=r"flow\.flows\.0\.pre\.weight") as caught:
        load_generator(broken)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_without_a_generator_is_refused(tmp_path: Path) -> None:
    save_atomic(tmp_path / "x.ckpt", {"state_dict": {"model_d.x": torch.zeros(1)}})
    with pytest.raises(CheckpointFileError, match="not a Piper model"):
        load_generator(tmp_path / "x.ckpt")


def test_the_exportable_generator_speaks_as_synthesize_does(two_speakers: Synthesizer) -> None:
    model = ExportableGenerator(two_speakers)
    assert model.input_names == ["input", "input_lengths", "scales", "sid"]
    scales = torch.tensor([0.0, 1.0, 0.0])
    audio = model(torch.tensor([IDS]), torch.tensor([len(IDS)]), scales, torch.tensor([1]))
    assert audio.shape[:3] == (1, 1, 1)
    wanted = synthesize(two_speakers, IDS, scales=QUIET, speaker=1, seed=0)
    np.testing.assert_allclose(audio.numpy().reshape(-1), wanted, atol=1e-6)


@pytest.mark.parametrize(("gain", "peak"), [(1.0, 32767), (0.1, 32767), (0.005, 16384), (0.0, 0)])
def test_a_sentence_is_brought_to_full_scale_but_silence_stays_silence(gain: float, peak: int) -> None:
    audio = np.sin(np.linspace(0, 20, 1000, dtype=np.float32)) * np.float32(gain / 0.99999)
    assert np.abs(to_int16(audio).astype(int)).max() == pytest.approx(peak, abs=2)


def test_without_normalising_the_level_is_the_voices_own_and_too_loud_is_clipped() -> None:
    audio = np.array([0.5, -0.25, 1.5, -1.5], dtype=np.float32)
    assert to_int16(audio, normalize=False).tolist() == [16384, -8192, 32767, -32768]


@pytest.mark.parametrize(("run", "speakers"), [("minid", 1), ("minid_ms", 2), ("minid_mrd", 1)])
def test_the_peers_checkpoint_speaks_as_the_peers_own_export(shared: Path, run: str, speakers: int) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    folder = shared / "fixtures" / f"run_{run}"
    session = onnxruntime.InferenceSession(str(folder / f"{run}.onnx"), providers=["CPUExecutionProvider"])
    generator = load_generator(folder / "last.ckpt")
    for speaker in range(speakers):
        for length_scale in (1.0, 1.4):
            feed = {
                "input": np.array([IDS]),
                "input_lengths": np.array([len(IDS)]),
                "scales": np.array([0.0, length_scale, 0.0], dtype=np.float32),
            }
            if speakers > 1:
                feed["sid"] = np.array([speaker])
            wanted = session.run(None, feed)[0].reshape(-1)
            scales = Scales(noise_scale=0.0, noise_w=0.0, length_scale=length_scale)
            audio = synthesize(generator, IDS, scales=scales, speaker=speaker, seed=0)
            assert np.abs(wanted).max() > 0.01
            np.testing.assert_allclose(audio, wanted, rtol=0, atol=1e-6)
