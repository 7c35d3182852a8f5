"""What moves clips: reading them from the cache, loading them as batches, making them of recordings."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from core_vits.cache import CacheReader, CacheSettings, CacheWriter
from core_vits.cutting import Cut, CutPlan, cut
from core_vits.manifest import find_recording
from core_vits.speech_detector import SpeechDetector
from workbench.bench.parts import Measured
from workbench.bench.subject import scratch, seconds_each, subject, with_recordings
from workbench.config import Workspace
from workbench.errors import DatasetError
from workbench.host import Host
from workbench.jobs.dataset import read_table
from workbench.workers.targets.frontend import FrontEnd, cache_settings, front_end

_CLIPS, _CLIP_SECONDS, _CLIP_IDS = 64, 5.9, 160
_RECORDINGS = 16
"""That are prepared together: a group of the preparation."""
_MOST_RECORDINGS = 256


def cache(workspace: str | None, seconds: float) -> dict[str, Any]:
    """Clips of the median length in random order, from memory and, where the system allows it, from the disk."""
    settings = subject(workspace)
    with scratch(settings.cache) as folder:
        reader = _filled(folder, settings)
        entries = list(reader.entries.values())
        np.random.default_rng(0).shuffle(entries)
        each = seconds_each(lambda: [reader.audio(entry) for entry in entries], seconds / 2) / len(entries)
        for file in folder.rglob("*"):
            _forget(file)
        begin = time.perf_counter()
        for entry in entries:
            reader.audio(entry)
        cold = (time.perf_counter() - begin) / len(entries)
        reader.close()
    megabytes = 2 * entries[0].samples / 1e6
    return Measured(
        value=1 / each,
        unit="clips/s",
        about=f"clips of {_CLIP_SECONDS} s on one core from memory ({megabytes / each:.0f} MB/s); from the disk "
        f"{1 / cold:.0f} clips/s",
        limited_by="copying and checking in memory; for a dataset that memory does not hold, the disk",
        advice="the second figure below what the training step takes: [paths] cache on an SSD, or more memory",
        figures={"from_disk_clips_per_s": 1 / cold, "megabytes_per_s": megabytes / each},
    ).as_json()


def loader(workspace: str | None, seconds: float) -> dict[str, Any]:
    """Batches as the trainer takes them, in the trainer's own process."""
    # torch is the other pool's: whoever reads clips alone does not pay for it.
    from core_vits.dataset import ClipDataset
    from core_vits.train.data import ClipData
    from workbench.jobs.start import model_of

    settings = subject(workspace)
    config, batch_size = model_of(settings), min(settings.training.batch_size, _CLIPS)
    with scratch(settings.cache) as folder:
        reader = _filled(folder, settings)
        data = ClipData(
            ClipDataset(reader, list(reader.entries), config.audio), None, (), batch_size=batch_size, seed=0
        )
        each = seconds_each(lambda: [batch.keys for batch in data.train(0, 0)], seconds) / _CLIPS
        reader.close()
    return Measured(
        value=1 / each,
        unit="clips/s",
        about=f"batches of {batch_size} clips of {_CLIP_SECONDS} s, by one process",
        limited_by="one core",
        advice="below what the training step takes: raise [training] num_workers",
    ).as_json()


def prepare(workspace: str | None, seconds: float) -> dict[str, Any]:
    """Recordings to cut clips with phonemes, on one core; nothing is written."""
    settings = with_recordings(subject(workspace))
    with scratch(settings.cache) as folder:
        # Phonemes are remembered in the cache: here they are to be made.
        fresh = replace(settings, paths=replace(settings.paths, cache=str(folder)))
        front = front_end(fresh, Host.load(settings))
        try:
            plan = cache_settings(settings, front)
            each, done = _prepared(settings, plan, front, seconds)
        finally:
            front.close()
    return Measured(
        value=1 / each,
        unit="clips/s",
        about=f"{done} recordings of {settings.metadata.parent} on one core, phonemes and "
        f"{'trimming' if plan.trim_silence else 'no trimming'} included",
        limited_by="listening for silence" if plan.trim_silence else "decoding and resampling",
        advice="it happens once, on all cores; [audio] trim_silence = false is faster",
        figures={"recordings": done},
    ).as_json()


def _prepared(settings: Workspace, plan: CacheSettings, front: FrontEnd, seconds: float) -> tuple[float, int]:
    """Seconds that a recording takes, and how many were prepared: for so many seconds, each once.

    Raises:
        DatasetError: there is none, or none can be prepared.
    """
    cutting = CutPlan(plan.sample_rate, plan.trim_silence, plan.keep_seconds_before, plan.keep_seconds_after)
    found = ((row, find_recording(settings.audio_folder, row.file)) for row in read_table(settings).rows)
    rows = list(islice(((row, path) for row, path in found if path is not None), _MOST_RECORDINGS))
    if not rows:
        raise DatasetError(f"{settings.audio_folder}: has none of the recordings that {settings.metadata.name} names")
    detector = SpeechDetector() if plan.trim_silence else None
    done, begin = 0, time.perf_counter()
    while done < len(rows) and (done == 0 or time.perf_counter() - begin < seconds):
        group = rows[done : done + _RECORDINGS]
        made = cut([path for _, path in group], cutting, detector)
        front.read([row for row, _ in group])
        if not any(isinstance(item, Cut) for item in made):
            raise DatasetError(f"{group[0][1]}: {made[0]}")
        done += len(group)
    return (time.perf_counter() - begin) / done, done


def _filled(folder: Path, settings: Workspace) -> CacheReader:
    """A cache of noise."""
    rate = settings.audio.sample_rate
    about = CacheSettings(
        sample_rate=rate, trim_silence=False, keep_seconds_before=0.0, keep_seconds_after=0.0, phonemizer="bench",
        phonemizer_version="", language="", id_map_md5="",
    )  # fmt: skip
    noise = np.random.default_rng(0)
    with CacheWriter(folder, about) as writer:
        for number in range(_CLIPS):
            writer.add(
                key=f"{number:032x}", file=f"{number}.wav", text="", speaker=None,
                phoneme_ids=tuple(noise.integers(1, 100, _CLIP_IDS).tolist()),
                audio=noise.integers(-9000, 9000, int(_CLIP_SECONDS * rate)).astype(np.int16),
            )  # fmt: skip
        return CacheReader(writer.folder)


def _forget(file: Path) -> None:
    """Ask the system to drop a file from its memory; not every file system can."""
    with suppress(OSError, AttributeError):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
