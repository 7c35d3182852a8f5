"""One whole training step equals the one Piper recorded: every tensor, loss and gradient, and the optimizer step.

Tolerance 1e-5, relative to the largest value of a tensor and to each parameter's own gradient norm (on the processor
that recorded: at most 3e-6); masks, the alignment and slice positions are exactly equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from vits_parity import PeerRun, deviation, load_peer_run

from core_vits.config import LossWeights
from core_vits.discriminators import DiscriminatorOutput
from core_vits.losses import (
    DiscriminatorLosses,
    GeneratorLosses,
    Pair,
    TargetSegments,
    discriminator_losses,
    generator_losses,
    target_segments,
)
from core_vits.spectrogram import mel_from_linear, mel_spectrogram
from core_vits.synthesizer import TrainingOutput

TOLERANCE = 1e-5
# Processors add up in different orders: an AMD EPYC meets what an Intel recorded to 3.1e-5, Intels to 1e-5.
GRADIENT_TOLERANCE = 5e-5
# And where a value lies within rounding of zero, leaky ReLU then takes its other slope: 1e-8 instead of -1e-8 in one of
# 328,000 places changed gradients of that sub-discriminator by up to 2.6e-4.
FLIPPED_TOLERANCE = 1e-3
RUNS = ("minid", "minid_ms", "minid_mrd")


@dataclass(frozen=True, kw_only=True)
class Step:
    """A forward pass on the recorded batch and noise."""

    run: PeerRun
    output: TrainingOutput
    target: TargetSegments
    fake_mel_BML: Tensor
    waveform: Pair
    resolution: Pair | None
    generator: GeneratorLosses
    discriminator: DiscriminatorLosses


@pytest.fixture(scope="module", params=RUNS)
def step(request: pytest.FixtureRequest, shared: Path) -> Step:
    return _take_step(load_peer_run(shared, request.param))


def _take_step(run: PeerRun) -> Step:
    """Each discriminator judges recording and generated audio in passes of their own, as Piper does."""
    speakers = run.tensor("in_speaker_ids") if run.config.num_speakers > 1 else None
    output = run.synthesizer(
        run.tensor("in_phoneme_ids"),
        run.tensor("in_phoneme_lengths"),
        run.tensor("in_spectrograms"),
        run.tensor("in_spectrogram_lengths"),
        speakers,
        posterior_noise_BDF=run.tensor("noise_posterior"),
        duration_noise_B2T=run.tensor("noise_dp"),
        slice_uniform_B=run.tensor("rand_slice"),
    )
    target = target_segments(output, run.tensor("in_audios"), run.tensor("in_spectrograms"), run.config)
    fake_mel = mel_spectrogram(output.audio_B1S.squeeze(1), run.config.audio)

    def judge(audio_B1S: Tensor) -> tuple[Pair, Pair | None]:
        waveform = (run.waveform(target.audio_B1S), run.waveform(audio_B1S))
        if run.resolution is None:
            return waveform, None
        return waveform, (run.resolution(target.audio_B1S), run.resolution(audio_B1S))

    waveform, resolution = judge(output.audio_B1S)
    for_discriminator, for_resolution = judge(output.audio_B1S.detach())
    return Step(
        run=run,
        output=output,
        target=target,
        fake_mel_BML=fake_mel,
        waveform=waveform,
        resolution=resolution,
        generator=generator_losses(
            output,
            target.mel_BML,
            fake_mel,
            waveform=waveform,
            weights=LossWeights(),
            resolution=resolution,
        ),
        discriminator=discriminator_losses(waveform=for_discriminator, resolution=for_resolution),
    )


def _flat_logits(judged: DiscriminatorOutput) -> Tensor:
    return torch.cat([logit.flatten() for logit in judged.logits])


TENSORS: dict[str, Callable[[Step], Tensor]] = {
    "enc_p_x": lambda s: s.output.text_hidden_BHT,
    "enc_p_m": lambda s: s.output.text_mean_BDT,
    "enc_p_logs": lambda s: s.output.text_log_std_BDT,
    "enc_q_z": lambda s: s.output.posterior_BDF,
    "enc_q_m": lambda s: s.output.posterior_mean_BDF,
    "enc_q_logs": lambda s: s.output.posterior_log_std_BDF,
    "flow_in": lambda s: s.output.posterior_BDF,
    "flow_out": lambda s: s.output.prior_sample_BDF,
    "neg_cent": lambda s: s.output.score_BFT,
    "dp_out": lambda s: s.output.duration_loss_B * s.output.text_mask_B1T.sum(),
    "dec_in": lambda s: s.output.latent_segment_BDL,
    "dec_out": lambda s: s.output.audio_B1S,
    "mel_of_spec": lambda s: mel_from_linear(s.run.tensor("in_spectrograms"), s.run.config.audio),
    "mel_of_dec_out": lambda s: s.fake_mel_BML,
    "mpd_logits_real": lambda s: _flat_logits(s.waveform[0]),
    "mpd_logits_fake": lambda s: _flat_logits(s.waveform[1]),
    "loss_g": lambda s: s.generator.total,
    "loss_d": lambda s: s.discriminator.total,
    "metric_mel": lambda s: s.generator.mel,
    "metric_kl": lambda s: s.generator.kl,
    "metric_dur": lambda s: s.generator.duration,
    "metric_fm": lambda s: s.generator.feature,
    "metric_gen": lambda s: s.generator.generator,
    "metric_disc": lambda s: s.discriminator.discriminator,
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensor_of_the_forward_pass_is_the_recorded_one(step: Step, name: str) -> None:
    assert deviation(TENSORS[name](step), step.run.arrays[name]) < TOLERANCE


def test_masks_and_alignment_are_exactly_the_recorded_ones(step: Step) -> None:
    output, arrays = step.output, step.run.arrays
    assert np.array_equal(output.text_mask_B1T.numpy(), arrays["x_mask"])
    assert np.array_equal(output.frame_mask_B1F.numpy(), arrays["y_mask"])
    index = output.phoneme_of_frame_BF
    dense = functional.one_hot(index.clamp_min(0), arrays["attn"].shape[2]) * (index >= 0).unsqueeze(2)
    assert np.array_equal(dense.numpy(), arrays["attn"])
    assert np.array_equal(output.durations_BT.numpy(), arrays["attn"].sum(1))


def test_real_segments_are_cut_where_the_latent_was(step: Step) -> None:
    run, starts = step.run, step.output.slice_starts_B.tolist()
    lengths = run.arrays["in_spectrogram_lengths"]
    assert starts == [int(u * (n - 32 + 1)) for u, n in zip(run.arrays["rand_slice"], lengths, strict=True)]
    for item, start in enumerate(starts):
        recorded = run.arrays["in_audios"][item, :, start * 256 : start * 256 + 8192]
        assert np.array_equal(step.target.audio_B1S[item].numpy(), recorded)
        mel = run.arrays["mel_of_spec"][item, :, start : start + 32]
        assert deviation(step.target.mel_BML[item], mel) < TOLERANCE


def test_losses_of_the_multi_resolution_discriminator_are_the_recorded_ones(shared: Path) -> None:
    step = _take_step(load_peer_run(shared, "minid_mrd"))
    assert step.resolution is not None
    ours = {
        "mrd_logits_real": _flat_logits(step.resolution[0]),
        "mrd_logits_fake": _flat_logits(step.resolution[1]),
        "metric_mrd_gen": step.generator.resolution_generator,
        "metric_mrd_fm": step.generator.resolution_feature,
        "metric_mrd_disc": step.discriminator.resolution,
    }
    for name, value in ours.items():
        assert value is not None
        assert deviation(value, step.run.arrays[name]) < TOLERANCE, name


def _norms(parameters: list[torch.nn.Parameter]) -> NDArray[np.float64]:
    return np.array([0.0 if p.grad is None else p.grad.double().norm().item() for p in parameters])


def _sum_and_norm(parameters: list[torch.nn.Parameter]) -> NDArray[np.float64]:
    values = [p.detach().double() for p in parameters]
    return np.array([[v.sum().item(), v.norm().item()] for v in values])


@pytest.mark.parametrize("name", RUNS)
def test_gradients_and_the_optimizer_step_are_the_recorded_ones(shared: Path, name: str) -> None:
    step = _take_step(load_peer_run(shared, name))
    run, arrays = step.run, step.run.arrays
    judges = [run.waveform, *([run.resolution] if run.resolution is not None else [])]
    parameters_g = list(run.synthesizer.parameters())
    parameters_d = [parameter for judge in judges for parameter in judge.parameters()]
    parts = [
        f"{place}.{name.split('.')[1]}" for place, judge in enumerate(judges) for name, _ in judge.named_parameters()
    ]
    optimizer_g, optimizer_d = torch.optim.AdamW(parameters_g), torch.optim.AdamW(parameters_d)
    optimizer_g.load_state_dict(run.checkpoint["optimizer_states"][0])
    optimizer_d.load_state_dict(run.checkpoint["optimizer_states"][1])
    rates = [optimizer.param_groups[0]["lr"] for optimizer in (optimizer_g, optimizer_d)]
    assert rates == arrays["lr_in_optimizers"].tolist()

    optimizer_g.zero_grad()
    step.generator.total.backward()
    gradient_g = _norms(parameters_g)
    optimizer_g.step()
    optimizer_d.zero_grad()
    step.discriminator.total.backward()
    gradient_d = _norms(parameters_d)
    optimizer_d.step()

    # Adding a constant to all keys does not change a softmax: the gradient of the keys' bias is zero, what is
    # recorded is rounding, and Adam scales that up to steps of the size of the learning rate.
    names = [key for key, _ in run.synthesizer.named_parameters()]
    noise = np.array([key.endswith("conv_k.bias") for key in names])
    assert gradient_g[noise].max() < 1e-6

    _assert_small(_ratios(gradient_g[~noise], arrays["grad_norm_g"][~noise]))
    _assert_small(_ratios(gradient_d, arrays["grad_norm_d"]), parts)
    after_g, recorded_g = _sum_and_norm(parameters_g), arrays["after_step_g_sum_norm"]
    after_d, recorded_d = _sum_and_norm(parameters_d), arrays["after_step_d_sum_norm"]
    _assert_small(_steps(after_g[~noise], recorded_g[~noise]))
    assert np.abs(after_g[noise] - recorded_g[noise]).max() < 2 * rates[0] * run.config.hidden_channels
    _assert_small(_steps(after_d, recorded_d), parts)
    steps = [optimizer.state[group[0]]["step"] for optimizer, group in
             ((optimizer_g, parameters_g), (optimizer_d, parameters_d))]  # fmt: skip
    assert [float(count) for count in steps] == arrays["adam_step_after"].tolist()


def _ratios(ours: NDArray[np.float64], recorded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences relative to each parameter's own recorded value."""
    return np.abs(ours - recorded) / np.maximum(recorded, 1e-30)


def _steps(ours: NDArray[np.float64], recorded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Larger difference of sum and norm relative to each parameter's recorded norm."""
    return np.abs(ours - recorded).max(1) / np.maximum(recorded[:, 1], 1e-30)


def _assert_small(differences: NDArray[np.float64], parts: Sequence[str] = ()) -> None:
    """Of nearly all parameters as small as of tensors; a few gradients are sums in which most cancels out.

    Args:
        differences: of each parameter.
        parts: sub-discriminator of each parameter; in one of them another slope may have been taken.
    """
    assert differences.max() < (FLIPPED_TOLERANCE if parts else GRADIENT_TOLERANCE)
    flipped = parts[int(differences.argmax())] if parts and differences.max() > GRADIENT_TOLERANCE else None
    others = differences[[part != flipped for part in parts]] if parts else differences
    assert np.quantile(others, 0.98) < TOLERANCE
    assert others.max() < GRADIENT_TOLERANCE
