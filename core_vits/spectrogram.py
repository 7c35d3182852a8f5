"""Linear and mel spectrograms exactly as Piper computes them.

Legend: S samples, F frames, N frequency bins, M mel bands; … stands for any leading axes.
All results are float32, also inside an autocast region.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from core_vits.config import AudioConfig
from core_vits.layers.precision import full_precision

# Added under the square root, where the gradient of a silent bin would be infinite.
POWER_FLOOR = 1e-6
MEL_FLOOR = 1e-5


def linear_spectrogram(audio: Tensor, config: AudioConfig) -> Tensor:
    """Magnitudes of the short-time Fourier transform with a periodic Hann window.

    The signal is reflected by (filter_length - hop_length) / 2 samples on both sides, so that F = S // hop_length.

    Args:
        audio: […, S] in -1 … 1.
        config: window, FFT and hop size.

    Returns:
        […, N, F], never negative.

    Raises:
        ValueError: if the audio is too short to be reflected.
    """
    padding = (config.filter_length - config.hop_length) // 2
    samples = audio.shape[-1]
    if samples <= padding:
        raise ValueError(
            f"audio of {samples} samples is too short for a spectrogram with filter_length "
            f"{config.filter_length}; it needs more than {padding} samples. Leave the clip out."
        )
    with full_precision(audio):
        flat = audio.to(torch.float32).reshape(-1, 1, samples)
        reflected = functional.pad(flat, (padding, padding), mode="reflect").squeeze(1)
        spectrum = torch.stft(
            reflected,
            config.filter_length,
            config.hop_length,
            config.win_length,
            window=_hann_window(config.win_length, audio.device),
            center=False,
            return_complex=True,
        )
        power = torch.view_as_real(spectrum).square().sum(-1)
        magnitude = (power + POWER_FLOOR).sqrt()
    return magnitude.reshape(*audio.shape[:-1], *magnitude.shape[-2:])


def mel_from_linear(spectrogram: Tensor, config: AudioConfig) -> Tensor:
    """Natural logarithm of mel band energies (Slaney scale and normalisation).

    Args:
        spectrogram: […, N, F] from `linear_spectrogram`.
        config: sample rate and mel bands.

    Returns:
        […, M, F], at least log(1e-5).
    """
    with full_precision(spectrogram):
        bands = mel_filter_bank(config, spectrogram.device) @ spectrogram.to(torch.float32)
        return bands.clamp_min(MEL_FLOOR).log()


def mel_spectrogram(audio: Tensor, config: AudioConfig) -> Tensor:
    """Log mel spectrogram […, M, F] of audio […, S]; see `linear_spectrogram` and `mel_from_linear`."""
    return mel_from_linear(linear_spectrogram(audio, config), config)


@lru_cache(maxsize=16)
def mel_filter_bank(config: AudioConfig, device: torch.device) -> Tensor:
    """The matrix [M, N] from linear bins to mel bands; computed once per configuration and device."""
    # librosa takes a while to import, and processes that only cut spectrograms do not need it.
    from librosa.filters import mel

    bank = mel(
        sr=config.sample_rate,
        n_fft=config.filter_length,
        n_mels=config.mel_channels,
        fmin=config.mel_fmin,
        fmax=config.mel_fmax,
    )
    return torch.from_numpy(bank).to(device, torch.float32)


@lru_cache(maxsize=16)
def _hann_window(length: int, device: torch.device) -> Tensor:
    return torch.hann_window(length, device=device)
