"""The model at work: every variant, odd lengths, tracing, and what a training step must not do."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from vits_batch import Model, make_batch

from core_vits.align import AlignmentError
from core_vits.config import PRESETS, ModelConfig
from core_vits.synthesizer import Synthesizer

TINY = PRESETS["tiny"]
VARIANTS: dict[str, ModelConfig] = {
    "tiny": TINY,
    "several speakers": replace(TINY, num_speakers=3, gin_channels=8),
    "plain durations": replace(TINY, use_sdp=False),
    "plain durations, several speakers": replace(TINY, use_sdp=False, num_speakers=2, gin_channels=8),
    "spectral norm": replace(TINY, use_spectral_norm=True),
    "multi-resolution": replace(TINY, use_mrd=True),
    "resblock 1": replace(TINY, resblock="1", resblock_dilation_sizes=((1, 3, 5),)),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_gives_finite_losses_and_a_gradient_for_every_parameter(name: str) -> None:
    config = VARIANTS[name]
    model = Model(config)
    batch = make_batch(config, frames=[60, 40, 25], texts=[20, 11, 7])
    generator, discriminator = model.losses(batch)
    generator.total.backward()
    missing = [key for key, p in model.synthesizer.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert missing == []
    judges: list[nn.Module] = [model.waveform, *([model.resolution] if model.resolution else [])]
    for judge in judges:
        judge.zero_grad()
    discriminator.total.backward()
    for judge in judges:
        assert [key for key, p in judge.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert torch.isfinite(generator.total)
    assert torch.isfinite(discriminator.total)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_speaks(name: str) -> None:
    config = VARIANTS[name]
    model = Synthesizer(config).eval()
    ids, lengths = torch.randint(1, 100, (2, 9)), torch.tensor([9, 6])
    speakers = torch.tensor([0, 1]) if config.num_speakers > 1 else None
    with torch.no_grad():
        spoken = model.infer(ids, lengths, speaker_ids_B=speakers)
    frames = spoken.durations_B1T.sum((1, 2)).clamp_min(1)
    assert spoken.audio_B1S.shape == (2, 1, int(frames.max()) * 256)
    assert spoken.frame_mask_B1F.sum((1, 2)).tolist() == frames.tolist()
    assert not spoken.durations_B1T[1, 0, 6:].any()
    assert spoken.audio_B1S.abs().max() <= 1.0


@pytest.mark.parametrize(("frames", "texts"), [([5], [3]), ([15, 9, 2], [4, 9, 2]), ([31, 31], [31, 2]), ([16], [16])])
def test_utterances_shorter_than_a_segment_train(frames: list[int], texts: list[int]) -> None:
    model = Model(PRESETS["tiny"])
    batch = make_batch(model.config, frames=frames, texts=texts)
    generator, discriminator = model.losses(batch)
    (generator.total + discriminator.total).backward()
    assert torch.isfinite(generator.total)
    assert torch.isfinite(discriminator.total)


def test_a_short_utterance_is_compared_with_silence_behind_its_end() -> None:
    model = Model(replace(TINY, segment_size=8192))
    batch = make_batch(model.config, frames=[10], texts=[4])
    output = model.forward(batch)
    assert output.audio_B1S.shape == (1, 1, 8192)
    assert output.frame_mask_B1F.tolist() == [[[1.0] * 10 + [0.0] * 22]]
    assert not output.latent_segment_BDL[:, :, 10:].any()
    assert output.durations_BT.sum() == 10


def test_padding_of_the_batch_does_not_change_an_utterance() -> None:
    model = Model(TINY)
    model.synthesizer.eval()
    alone = make_batch(TINY, frames=[40], texts=[12])
    beside = make_batch(TINY, frames=[40, 70], texts=[12, 30])
    noise, dp_noise = torch.randn(1, TINY.inter_channels, 70), torch.randn(1, 2, 30)
    fixed: dict[str, Any] = {"slice_uniform_B": torch.zeros(1)}
    one = model.synthesizer(
        alone.ids_BT, alone.text_lengths_B, alone.spectrogram_BNF, alone.frame_lengths_B,
        posterior_noise_BDF=noise[:, :, :40], duration_noise_B2T=dp_noise[:, :, :12], **fixed,
    )  # fmt: skip
    two = model.synthesizer(
        beside.ids_BT, beside.text_lengths_B, beside.spectrogram_BNF, beside.frame_lengths_B,
        posterior_noise_BDF=noise.expand(2, -1, -1), duration_noise_B2T=dp_noise.expand(2, -1, -1),
        slice_uniform_B=torch.zeros(2),
    )  # fmt: skip
    assert torch.equal(two.phoneme_of_frame_BF[0, :40], one.phoneme_of_frame_BF[0])
    assert torch.allclose(two.prior_sample_BDF[0, :, :40], one.prior_sample_BDF[0], atol=1e-5)
    assert torch.allclose(two.prior_mean_BDF[0, :, :40], one.prior_mean_BDF[0], atol=1e-5)
    assert torch.allclose(two.audio_B1S[0], one.audio_B1S[0], atol=1e-5)
    # The duration loss is shared out over the phonemes of the whole batch.
    assert torch.allclose(two.duration_loss_B[0] * 42, one.duration_loss_B[0] * 12, rtol=1e-4)
    assert not two.prior_mean_BDF[0, :, 40:].any()


def test_more_phonemes_than_frames_is_an_error_that_names_the_utterance() -> None:
    model = Model(TINY)
    batch = make_batch(TINY, frames=[40, 8], texts=[12, 9])
    with pytest.raises(AlignmentError, match="utterance 1"):
        model.forward(batch)


def test_a_model_of_several_speakers_asks_for_the_speaker() -> None:
    model = Synthesizer(VARIANTS["several speakers"])
    with pytest.raises(ValueError, match="Pass speaker_ids_B"):
        model.infer(torch.ones(1, 3, dtype=torch.int64), torch.tensor([3]))


def test_speakers_sound_different_and_one_id_serves_a_whole_batch() -> None:
    model = Synthesizer(VARIANTS["several speakers"]).eval()
    ids, lengths = torch.randint(1, 100, (2, 9)), torch.tensor([9, 9])
    with torch.no_grad():
        one = model.infer(ids, lengths, 0.0, 1.0, 0.0, torch.tensor([2]))
        each = model.infer(ids, lengths, 0.0, 1.0, 0.0, torch.tensor([2, 2]))
        other = model.infer(ids, lengths, 0.0, 1.0, 0.0, torch.tensor([0]))
    assert torch.allclose(one.audio_B1S, each.audio_B1S, atol=1e-6)
    size = min(one.audio_B1S.shape[2], other.audio_B1S.shape[2])
    assert not torch.allclose(one.audio_B1S[..., :size], other.audio_B1S[..., :size], atol=1e-4)


def test_length_scale_stretches_every_phoneme() -> None:
    model = Synthesizer(TINY).eval()
    ids, lengths = torch.randint(1, 100, (1, 12)), torch.tensor([12])
    with torch.no_grad():
        normal = model.infer(ids, lengths, 0.0, 1.0, 0.0)
        slow = model.infer(ids, lengths, 0.0, 3.0, 0.0)
    assert torch.equal(slow.durations_B1T, (normal.log_durations_B1T.exp() * 3.0).ceil())


class _CountWaits(TorchDispatchMode):
    """Collects operations that would make the host wait for a device."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "item")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in self.WAITING:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["tiny", "several speakers", "plain durations", "multi-resolution"])
def test_a_training_step_never_waits_for_a_value(name: str) -> None:
    model = Model(VARIANTS[name])
    batch = make_batch(model.config, frames=[60, 25], texts=[20, 7])
    model.losses(batch)
    with _CountWaits() as waits:
        generator, discriminator = model.losses(batch)
        generator.total.backward()
        discriminator.total.backward()
    assert waits.seen == []


def test_bfloat16_autocast_trains_with_the_same_alignment_block_in_float32() -> None:
    model = Model(TINY)
    batch = make_batch(TINY, frames=[60, 25], texts=[20, 7])
    with torch.autocast("cpu", torch.bfloat16):
        output = model.forward(batch)
        generator, discriminator = model.losses(batch)
    assert output.score_BFT.dtype == output.duration_loss_B.dtype == torch.float32
    assert generator.total.dtype == discriminator.total.dtype == torch.float32
    generator.total.backward()
    assert torch.isfinite(generator.total)


class _Exported(nn.Module):
    """The interface of Piper's ONNX files."""

    def __init__(self, model: Synthesizer) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, lengths: Tensor, scales: Tensor, speaker: Tensor | None = None) -> Tensor:
        return self.model.infer(ids, lengths, scales[0], scales[1], scales[2], speaker).audio_B1S


@pytest.mark.parametrize("name", ["tiny", "several speakers", "plain durations"])
def test_inference_traces_to_onnx_and_says_the_same_for_other_lengths(name: str) -> None:
    config = VARIANTS[name]
    torch.manual_seed(6)
    model = Synthesizer(config).eval()
    model.fold_weight_norm()
    speaker = (torch.tensor([1]),) if config.num_speakers > 1 else ()
    names = ["input", "input_lengths", "scales", "sid"][: 3 + len(speaker)]
    buffer = io.BytesIO()
    # The exporter sets the mode of what it is given, and back again, all the way down.
    exported = _Exported(model).eval()
    example = (torch.randint(1, 100, (1, 30)), torch.tensor([30]), torch.tensor([0.5, 1.0, 0.5]), *speaker)
    with warnings.catch_warnings():
        # What the exporter says about itself; a warning of the tracer about our code stays an error.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding", UserWarning)
        torch.onnx.export(
            exported, example, buffer, opset_version=15, dynamo=False, input_names=names,
            output_names=["output"],
            dynamic_axes={"input": {0: "b", 1: "t"}, "input_lengths": {0: "b"}, "output": {0: "b", 2: "s"}},
        )  # fmt: skip
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    for lengths in ([11], [30], [47, 20]):
        ids, scales = torch.randint(1, 100, (len(lengths), max(lengths))), torch.tensor([0.0, 1.3, 0.0])
        inputs = (ids, torch.tensor(lengths), scales, *speaker)
        spoken = session.run(None, {key: value.numpy() for key, value in zip(names, inputs, strict=True)})[0]
        with torch.no_grad():
            expected = exported(*inputs).numpy()
        assert spoken.shape == expected.shape
        assert np.abs(spoken - expected).max() < 1e-5
