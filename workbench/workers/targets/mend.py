"""Mended copies of recordings. An original is only read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from core_vits.audio import AudioError, Samples, decode, decode_first_channel, resample, to_int16, trim_silence
from core_vits.manifest import find_recording
from core_vits.speech_detector import VAD_RATE, SpeechDetector
from workbench.config import load_workspace
from workbench.errors import DatasetError
from workbench.jobs.curation import COPIES, identity, read_curation
from workbench.workers.targets.wav import write_wav

LEFT, OFFSET, RATE, TRIM = "left", "dc", "rate", "trim"
WAYS: Mapping[str, str] = {
    LEFT: "the first channel alone",
    OFFSET: "without constant offset",
    RATE: "at the voice's rate",
    TRIM: "without silence at both ends",
}
"""What can be done, in the order in which it is done. Every copy is a 16-bit mono WAV."""

_LOUDEST = 0.99
"""Of full scale; more gain than this would clip."""


def mend(
    workspace_file: str,
    files: Sequence[str],
    ways: Sequence[str],
    gain_db: float = 0.0,
    progress: Callable[[float, float, str], None] | None = None,
) -> dict[str, Any]:
    """Write mended copies.

    Args:
        workspace_file: `workbench.toml` or its folder.
        files: recordings, as the metadata names them.
        ways: of `WAYS`.
        gain_db: louder or quieter, at most to just below full scale.
        progress: called with files done, files in all, and what is being done.

    Returns:
        `takes`: lines for `Curator.take` by file; `failed`: by file why there is none.

    Raises:
        ConfigError: the workspace can't be read.
        DatasetError: the copies can't be written.
    """
    workspace = load_workspace(Path(workspace_file))
    curation = read_curation(workspace.curation)
    detector = SpeechDetector() if TRIM in ways else None
    told = ", ".join([text for way, text in WAYS.items() if way in ways] + ([f"{gain_db:+.1f} dB"] if gain_db else []))
    takes: dict[str, tuple[str, str, str]] = {}
    failed: dict[str, str] = {}
    for done, file in enumerate(files):
        if progress is not None:
            progress(done, len(files), "recordings")
        original = find_recording(workspace.audio_folder, file)
        current = curation.recording(workspace.audio_folder, file)
        if original is None or current is None:
            failed[file] = "there is no such recording"
            continue
        try:
            samples, rate = _mended(current, ways, workspace.audio.sample_rate, gain_db, detector)
        except AudioError as error:
            failed[file] = str(error)
            continue
        pcm = to_int16(samples).tobytes()
        mark = hashlib.blake2b(file.encode() + pcm, digest_size=4).hexdigest()
        name = f"{COPIES}/{PurePosixPath(file).stem}-{mark}.wav"
        try:
            write_wav(curation.folder / name, pcm, rate)
        except OSError as error:
            raise DatasetError(f"{curation.folder / name}: can't be written ({error.strerror or error})") from error
        takes[file] = (name, told, identity(original))
    return {"takes": takes, "failed": failed}


def _mended(
    path: Path, ways: Sequence[str], sample_rate: int, gain_db: float, detector: SpeechDetector | None
) -> tuple[Samples, int]:
    """
    Raises:
        AudioError: the recording can't be used, or nothing would be left of it.
    """
    samples, rate = decode_first_channel(path) if LEFT in ways else decode(path)
    if OFFSET in ways:
        samples = samples - samples.mean()
    if detector is not None:
        samples = trim_silence(samples, resample(samples, rate, VAD_RATE), detector)
    if RATE in ways:
        samples, rate = resample(samples, rate, sample_rate), sample_rate
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        raise AudioError("is digital silence. Record it again, or exclude the row.")
    gain = 10 ** (gain_db / 20)
    return samples * np.float32(min(gain, max(1.0, _LOUDEST / peak))), rate
