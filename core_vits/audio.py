"""Recordings to training audio exactly as Piper makes it: decode, mix to mono, resample, cut silence at both ends.

Piper loads with librosa (soundfile, mean of the channels, soxr HQ). librosa itself takes seconds to import, so the same
three steps are done here with the same two libraries; a test holds the results equal sample by sample.

C chunks of the voice activity detector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from core_vits.speech_detector import CHUNK, SPEECH_PROBABILITY, VAD_RATE, SpeechDetector

Samples: TypeAlias = npt.NDArray[np.float32]
"""Mono, full scale = 1."""


class AudioError(ValueError):
    """A recording can't be used; the message is one line and begins with what is wrong, not with the file."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A decoded recording."""

    samples: Samples
    """Mean of all channels."""
    sample_rate: int
    """Hz."""
    channels: int
    peak: float
    """Largest absolute sample of any channel before mixing, full scale = 1."""


def read_recording(path: Path) -> Recording:
    """Decode a recording at its own rate.

    Raises:
        AudioError: not an audio file, without samples, shorter than its header says, or not finite.
    """
    samples_SC, rate = _read(path)
    samples = samples_SC[:, 0] if samples_SC.shape[1] == 1 else samples_SC.mean(axis=1)
    peak = max(float(samples_SC.max()), -float(samples_SC.min()))
    return Recording(np.ascontiguousarray(samples), rate, samples_SC.shape[1], peak)


def _read(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    """All channels [samples, channels], and their rate in Hz.

    Raises:
        AudioError: see `read_recording`.
    """
    try:
        with soundfile.SoundFile(path) as file:
            promised, rate = file.frames, int(file.samplerate)
            samples_SC = file.read(dtype="float32", always_2d=True)
        missing = _missing_bytes(path)
    except (soundfile.SoundFileError, OSError, ValueError, TypeError, MemoryError) as error:
        raise AudioError(why_undecodable(_head(path), error)) from None
    if missing or len(samples_SC) < promised:
        raise AudioError(why_cut_short(len(samples_SC) / rate))
    if len(samples_SC) == 0:
        raise AudioError(NO_SAMPLES)
    if not np.isfinite(samples_SC).all():
        raise AudioError(NOT_FINITE)
    return samples_SC, rate


def decode(path: Path) -> tuple[Samples, int]:
    """Samples of a recording at its own rate, all channels mixed by their mean, and that rate in Hz.

    Raises:
        AudioError: see `read_recording`.
    """
    recording = read_recording(path)
    return recording.samples, recording.sample_rate


def decode_first_channel(path: Path) -> tuple[Samples, int]:
    """Samples of the first channel at their own rate, and that rate in Hz.

    Raises:
        AudioError: see `read_recording`.
    """
    samples_SC, rate = _read(path)
    return np.ascontiguousarray(samples_SC[:, 0]), rate


# Sizes that a program writes which can't know the size yet (it writes to a pipe).
_UNKNOWN_SIZES = frozenset({0, 0x7FFF_FFFF, 0x7FFF_FFFF - 36, 0xFFFF_FFFF, 0xFFFF_FFFF - 36, 0xFFFF_FFF0})
# Programs write a dozen.
_MOST_CHUNKS = 10_000


def _missing_bytes(path: Path) -> int:
    with path.open("rb") as file:
        return missing_bytes(file, path.stat().st_size)


def missing_bytes(file: BinaryIO, size: int) -> int:
    """Bytes of audio that a WAV's header promises and the file lacks; libsndfile passes over that in silence."""
    if file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
        return 0
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        # In a file of zeros, every eight bytes would be a chunk.
        if len(head) < 8 or 0 in head[:4]:
            return 0
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            return 0 if length in _UNKNOWN_SIZES else max(0, file.tell() + length - size)
        file.seek(length + length % 2, 1)
    return 0


NO_SAMPLES = "has no samples. Record it again, or delete the row."
NOT_FINITE = "has samples that are not finite numbers. Convert it again."


def why_cut_short(seconds: float) -> str:
    """What to say of a recording that has fewer samples than its header promises."""
    return (
        f"is cut short: its header promises more than the {seconds:.2f} s that are there, so the text would not match. "
        "Copy it again."
    )


def why_undecodable(head: bytes | OSError, error: Exception) -> str:
    """What to say of a file that can't be decoded.

    Args:
        head: its first bytes, or why they can't be read.
        error: what the decoder raised.
    """
    if isinstance(head, OSError):
        reason = (head.strerror or "it can't be opened").lower()
    elif not head:
        reason = "it is an empty file"
    elif head.startswith(b"version https://git-lfs"):
        reason = "it is a Git LFS pointer, not the recording (git lfs pull)"
    elif isinstance(error, MemoryError):
        reason = "its header promises more samples than memory can hold"
    else:
        reason = str(error).rpartition(": ")[2].rstrip(".").replace("\n", " ").lower() or "unknown format"
    return f"can't be decoded: {reason}. Record or convert it again."


def _head(path: Path) -> bytes | OSError:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        return error


def resample(samples: Samples, rate: int, wanted: int) -> Samples:
    """Resample with soxr HQ to exactly ceil(S * wanted / rate) samples; unchanged when the rates are equal."""
    if rate == wanted:
        return samples
    length = math.ceil(len(samples) * wanted / rate)
    resampled: Samples = soxr.resample(samples, rate, wanted, quality="HQ")
    if len(resampled) < length:
        resampled = np.pad(resampled, (0, length - len(resampled)))
    return np.ascontiguousarray(resampled[:length], dtype=np.float32)


def load_recording(path: Path, sample_rate: int) -> Samples:
    """A recording at the voice's rate, as `librosa.load(path, sr=sample_rate)` gives it.

    Raises:
        AudioError: see `read_recording`.
    """
    return resample(*decode(path), sample_rate)


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a recording: `samples[begin:end]`."""

    begin: int
    end: int


def speech_span(
    probabilities_C: npt.NDArray[np.float32], heard: int, samples: int, keep_before: float, keep_after: float
) -> Span:
    """Where to cut: from the first chunk with speech to the last, with some silence kept; all of it without speech.

    Args:
        probabilities_C: of each chunk of the recording at 16 kHz.
        heard: length of that recording at 16 kHz, samples.
        samples: length of the recording at the voice's rate.
        keep_before: seconds before the first speech.
        keep_after: seconds after the last.
    """
    speech = np.nonzero(probabilities_C >= SPEECH_PROBABILITY)[0]
    if len(speech) == 0:
        return Span(0, samples)
    begin = int(speech[0]) * CHUNK - keep_before * VAD_RATE
    end = (int(speech[-1]) + 1) * CHUNK + keep_after * VAD_RATE
    # The measured lengths, not the rates: a resampled recording is rounded up to a whole sample.
    ratio = samples / heard
    return Span(max(0, math.floor(begin * ratio)), min(samples, math.ceil(end * ratio)))


def trim_silence(
    samples: Samples, heard: Samples, detector: SpeechDetector, *, keep_before: float = 0.25, keep_after: float = 0.25
) -> Samples:
    """Cut silence at both ends as Piper 1.5 and newer do.

    Args:
        samples: the recording at the voice's rate.
        heard: the same recording at 16 kHz, resampled from the original and not from `samples`.
        detector: one a process.
        keep_before: seconds kept before speech.
        keep_after: seconds kept after it.
    """
    (probabilities_C,) = detector.probabilities([heard])
    span = speech_span(probabilities_C, len(heard), len(samples), keep_before, keep_after)
    return samples[span.begin : span.end]


def to_int16(samples: Samples) -> npt.NDArray[np.int16]:
    """16-bit samples as they are cached; exact for what came from a 16-bit file without resampling."""
    pcm: npt.NDArray[np.int16] = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
    return pcm


def from_int16(samples: npt.NDArray[np.int16]) -> Samples:
    """The inverse of `to_int16`."""
    full_scale = samples.astype(np.float32)
    full_scale *= np.float32(1 / 32768)  # exact, as a division would be, in half the time
    return full_scale
