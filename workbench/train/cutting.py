"""Recordings to cut 16-bit clips, in this process or in several."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core_vits.audio import VAD_RATE, AudioError, SpeechDetector, decode, resample, to_int16, trim_silence
from workbench.errors import DatasetError

# Below this, starting processes (each imports onnxruntime) takes longer than they save.
_WORTH_PROCESSES = 200
_MOST_PROCESSES = 8
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class CutPlan:
    """How to cut."""

    sample_rate: int
    """Hz."""
    trim_silence: bool
    keep_before: float
    """Seconds."""
    keep_after: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A recording that was cut."""

    samples: npt.NDArray[np.int16]
    seconds_trimmed: float


def cut(path: Path, plan: CutPlan, detector: SpeechDetector | None) -> Cut | str:
    """Cut one recording, or say why that can't be done."""
    try:
        original, rate = decode(path)
    except AudioError as error:
        return str(error)
    samples = resample(original, rate, plan.sample_rate)
    whole = len(samples)
    if detector is not None:
        heard = resample(original, rate, VAD_RATE)
        samples = trim_silence(samples, heard, detector, keep_before=plan.keep_before, keep_after=plan.keep_after)
    pcm = to_int16(samples)
    if not pcm.any():
        return "is digital silence. Record it again, or delete the row."
    return Cut(pcm, (whole - len(samples)) / plan.sample_rate)


def cut_all(paths: Sequence[Path], plan: CutPlan, processes: int | None = None) -> Generator[Cut | str, None, None]:
    """Cut recordings, in their order.

    Args:
        paths: the recordings.
        plan: how.
        processes: how many to use; None: as many as there are cores when there is enough to do, else this one.

    Raises:
        DatasetError: a process died.
    """
    if processes is None:
        cores = len(os.sched_getaffinity(0))
        processes = min(cores, _MOST_PROCESSES) if len(paths) >= _WORTH_PROCESSES else 1
    if processes > 1:
        yield from _in_processes(paths, plan, processes)
        return
    detector = SpeechDetector() if plan.trim_silence and paths else None
    for path in paths:
        yield cut(path, plan, detector)


def _in_processes(paths: Sequence[Path], plan: CutPlan, processes: int) -> Generator[Cut | str, None, None]:
    # Spawn, not fork: onnxruntime and soxr have threads, and what a fork copies of them does not work.
    pool = ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(plan, os.getpid())
    )
    waiting: deque[Future[Cut | str]] = deque()
    try:
        for path in paths:
            waiting.append(pool.submit(_cut_here, path))
            if len(waiting) > 4 * processes:  # results are megabytes; don't collect them all
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise DatasetError("a process that cuts recordings died, perhaps for want of memory. Start again.") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_plan: CutPlan
_detector: SpeechDetector | None = None


def _begin(plan: CutPlan, parent: int) -> None:
    """Set up a process of the pool."""
    global _plan, _detector
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A pool whose owner was killed would wait for work for ever.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    _plan = plan
    _detector = SpeechDetector() if plan.trim_silence else None


def _cut_here(path: Path) -> Cut | str:
    return cut(path, _plan, _detector)
