"""Recordings to cut 16-bit clips, in this process or in several, which then phonemize as well."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

from core_vits.audio import SpeechDetector
from core_vits.cutting import Cut, CutPlan, cut
from workbench.config import Workspace
from workbench.errors import DatasetError
from workbench.host import Host
from workbench.workers.targets.frontend import TextFrontEnd
from workbench.workers.targets.phoneme_memo import Sentences

# A process imports onnxruntime first, which takes as long as cutting 25 clips.
_CLIPS_A_PROCESS = 100
_PR_SET_PDEATHSIG = 1
# Recordings that are listened to at once: half the time of one after the other, and more gain nothing.
_LARGEST_GROUP, _SMALLEST_GROUP = 32, 8


def processes_for(clips: int) -> int:
    """How many processes to cut with: every core that this process may use, if each has enough to do."""
    return max(1, min(len(os.sched_getaffinity(0)), clips // _CLIPS_A_PROCESS))


def group_size(clips: int, processes: int) -> int:
    """Recordings to cut at once, so that all processes have several groups."""
    return max(_SMALLEST_GROUP, min(_LARGEST_GROUP, clips // (4 * processes)))


@dataclass(frozen=True, slots=True)
class Group:
    """Recordings that are cut together, and texts to phonemize meanwhile."""

    paths: Sequence[Path]
    texts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a group."""

    cuts: list[Cut | str]
    """Of each recording the clip, or why there is none."""
    phonemes: Mapping[str, Sentences] = field(default_factory=dict)


def cut_all(
    groups: Iterable[Group], plan: CutPlan, processes: int, workspace: Workspace | None = None
) -> Generator[Made, None, None]:
    """Cut recordings, group by group, in their order.

    Args:
        groups: drawn one by one while earlier ones are cut.
        plan: how.
        processes: how many to use; 1: this one, which phonemizes nothing.
        workspace: says how texts are phonemized.

    Raises:
        DatasetError: a process died.
    """
    if processes > 1:
        yield from _in_processes(groups, plan, processes, workspace)
        return
    detector: SpeechDetector | None = None
    for group in groups:
        if plan.trim_silence and detector is None:
            detector = SpeechDetector()
        yield Made(cut(group.paths, plan, detector))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """What is started meanwhile computes on one thread: every core has a process, and threads would wait for others."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _in_processes(
    groups: Iterable[Group], plan: CutPlan, processes: int, workspace: Workspace | None
) -> Generator[Made, None, None]:
    # Spawn, not fork: onnxruntime and soxr have threads, and what a fork copies of them does not work.
    pool = ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(plan, workspace, os.getpid()),
    )
    waiting: deque[Future[Made]] = deque()
    try:
        for group in groups:
            with _one_thread():  # a submission may start a process
                waiting.append(pool.submit(_make_here, group))
            if len(waiting) > 2 * processes:  # results are megabytes; don't collect them all
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise DatasetError("a process that cuts recordings died, perhaps for want of memory. Start again.") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_plan: CutPlan
_workspace: Workspace | None = None
_detector: SpeechDetector | None = None
_front: TextFrontEnd | None = None


def _begin(plan: CutPlan, workspace: Workspace | None, parent: int) -> None:
    """Set up a process of the pool."""
    global _plan, _workspace, _detector
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A pool whose owner was killed would wait for work for ever.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    _plan, _workspace = plan, workspace
    _detector = SpeechDetector() if plan.trim_silence else None


def _phonemes_here(texts: Sequence[str]) -> dict[str, Sentences]:
    global _front
    if _workspace is None or not texts:
        return {}
    if _front is None:  # loaded when there is a text for the first time
        _front = TextFrontEnd(_workspace, Host.load(_workspace), remember=False)
    return _front.phonemes(texts)


def _make_here(group: Group) -> Made:
    return Made(cut(group.paths, _plan, _detector), _phonemes_here(group.texts))
