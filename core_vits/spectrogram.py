"""Linear and mel spectrograms exactly as Piper computes them.

Legend: B utterances, S samples, F frames, N frequency bins, M mel bands, P samples of the reflected end; … stands for
any leading axes.
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
    padding = _reflected(config)
    samples = audio.shape[-1]
    if samples < shortest_audio(config):
        raise ValueError(
            f"audio of {samples} samples is too short for a spectrogram with filter_length "
            f"{config.filter_length}; it needs more than {padding} samples. Leave the clip out."
        )
    with full_precision(audio):
        flat = audio.to(torch.float32).reshape(-1, 1, samples)
        reflected = functional.pad(flat, (padding, padding), mode="reflect").squeeze(1)
        magnitude = _magnitudes(reflected, config)
    return magnitude.reshape(*audio.shape[:-1], *magnitude.shape[-2:])


def linear_spectrograms(audio_BS: Tensor, lengths_B: Tensor, config: AudioConfig) -> Tensor:
    """`linear_spectrogram` of each utterance of a padded batch, reflected at its own end: the frames it has alone.

    A GPU makes all in one go, and the host does not wait for it. A CPU makes one after the other, which takes half the
    time, because an utterance stays in its cache.

    Args:
        audio_BS: in -1 … 1, zero-padded.
        lengths_B: samples of each, at least `shortest_audio`.
        config: window, FFT and hop size.

    Returns:
        [B, N, F] of the padded length, zero behind the frames of each utterance.
    """
    if audio_BS.is_cuda:
        return spectrograms_in_one_go(audio_BS, lengths_B, config)
    frames = audio_BS.shape[1] // config.hop_length
    spectrogram_BNF = audio_BS.new_zeros((len(audio_BS), config.spectrogram_bins, frames), dtype=torch.float32)
    for place_NF, audio_S, length in zip(spectrogram_BNF, audio_BS, lengths_B.tolist(), strict=True):
        place_NF[:, : length // config.hop_length] = linear_spectrogram(audio_S[:length], config)
    return spectrogram_BNF


def spectrograms_in_one_go(audio_BS: Tensor, lengths_B: Tensor, config: AudioConfig) -> Tensor:
    """`linear_spectrograms` as a GPU makes them."""
    padding, frames = _reflected(config), audio_BS.shape[1] // config.hop_length
    with full_precision(audio_BS):
        flat_B1S = audio_BS.to(torch.float32).unsqueeze(1)
        padded_BS = functional.pad(functional.pad(flat_B1S, (padding, 0), mode="reflect"), (0, padding)).squeeze(1)
        # Behind the last sample come those before it, backwards.
        ends_B1 = (lengths_B + padding).unsqueeze(1)
        distance_P = torch.arange(padding, device=audio_BS.device)
        padded_BS.scatter_(1, ends_B1 + distance_P, padded_BS.gather(1, ends_B1 - 2 - distance_P))
        magnitude_BNF = _magnitudes(padded_BS, config)
        inside_BF = torch.arange(frames, device=audio_BS.device) < (lengths_B // config.hop_length).unsqueeze(1)
        return magnitude_BNF * inside_BF.unsqueeze(1)


def shortest_audio(config: AudioConfig) -> int:
    """Samples that a clip must have to be reflected."""
    return _reflected(config) + 1


def _reflected(config: AudioConfig) -> int:
    return (config.filter_length - config.hop_length) // 2


def _magnitudes(reflected_BS: Tensor, config: AudioConfig) -> Tensor:
    spectrum = torch.stft(
        reflected_BS,
        config.filter_length,
        config.hop_length,
        config.win_length,
        window=_hann_window(config.win_length, reflected_BS.device),
        center=False,
        return_complex=True,
    )
    power = torch.view_as_real(spectrum).square().sum(-1)
    return (power + POWER_FLOOR).sqrt()


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
