"""Recordings are decoded, resampled and cut exactly as the peer does it; what can't be used says why."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from core_vits.audio import (
    AudioError,
    Span,
    decode,
    from_int16,
    load_recording,
    read_recording,
    resample,
    speech_span,
    to_int16,
    trim_silence,
)
from core_vits.manifest import find_recording, read_metadata
from core_vits.speech_detector import SpeechDetector


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector()


def tone(seconds: float = 0.5, rate: int = 16_000) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def test_cut_recordings_equal_the_peers_cache_sample_by_sample(shared: Path, detector: SpeechDetector) -> None:
    dataset = shared / "fixtures/dataset"
    compared = 0
    for row in read_metadata(dataset / "metadata.csv").rows:
        path = find_recording(dataset / "wavs", row.file)
        if path is None:
            continue
        (cached,) = (dataset / "cache").glob(f"{row.line}_*.audio.pt")
        samples, rate = decode(path)  # one of them has 44.1 kHz
        cut = trim_silence(resample(samples, rate, 22_050), resample(samples, rate, 16_000), detector)
        assert np.array_equal(cut, torch.load(cached, weights_only=True).numpy()), row.file
        compared += 1
    assert compared == 5


# librosa's own dependencies import modules that newer Pythons drop.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_loading_equals_librosa_at_every_rate(tmp_path: Path) -> None:
    librosa = pytest.importorskip("librosa")
    chance = np.random.default_rng(1)
    for rate, channels in ((16_000, 1), (44_100, 2), (48_000, 1), (8_000, 2), (22_050, 1)):
        path = tmp_path / f"{rate}.wav"
        soundfile.write(path, chance.uniform(-0.5, 0.5, (rate // 3 + 7, channels)), rate)
        expected, _ = librosa.load(path, sr=22_050)
        assert np.array_equal(load_recording(path, 22_050), expected)


@pytest.mark.parametrize(
    ("speech", "span"),
    [
        ([], Span(0, 22_050)),  # no speech: nothing is cut
        ([0], Span(0, 6219)),  # (512 + 4000) samples at 16 kHz
        ([20, 25], Span(8599, 22_050)),  # 20 x 512 - 4000 = 6240 at 16 kHz, to the end
    ],
)
def test_the_cut_keeps_a_quarter_second_around_speech(speech: list[int], span: Span) -> None:
    probabilities = np.zeros(31, dtype=np.float32)
    probabilities[speech] = 0.2
    assert speech_span(probabilities, 16_000, 22_050, 0.25, 0.25) == span


def test_a_clip_shorter_than_one_chunk_is_not_cut(detector: SpeechDetector) -> None:
    short = tone(0.02)
    assert np.array_equal(trim_silence(short, short, detector), short)


def test_16_bit_recordings_survive_the_cache_exactly(shared: Path) -> None:
    samples, _ = decode(shared / "fixtures/dataset/wavs/ru_0003.wav")
    assert np.array_equal(from_int16(to_int16(samples)), samples)
    assert to_int16(np.array([-1.5, -1.0, 1.0, 1.5], dtype=np.float32)).tolist() == [-32768, -32768, 32767, 32767]


def test_channels_are_mixed_and_the_peak_is_that_before_mixing(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([tone(), -tone()], axis=1), 16_000)
    recording = read_recording(path)
    assert (recording.channels, recording.sample_rate) == (2, 16_000)
    assert np.abs(recording.samples).max() < 1e-4
    assert recording.peak == pytest.approx(0.3, abs=1e-3)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_what_can_not_be_used_says_why_in_one_line(tmp_path: Path) -> None:
    whole = tmp_path / "whole.wav"
    soundfile.write(whole, tone(), 16_000)
    data = whole.read_bytes()
    flac = tmp_path / "whole.flac"
    soundfile.write(flac, tone(5.0), 16_000)
    infinite = tmp_path / "inf.wav"
    soundfile.write(infinite, np.array([0.0, np.inf]), 16_000, subtype="FLOAT")
    cases = {
        write(tmp_path / "empty.wav", b""): "it is an empty file",
        write(tmp_path / "lfs.wav", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"): "Git LFS pointer",
        write(tmp_path / "text.wav", b"this is text, no sound at all" * 10): "can't be decoded",
        write(tmp_path / "cut.wav", data[: len(data) // 2]): "is cut short",
        write(tmp_path / "cut.flac", flac.read_bytes()[: flac.stat().st_size // 2]): "",
        write(tmp_path / "nothing.wav", data[:40] + struct.pack("<I", 0)): "has no samples",
        infinite: "not finite",
        tmp_path / "absent.wav": "no such file",
        tmp_path: "directory",
    }
    for path, reason in cases.items():
        with pytest.raises(AudioError) as caught:
            read_recording(path)
        message = str(caught.value)
        assert reason in message, (path.name, message)
        assert "\n" not in message
        assert message.endswith(".")


def test_a_wav_that_was_written_to_a_pipe_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    soundfile.write(path, tone(), 16_000)
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert len(read_recording(path).samples) == 8000


def test_damaged_recordings_raise_nothing_but_audio_errors(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    originals = []
    for name in ("a.wav", "a.flac", "a.ogg"):
        soundfile.write(tmp_path / name, tone(0.1), 16_000)
        originals.append((tmp_path / name).read_bytes())
    refused = 0
    for round_ in range(400):
        data = bytearray(originals[round_ % 3])
        for place in chance.integers(0, len(data), chance.integers(1, 20)):
            data[place] = chance.integers(0, 256)
        length = len(data) if round_ % 2 else int(chance.integers(1, len(data) + 1))
        path = write(tmp_path / "fuzz.bin", bytes(data[:length]))
        try:
            assert np.isfinite(read_recording(path).samples).all()
        except AudioError:
            refused += 1
    assert 0 < refused < 400
