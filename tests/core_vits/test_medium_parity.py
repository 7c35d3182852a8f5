"""The full-width default model with weights made by a formula gives what Piper's gives.

Tolerance 1e-5 of the largest value of a tensor (measured: at most 5e-7 for tensors, 2e-6 for the duration loss).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from vits_parity import deviation, fill_by_formula, read_arrays

from core_vits.config import PRESETS
from core_vits.discriminators import DiscriminatorOutput, MultiResolutionDiscriminator, WaveformDiscriminator
from core_vits.losses import discriminator_loss, feature_loss, generator_loss, kl_loss
from core_vits.synthesizer import Synthesizer

TOLERANCE = 1e-5
MEDIUM = PRESETS["medium"]

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def arrays(shared: Path) -> Arrays:
    return read_arrays(shared / "fixtures/parity/formula_medium.npz")


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    model = Synthesizer(MEDIUM).eval()
    fill_by_formula(model, "model_g.")
    return model


def _tensor(arrays: Arrays, name: str) -> Tensor:
    return torch.from_numpy(arrays[name])


def test_training_forward_of_medium_is_the_recorded_one(arrays: Arrays, synthesizer: Synthesizer) -> None:
    with torch.no_grad():
        output = synthesizer(
            _tensor(arrays, "in_x"),
            _tensor(arrays, "in_xl"),
            _tensor(arrays, "in_spec"),
            _tensor(arrays, "in_yl"),
            posterior_noise_BDF=_tensor(arrays, "noise_posterior"),
            duration_noise_B2T=_tensor(arrays, "noise_dp"),
            slice_uniform_B=_tensor(arrays, "rand_slice"),
        )
        back = synthesizer.flow(_tensor(arrays, "flow_out"), output.frame_mask_B1F, None, reverse=True)
    ours = {
        "enc_p_x": output.text_hidden_BHT,
        "enc_p_m": output.text_mean_BDT,
        "enc_p_logs": output.text_log_std_BDT,
        "enc_q_z": output.posterior_BDF,
        "enc_q_m": output.posterior_mean_BDF,
        "enc_q_logs": output.posterior_log_std_BDF,
        "flow_out": output.prior_sample_BDF,
        "flow_reverse_of_flow_out": back,
        "neg_cent": output.score_BFT,
        "expanded_m_p": output.prior_mean_BDF,
        "l_length": output.duration_loss_B,
        "dp_out": output.duration_loss_B * output.text_mask_B1T.sum(),
        "dec_in": output.latent_segment_BDL,
        "dec_out": output.audio_B1S,
        "kl": kl_loss(output),
    }
    apart = {name: deviation(value, arrays[name]) for name, value in ours.items()}
    assert max(apart.values()) < TOLERANCE, apart
    assert np.array_equal(output.slice_starts_B.numpy(), arrays["ids_slice"])
    index = output.phoneme_of_frame_BF
    dense = functional.one_hot(index.clamp_min(0), arrays["attn"].shape[2]) * (index >= 0).unsqueeze(2)
    assert np.array_equal(dense.numpy(), arrays["attn"])


def test_inference_of_medium_is_the_recorded_one(arrays: Arrays, synthesizer: Synthesizer) -> None:
    ids_BT = _tensor(arrays, "infer_ids").unsqueeze(0)
    noise_scale, length_scale, noise_scale_w = _tensor(arrays, "infer_scales")
    with torch.no_grad():
        spoken = synthesizer.infer(
            ids_BT,
            torch.tensor([ids_BT.shape[1]]),
            noise_scale,
            length_scale,
            noise_scale_w,
            duration_noise_B2T=_tensor(arrays, "infer_noise_dp"),
            prior_noise_BDF=_tensor(arrays, "infer_noise_z"),
        )
    assert np.array_equal(spoken.durations_B1T.squeeze(1).numpy(), arrays["infer_w_ceil"])
    ours = {
        "infer_logw": spoken.log_durations_B1T,
        "infer_m_p": spoken.prior_mean_BDF,
        "infer_z_p": spoken.prior_sample_BDF,
        "infer_z": spoken.latent_BDF,
        "infer_audio": spoken.audio_B1S,
    }
    apart = {name: deviation(value, arrays[name]) for name, value in ours.items()}
    assert max(apart.values()) < TOLERANCE, apart


@pytest.mark.parametrize("kind", ["mpd", "mrd"])
def test_full_width_discriminator_judges_as_recorded(arrays: Arrays, kind: str) -> None:
    judge: nn.Module = WaveformDiscriminator(MEDIUM) if kind == "mpd" else MultiResolutionDiscriminator()
    fill_by_formula(judge, "model_d." if kind == "mpd" else "model_mrd.")
    with torch.no_grad():
        judged: dict[str, DiscriminatorOutput] = {
            "real": judge(_tensor(arrays, "in_y")),
            "fake": judge(_tensor(arrays, "in_y_hat")),
        }
    for side, output in judged.items():
        for number, logits in enumerate(output.logits):
            assert deviation(logits, arrays[f"{kind}{number}_{side}"]) < TOLERANCE
        maps = [feature.double() for layers in output.features for feature in layers]
        statistics = np.array([[m.abs().mean().item(), m.square().mean().sqrt().item()] for m in maps])
        recorded = arrays[f"{kind}_fmap_absmean_rms_{side}"]
        assert (np.abs(statistics / recorded - 1.0)).max() < TOLERANCE
    real, fake = judged["real"], judged["fake"]
    losses = {
        "feature": feature_loss(real.features, fake.features),
        "generator": generator_loss(fake.logits),
        "discriminator": discriminator_loss(real.logits, fake.logits),
    }
    for name, loss in losses.items():
        assert deviation(loss, arrays[f"{kind}_{name}_loss"]) < TOLERANCE
