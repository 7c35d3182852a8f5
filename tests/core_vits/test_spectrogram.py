"""Spectrograms against the definition and against what Piper cached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core_vits.config import AudioConfig
from core_vits.spectrogram import (
    linear_spectrogram,
    linear_spectrograms,
    mel_filter_bank,
    mel_from_linear,
    mel_spectrogram,
    shortest_audio,
    spectrograms_in_one_go,
)

AUDIO = AudioConfig()


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5)) * 0.1


def test_spectrograms_of_cached_clips_are_those_that_piper_cached(shared: Path) -> None:
    files = sorted((shared / "fixtures/dataset/cache").glob("*.audio.pt"))
    assert len(files) == 5
    for path in files:
        audio = torch.load(path, weights_only=True)
        recorded = torch.load(path.with_name(path.name.replace(".audio.", ".spec.")), weights_only=True)
        spectrogram = linear_spectrogram(audio, AUDIO)
        assert spectrogram.shape == recorded.shape == (513, audio.shape[-1] // 256)
        assert (spectrogram - recorded).abs().max() < 1e-6 * recorded.max()


def test_magnitudes_are_those_of_a_fourier_transform_of_the_windowed_frame() -> None:
    audio = _noise(6000)
    frame = 9
    start = frame * 256 - 384
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    spectrum = np.fft.rfft(audio[start : start + 1024].double().numpy() * window)
    expected = np.sqrt(np.abs(spectrum) ** 2 + 1e-6)
    assert np.allclose(linear_spectrogram(audio, AUDIO)[:, frame].numpy(), expected, rtol=1e-4)


def test_a_batch_gives_what_its_clips_give() -> None:
    audio = _noise(2, 3, 4000)
    batch = mel_spectrogram(audio, AUDIO)
    assert batch.shape == (2, 3, 80, 15)
    assert torch.allclose(batch[1, 2], mel_spectrogram(audio[1, 2], AUDIO), atol=1e-5)


@pytest.mark.parametrize("make", [linear_spectrograms, spectrograms_in_one_go])
def test_clips_of_different_length_have_the_frames_in_a_batch_that_they_have_alone(
    make: Callable[[torch.Tensor, torch.Tensor, AudioConfig], torch.Tensor],
) -> None:
    lengths = [9000, 8191, 5120, 5119, 700, shortest_audio(AUDIO)]
    padded = torch.zeros(len(lengths), 9216)
    for row, length in zip(padded, lengths, strict=True):
        row[:length] = _noise(length)
    made = make(padded, torch.tensor(lengths), AUDIO)
    assert made.shape == (len(lengths), 513, 36)
    for row, audio, length in zip(made, padded, lengths, strict=True):
        alone = linear_spectrogram(audio[:length], AUDIO)
        assert torch.allclose(row[:, : alone.shape[1]], alone, rtol=1e-5, atol=1e-6)
        assert not row[:, alone.shape[1] :].any()


def test_silence_has_the_floor_and_a_finite_gradient() -> None:
    audio = torch.zeros(1, 2048, requires_grad=True)
    mel = mel_spectrogram(audio, AUDIO)
    mel.sum().backward()
    assert audio.grad is not None
    assert torch.isfinite(audio.grad).all()
    assert torch.allclose(mel_from_linear(torch.zeros(513, 4), AUDIO), torch.tensor(1e-5).log())


def test_mel_bands_follow_the_configuration() -> None:
    config = replace(AUDIO, mel_channels=40, mel_fmin=100.0, mel_fmax=8000.0)
    bank = mel_filter_bank(config, torch.device("cpu"))
    assert bank.shape == (40, 513)
    hertz = torch.arange(513) * 22_050 / 1024
    assert not bank[:, (hertz < 100.0) | (hertz > 8000.0)].any()


def test_audio_too_short_to_reflect_is_refused_with_its_length() -> None:
    with pytest.raises(ValueError, match="audio of 384 samples"):
        linear_spectrogram(torch.zeros(384), AUDIO)


def test_autocast_does_not_lower_the_precision() -> None:
    audio = _noise(3000)
    with torch.autocast("cpu", torch.bfloat16):
        inside = mel_spectrogram(audio, AUDIO)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, mel_spectrogram(audio, AUDIO))
