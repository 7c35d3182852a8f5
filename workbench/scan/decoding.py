"""From a file to its container and its measures; the function that runs once for each recording, wherever that is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from core_vits.audio import NO_SAMPLES, NOT_FINITE, missing_bytes, why_cut_short, why_undecodable
from core_vits.file_stamp import Stamp, stamp_of
from workbench.api import AudioMeasures, Container
from workbench.scan.container import HEAD_BYTES, NotOpenedError, Opened, Wave, kind_of, open_inside, plain_wave
from workbench.scan.measuring import measure
from workbench.scan.sound import as_sound

LONGEST_SECONDS = 300
"""What is longer is measured by its beginning."""
_MOST_SAMPLES = 16_000_000
"""Of all channels: 64 MB as floats."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What is known of a file."""

    container: Container
    measures: AudioMeasures | None = None
    stamp: Stamp | None = None
    """Of the file that was read; None when it changed meanwhile, or was not opened."""


def examine_all(root: str, names: Sequence[str]) -> list[Examined]:
    """Examine files of a folder, given by its real path."""
    return [examine(root, name) for name in names]


def examine(root: str, name: str) -> Examined:
    """Look at a file, decode and measure it.

    What can't be trained has a `problem`, in the words in which the trainer would refuse it.
    """
    try:
        opened = open_inside(root, name)
    except NotOpenedError as refused:
        return Examined(refused.container)
    try:
        container, measures = _read(opened)
        same = stamp_of(os.fstat(opened.descriptor)) == stamp_of(opened.status)
        return Examined(container, measures, stamp_of(opened.status) if same else None)
    finally:
        os.close(opened.descriptor)


def lost() -> Examined:
    """What is known of a file that ended the process that read it."""
    problem = "can't be decoded: it crashes the decoder. Record or convert it again."
    return Examined(Container(kind="unreadable", problem=problem))


def _read(opened: Opened) -> tuple[Container, AudioMeasures | None]:
    descriptor, size = opened.descriptor, opened.status.st_size
    try:
        head = os.pread(descriptor, HEAD_BYTES, 0)
    except OSError as error:
        return Container(kind="unreadable", bytes=size, link=opened.link, problem=why_undecodable(error, error)), None
    seen = Container(kind=kind_of(head), bytes=size, link=opened.link)
    if seen.kind in ("empty", "lfs-pointer"):
        return replace(seen, problem=why_undecodable(head, ValueError())), None
    wave = plain_wave(head, size)
    if wave is not None:
        return _read_wave(seen, descriptor, wave)
    try:
        return _decode(seen, opened)
    except (soundfile.SoundFileError, OSError, ValueError, TypeError, MemoryError) as error:
        return replace(seen, problem=why_undecodable(head, error)), None


def _limit(rate: int, channels: int) -> int:
    """Samples of one channel that are measured."""
    return max(1, min(LONGEST_SECONDS * rate, _MOST_SAMPLES // channels))


def _read_wave(seen: Container, descriptor: int, wave: Wave) -> tuple[Container, AudioMeasures | None]:
    wanted = min(wave.frames, _limit(wave.sample_rate, wave.channels))
    raw = np.frombuffer(os.pread(descriptor, 2 * wave.channels * wanted, wave.offset), dtype="<i2")
    raw_SC = raw[: len(raw) // wave.channels * wave.channels].reshape(-1, wave.channels)
    container = replace(
        seen,
        encoding="PCM_16",
        sample_rate=wave.sample_rate,
        channels=wave.channels,
        frames=wave.frames,
        frames_promised=wave.promised,
    )
    return _judged(container, raw_SC, short=wave.frames < wave.promised)


def _decode(seen: Container, opened: Opened) -> tuple[Container, AudioMeasures | None]:
    """What libsndfile makes of a file.

    Raises:
        SoundFileError, OSError, ValueError, TypeError, MemoryError: nothing.
    """
    descriptor = opened.descriptor
    with _sound_file(opened) as file:
        rate, channels, promised = int(file.samplerate), int(file.channels), int(file.frames)
        whole = file.subtype in ("PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW", "ALAC_16")
        wanted = min(promised, _limit(rate, channels))
        raw_SC: npt.NDArray[Any] = file.read(wanted, dtype="int16" if whole else "float32", always_2d=True)
        encoding = str(file.subtype)
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        missing = missing_bytes(stream, seen.bytes)
    frames = len(raw_SC) if len(raw_SC) < wanted else promised
    if missing:  # libsndfile has gone by the size of the file, not by what its header says
        promised = frames + max(1, missing * frames // seen.bytes)
    container = replace(
        seen,
        encoding=encoding,
        sample_rate=rate,
        channels=channels,
        frames=frames,
        frames_promised=promised,
    )
    return _judged(container, raw_SC, short=frames < promised)


def _sound_file(opened: Opened) -> Any:
    os.lseek(opened.descriptor, 0, os.SEEK_SET)
    try:
        return soundfile.SoundFile(opened.descriptor, closefd=False)
    except soundfile.SoundFileError:
        # Where the first bytes tell nothing, libsndfile goes by the suffix, which an open file does not have.
        return soundfile.SoundFile(opened.path)


def _judged(container: Container, raw_SC: npt.NDArray[Any], *, short: bool) -> tuple[Container, AudioMeasures | None]:
    """The container with what keeps it from being trained, and the measures."""
    if short:
        container = replace(container, problem=why_cut_short(container.frames / container.sample_rate))
    elif len(raw_SC) == 0:
        container = replace(container, problem=NO_SAMPLES)
    if len(raw_SC) == 0:
        return container, None
    measures = measure(as_sound(raw_SC, container.sample_rate, container.frames))
    if measures.not_finite and not container.problem:
        container = replace(container, problem=NOT_FINITE)
    return container, measures
