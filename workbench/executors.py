"""Where many small pieces of work run: here, in several processes, or on a cluster.

Whoever has work writes a function of one piece, importable by its name and the same wherever it runs, and hands it with
the pieces to an executor; results come back in the order of the pieces, while later pieces are still worked on.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar

from workbench.errors import EnvironmentProblem

Piece = TypeVar("Piece")
Result = TypeVar("Result")

NAMES = ("auto", "here", "processes", "ray")
"""What `executor` takes."""
_MOST_PROCESSES = 8
# Pieces that are handed out beyond those that are worked on; results wait in memory until it is their turn.
_AHEAD = 2
_PR_SET_PDEATHSIG = 1


class Executor(Protocol):
    """Runs a function over pieces."""

    def run(
        self, function: Callable[[Piece], Result], pieces: Iterable[Piece], lost: Callable[[Piece], Result]
    ) -> Iterator[Result]:
        """Results in the order of the pieces, taken as they are wanted: pieces are not collected first.

        Args:
            function: pickled where pieces run elsewhere; an exception of it is raised here.
            pieces: the work; pickled as well.
            lost: called here for a piece that ended its process twice, a crash in a decoder for instance.
        """

    def close(self) -> None:
        """Let processes go; what they still work on is given up."""


def executor(name: str = "auto", *, worth_processes: bool = True) -> Executor:
    """The executor of this name; `auto` takes processes where there are several cores and it is worth starting them.

    Raises:
        EnvironmentProblem: it can't be used here.
    """
    if name == "ray":
        return Ray()
    if name == "processes" or (name == "auto" and worth_processes and cores() > 1):
        return Processes(min(cores(), _MOST_PROCESSES))
    return Here()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Here:
    """This process."""

    def run(
        self, function: Callable[[Piece], Result], pieces: Iterable[Piece], lost: Callable[[Piece], Result]
    ) -> Iterator[Result]:
        """See `Executor`."""
        return map(function, pieces)

    def close(self) -> None:
        """There is nothing to let go."""


class Processes:
    """Processes of this machine, one thread each. The first piece runs here, while they start."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        # Spawn, not fork: numpy, onnxruntime and soxr have threads, and what a fork copies of them does not work.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._processes, mp_context=context, initializer=_begin, initargs=(os.getpid(),))

    def run(
        self, function: Callable[[Piece], Result], pieces: Iterable[Piece], lost: Callable[[Piece], Result]
    ) -> Iterator[Result]:
        """See `Executor`."""
        coming = iter(pieces)
        first = next(coming, None)
        if first is None:
            return
        waiting: deque[tuple[Piece, Future[Result]]] = deque()

        def hand_out() -> None:
            while len(waiting) < self._processes + _AHEAD and (piece := next(coming, None)) is not None:
                waiting.append((piece, self._pool.submit(function, piece)))

        hand_out()
        yield function(first)
        while waiting:
            piece, future = waiting.popleft()
            try:
                yield future.result()
            except BrokenProcessPool:
                self._pool.shutdown(cancel_futures=True)
                self._pool = self._start()
                yield self._alone(function, piece, lost)
                again = [later for later, _ in waiting]
                waiting.clear()
                waiting.extend((later, self._pool.submit(function, later)) for later in again)
            hand_out()

    def _alone(self, function: Callable[[Piece], Result], piece: Piece, lost: Callable[[Piece], Result]) -> Result:
        """Run a piece that may have ended its process, with nobody beside it."""
        try:
            return self._pool.submit(function, piece).result()
        except BrokenProcessPool:
            self._pool.shutdown(cancel_futures=True)
            self._pool = self._start()
            return lost(piece)

    def close(self) -> None:
        """See `Executor`."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _begin(parent: int) -> None:
    """Set up a process of the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Before numpy is imported: a second thread of each would wait for the other processes.
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1"))
    # A pool whose owner was killed would wait for work for ever.
    with contextlib.suppress(AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class Ray:
    """A Ray cluster: the one that `RAY_ADDRESS` names, or one of this machine that lasts as long as the program.

    Every node needs this program, and the data at the same paths.
    """

    def __init__(self) -> None:
        try:
            import ray
        except ImportError:
            raise EnvironmentProblem(
                "the executor 'ray' needs the package ray, which is not installed; pip install 'voice-workbench[ray]'"
            ) from None
        self._ray: Any = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            here = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": cores(), "include_dashboard": False}
            self._ray.init(logging_level=logging.ERROR, log_to_driver=False, **here)

    def run(
        self, function: Callable[[Piece], Result], pieces: Iterable[Piece], lost: Callable[[Piece], Result]
    ) -> Iterator[Result]:
        """See `Executor`."""
        remote = self._ray.remote(max_retries=1)(_call)
        ahead = _AHEAD * max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        waiting: deque[tuple[Piece, Any]] = deque()
        for piece in pieces:
            waiting.append((piece, remote.remote(function, piece)))
            if len(waiting) > ahead:
                yield self._result(*waiting.popleft(), lost)
        while waiting:
            yield self._result(*waiting.popleft(), lost)

    def _result(self, piece: Piece, reference: Any, lost: Callable[[Piece], Result]) -> Result:
        try:
            result: Result = self._ray.get(reference)
        except self._ray.exceptions.WorkerCrashedError:
            return lost(piece)
        return result

    def close(self) -> None:
        """See `Executor`."""
        if self._ours:
            self._ray.shutdown()


def _call(function: Callable[[Any], Any], piece: Any) -> Any:
    return function(piece)
