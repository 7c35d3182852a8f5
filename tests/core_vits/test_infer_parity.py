"""Inference from recorded noise equals Piper's: same durations, same audio.

Tolerance 1e-5 of the largest value (measured: equal, or 2e-7); for log durations 1e-5 absolute, since that is the
relative error of the duration (measured: 3e-7).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from vits_parity import PeerRun, deviation, load_peer_run

from core_vits.synthesizer import InferenceOutput

TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=["minid", "minid_ms", "minid_mrd"])
def run(request: pytest.FixtureRequest, shared: Path) -> PeerRun:
    return load_peer_run(shared, request.param)


def _speak(run: PeerRun, case: str) -> InferenceOutput:
    ids_BT = run.tensor(f"infer_{case}_ids").unsqueeze(0)
    noise_scale, length_scale, noise_scale_w = run.tensor(f"infer_{case}_scales")
    with torch.no_grad():
        return run.synthesizer.infer(
            ids_BT,
            torch.tensor([ids_BT.shape[1]]),
            noise_scale,
            length_scale,
            noise_scale_w,
            torch.tensor([1]) if run.config.num_speakers > 1 else None,
            duration_noise_B2T=run.tensor(f"infer_{case}_noise_dp"),
            prior_noise_BDF=run.tensor(f"infer_{case}_noise_z"),
        )


@pytest.mark.parametrize("case", ["default", "zero", "slow"])
def test_inference_from_recorded_noise_gives_the_recorded_audio(run: PeerRun, case: str) -> None:
    spoken = _speak(run, case)
    recorded = {name: run.arrays[f"infer_{case}_{name}"] for name in ("logw", "w_ceil", "m_p", "z_p", "z", "audio")}
    assert np.abs(spoken.log_durations_B1T.numpy() - recorded["logw"]).max() < TOLERANCE
    assert np.array_equal(spoken.durations_B1T.squeeze(1).numpy(), recorded["w_ceil"])
    assert deviation(spoken.prior_mean_BDF, recorded["m_p"]) < TOLERANCE
    assert deviation(spoken.prior_sample_BDF, recorded["z_p"]) < TOLERANCE
    assert deviation(spoken.latent_BDF, recorded["z"]) < TOLERANCE
    assert deviation(spoken.audio_B1S, recorded["audio"]) < TOLERANCE


def test_folding_weight_norm_leaves_the_audio_as_it_was(shared: Path) -> None:
    run = load_peer_run(shared, "minid_ms")
    run.synthesizer.fold_weight_norm()
    assert not [key for key in run.synthesizer.state_dict() if key.endswith(("weight_g", "weight_v"))]
    assert deviation(_speak(run, "default").audio_B1S, run.arrays["infer_default_audio"]) < TOLERANCE
