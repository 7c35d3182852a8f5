"""What is to be spoken, by whom and how: what speaking into a file and speaking aloud have in common."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core_vits.infer import Scales, SpeechError
from workbench.config import did_you_mean
from workbench.errors import CheckpointError, EnvironmentProblem, WorkbenchError
from workbench.jobs.dataset import texts
from workbench.jobs.voice_files import speaker_map
from workbench.workers.targets.sentences import default_sentence
from workbench.workers.targets.speaking import sentences_of
from workbench.workers.targets.voice_source import VoiceSource
from workbench.workers.targets.wav import why_not_replaced, write_wav

Progress = Callable[[float, float, str], None]

_SPEAKERS_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Speech:
    """A text, ready for a voice."""

    voice: VoiceSource
    text: str
    sentences: list[list[int]]
    """Phoneme ids of each."""
    scales: Scales
    speaker: int | None

    def as_json(self) -> dict[str, Any]:
        """What a user is told of it: `sample_rate` (Hz), `text`, `sentences` (their number), `speaker` (name)."""
        return {
            "sample_rate": self.voice.sample_rate,
            "text": self.text,
            "sentences": len(self.sentences),
            "speaker": _speaker_name(self.speaker, self.voice),
        }


def prepare(voice: VoiceSource, text: str | None, *, speaker: int | str | None, **scales: float | None) -> Speech:
    """Find out what is to be spoken.

    Args:
        voice: who speaks.
        text: None: the language's default sentence.
        speaker: number or name; the first if not given.
        scales: those of `Scales` that differ from the voice's own; None: its own.

    Raises:
        SpeechError: the text, a scale or the speaker is not for this voice.
        PluginError: there is no phonemizer for the language.
    """
    said = _default_text(voice) if text is None else text
    chosen = Scales.from_config(voice.config, **scales)
    number = _speaker_number(speaker, voice)
    return Speech(voice=voice, text=said, sentences=sentences_of(said, voice), scales=chosen, speaker=number)


@contextlib.contextmanager
def telling(source: str) -> Iterator[None]:
    """What goes wrong in here is told as the user's, not the program's, mistake.

    Raises:
        CheckpointError: the voice speaks no numbers.
        WorkbenchError: it can't be spoken, and why.
    """
    try:
        yield
    except SpeechError as error:
        raise WorkbenchError(str(error)) from None
    except NotNumbersError:
        raise CheckpointError(
            f"{source}: the voice speaks no numbers (training diverged). Use an earlier checkpoint"
        ) from None


class NotNumbersError(Exception):
    """The voice made samples that are not finite."""


def finite(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """The samples, if all are numbers.

    Raises:
        NotNumbersError: they are not.
    """
    if not np.isfinite(audio).all():
        raise NotNumbersError
    return audio


def check_place(out_wav: str) -> None:
    """
    Raises:
        EnvironmentProblem: what stands there is not to be replaced.
    """
    try:
        reason = why_not_replaced(Path(out_wav))
    except OSError as error:
        reason = f"can't be written ({error.strerror or error})"
    if reason:
        raise EnvironmentProblem(f"{out_wav}: {reason}")


def _default_text(voice: VoiceSource) -> str:
    """
    Raises:
        SpeechError: the voice reads phonemes, and nobody knows any.
    """
    if voice.config.get("phoneme_type") != "text":
        return default_sentence(voice.language)
    for text in texts(voice.workspace) if voice.workspace is not None else ():
        if all(phoneme in voice.config["phoneme_id_map"] for phoneme in unicodedata.normalize("NFD", text)):
            return text
    raise SpeechError("the voice reads phonemes, not words. Give some as the text to speak")


def _speaker_number(speaker: int | str | None, voice: VoiceSource) -> int | None:
    """
    Raises:
        SpeechError: the voice has no speaker of that name.
    """
    if isinstance(speaker, int):
        return speaker
    try:
        names = speaker_map(voice.config)
    except ValueError as error:
        raise SpeechError(f"the voice's configuration: {error}") from None
    if speaker is None:
        first = voice.config.get("default_speaker_id")
        return first if names and isinstance(first, int) else None
    if speaker in names:
        return names[speaker]
    if speaker.isdecimal():
        return int(speaker)
    some = ", ".join([*names][:_SPEAKERS_NAMED]) + (" …" if len(names) > _SPEAKERS_NAMED else "")
    there = f"there are: {some}" if names else "it has one speaker without a name"
    raise SpeechError(f"the voice has no speaker '{speaker}'{did_you_mean(speaker, names) or f'; {there}'}")


def _speaker_name(number: int | None, voice: VoiceSource) -> str:
    """Who speaks; empty for a voice with one speaker or a speaker without a name."""
    with contextlib.suppress(ValueError):
        return next((name for name, own in speaker_map(voice.config).items() if own == (number or 0)), "")
    return ""


def save(out_wav: str, samples: NDArray[np.int16], sample_rate: int) -> None:
    """Write the WAV.

    Raises:
        EnvironmentProblem: it can't be written.
    """
    try:
        write_wav(Path(out_wav), samples.astype("<i2").tobytes(), sample_rate)
    except OSError as error:
        raise EnvironmentProblem(f"{out_wav}: can't be written ({error.strerror or error})") from None


def no_progress(done: float, total: float, what: str) -> None:
    """Nobody listens."""
