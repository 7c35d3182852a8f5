"""Where many small pieces of work run: here, in several processes, or on a cluster.

Whoever has work writes a function of one piece, importable by its name and the same wherever it runs, and hands it with
the pieces to an executor; results come back in the order of the pieces, while later pieces are still worked on.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import multiprocessing
import os
import re
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from typing import Any, Protocol, TypeVar

from core_vits.machine import cores
from workbench.errors import EnvironmentProblem

Piece = TypeVar("Piece")
Result = TypeVar("Result")

NAMES = ("auto", "here", "processes", "ray")
"""What `executor` takes."""
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1")
"""Environment of processes: every core has one, and threads of one would wait for the others."""
_RAY_IS_MISSING = "the executor 'ray' needs the package ray, which is not installed; pip install 'voice-workbench[ray]'"
# Pieces that are handed out, for each process: one is worked on, one waits. Results, which may be megabytes, wait in
# memory until it is their turn.
_AHEAD = 2
_HOST_AND_PORT = re.compile(r"(?:ray://)?([^/]+):(\d{1,5})/?")
_ANSWER_SECONDS = 10.0


class Executor(Protocol):
    """Runs a function over pieces."""

    at_once: int
    """Pieces that are worked on at the same time."""

    def start(self, ready: Callable[[], object]) -> None:
        """Let processes start and call `ready`, while the caller does something else; who does not call it loses time.

        Args:
            ready: loads what the pieces will need. Its result is dropped, and so is an exception.
        """

    def run(
        self,
        function: Callable[[Piece], Result],
        pieces: Iterable[Piece],
        lost: Callable[[Piece], Result],
        *,
        first_here: bool = False,
    ) -> Iterator[Result]:
        """Results in the order of the pieces, taken as they are wanted: pieces are not collected first.

        Args:
            function: pickled where pieces run elsewhere; an exception of it is raised here.
            pieces: the work; pickled as well.
            lost: called here for a piece that ended its process twice, a crash in a decoder for instance.
            first_here: work on the first piece in this process while others start, so that its result comes at once.
        """

    def close(self) -> None:
        """Let processes go; what they still work on is given up."""


def executor(name: str = "auto", *, at_once: int | None = None, preload: Sequence[str] = ()) -> Executor:
    """The executor of this name; `auto` takes processes where several can have enough to do.

    Args:
        name: one of `NAMES`.
        at_once: processes that are worth starting; None: one a core. `processes` starts two, if there
            are so many cores.
        preload: modules that the pieces need, see `Processes`.

    Raises:
        EnvironmentProblem: it can't be used here.
    """
    wanted = cores() if at_once is None else min(cores(), at_once)
    if name == "ray":
        return Ray()
    if name == "processes":
        return Processes(max(wanted, min(2, cores())), preload)
    if name == "auto" and wanted > 1:
        return Processes(wanted, preload)
    return Here()


def check(name: str) -> None:
    """Refuse an executor that can't be used here, before there is work for it.

    Raises:
        EnvironmentProblem: its package is not installed.
    """
    if name == "ray" and not _ray_is_there():
        raise EnvironmentProblem(_RAY_IS_MISSING)


def _ray_is_there() -> bool:
    try:
        return importlib.util.find_spec("ray") is not None
    except ValueError:  # a module of this name without a specification, None for instance
        return False


class Here:
    """This process."""

    at_once = 1

    def start(self, ready: Callable[[], object]) -> None:
        """See `Executor`: nothing is gained by loading it earlier."""

    def run(
        self,
        function: Callable[[Piece], Result],
        pieces: Iterable[Piece],
        lost: Callable[[Piece], Result],
        *,
        first_here: bool = False,
    ) -> Iterator[Result]:
        """See `Executor`."""
        return map(function, pieces)

    def close(self) -> None:
        """There is nothing to let go."""


class Processes:
    """Processes of this machine, one thread each."""

    def __init__(self, processes: int, preload: Sequence[str] = ()) -> None:
        """
        Args:
            processes: how many.
            preload: modules that they need. All processes share what the first executor that starts some has named;
                the others import it themselves. None of them may start a thread.
        """
        self.at_once = processes
        self._preload = preload
        self._pool = self._begin()
        self._starting: threading.Thread | None = None

    def _begin(self) -> ProcessPoolExecutor:
        # numpy, onnxruntime and soxr have threads here, and what a fork copies of them does not work. So processes are
        # forked from a server that has one thread and has imported the modules: they cost a quarter of new ones.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["workbench.one_thread", *self._preload])
        forkserver.ensure_running()
        return ProcessPoolExecutor(self.at_once, mp_context=context, initializer=_set_up, initargs=({**os.environ},))

    def start(self, ready: Callable[[], object]) -> None:
        """See `Executor`."""
        # In a thread: whoever asks for a process waits until the server has imported its modules.
        self._starting = threading.Thread(target=self._start, args=(ready,), daemon=True)
        self._starting.start()

    def _start(self, ready: Callable[[], object]) -> None:
        with contextlib.suppress(OSError, EOFError, RuntimeError):  # the first piece will meet the same
            for _ in range(self.at_once):
                self._submit(ready)

    def run(
        self,
        function: Callable[[Piece], Result],
        pieces: Iterable[Piece],
        lost: Callable[[Piece], Result],
        *,
        first_here: bool = False,
    ) -> Iterator[Result]:
        """See `Executor`."""
        coming = iter(pieces)
        waiting: deque[tuple[Piece, Future[Result]]] = deque()

        def hand_out() -> None:
            while len(waiting) < _AHEAD * self.at_once and (piece := next(coming, None)) is not None:
                waiting.append((piece, self._submit(function, piece)))

        if first_here and (first := next(coming, None)) is not None:
            if self._starting is None:
                self.start(_nothing)
            yield function(first)
        hand_out()
        while waiting:
            piece, future = waiting.popleft()
            try:
                result = future.result()
            except BrokenProcessPool:
                self._again()
                result = self._alone(function, piece, lost)
                again = [later for later, _ in waiting]
                waiting.clear()
                waiting.extend((later, self._submit(function, later)) for later in again)
            hand_out()
            yield result

    def _submit(self, function: Callable[..., Result], *pieces: Piece) -> Future[Result]:
        try:
            return self._pool.submit(function, *pieces)
        except BrokenProcessPool as error:  # by a piece whose turn has not come; then it is seen to
            broken: Future[Result] = Future()
            broken.set_exception(error)
            return broken

    def _alone(self, function: Callable[[Piece], Result], piece: Piece, lost: Callable[[Piece], Result]) -> Result:
        """Run a piece that may have ended its process, with nobody beside it."""
        try:
            return self._pool.submit(function, piece).result()
        except BrokenProcessPool:
            self._again()
            return lost(piece)

    def _again(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._pool = self._begin()

    def close(self) -> None:
        """See `Executor`."""
        if self._starting is not None:
            self._starting.join()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _nothing() -> None:
    """For processes that are only to start."""


def _set_up(environment: Mapping[str, str]) -> None:
    """Set up a process of the pool; the server may be older than what its owner has in its environment."""
    os.environ.clear()
    os.environ.update({**environment, **ONE_THREAD})

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A process whose owner was killed would wait for work for ever, and the server for it.
    threading.Thread(target=_end_with_owner, daemon=True).start()


def _end_with_owner() -> None:
    owner = multiprocessing.parent_process()
    if owner is not None:
        owner.join()
    os._exit(1)


def one_by_one(
    function: Callable[[Piece], Result], pieces: Iterable[Piece], lost: Callable[[Piece], Result]
) -> list[Result]:
    """Results of the parts of a lost piece, none beside another: `lost` is called for the one that ends its process."""
    alone = Processes(1)
    try:
        return list(alone.run(function, pieces, lost))
    finally:
        alone.close()


class Ray:
    """A Ray cluster: the one that `RAY_ADDRESS` names, or one of this machine that lasts as long as the program.

    Every node needs this program, and the data at the same paths.
    """

    def __init__(self) -> None:
        """
        Raises:
            EnvironmentProblem: the package is not installed, or no cluster answers.
        """
        try:
            import ray
        except ImportError:
            raise EnvironmentProblem(_RAY_IS_MISSING) from None
        self._ray: Any = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            self._connect()
        self.at_once = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def _connect(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # by default, Ray tells its makers of each start
        address = os.environ.get("RAY_ADDRESS", "")
        here = {} if address else {"num_cpus": cores(), "include_dashboard": False}
        where = f"the Ray cluster at RAY_ADDRESS={address} can't be used" if address else "Ray can't be started here"
        try:
            _knock(address)
            self._ray.init(logging_level=logging.ERROR, log_to_driver=False, **here)
        except (OSError, OverflowError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise EnvironmentProblem(f"{where}: {reason}. Correct it, or take another --executor.") from None

    def start(self, ready: Callable[[], object]) -> None:
        """See `Executor`: Ray has processes already."""

    def run(
        self,
        function: Callable[[Piece], Result],
        pieces: Iterable[Piece],
        lost: Callable[[Piece], Result],
        *,
        first_here: bool = False,
    ) -> Iterator[Result]:
        """See `Executor`."""
        remote = self._ray.remote(max_retries=1)(_call)
        waiting: deque[tuple[Piece, Any]] = deque()
        for piece in pieces:
            waiting.append((piece, remote.remote(function, piece)))
            if len(waiting) > _AHEAD * self.at_once:
                yield self._result(*waiting.popleft(), lost)
        while waiting:
            yield self._result(*waiting.popleft(), lost)

    def _result(self, piece: Piece, reference: Any, lost: Callable[[Piece], Result]) -> Result:
        errors = self._ray.exceptions
        try:
            result: Result = self._ray.get(reference)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError):
            return lost(piece)
        except errors.RayTaskError as error:
            raise error.cause from None  # else its message would be a traceback
        return result

    def close(self) -> None:
        """See `Executor`."""
        if self._ours:
            self._ray.shutdown()


def _knock(address: str) -> None:
    """
    Raises:
        OSError: nobody answers at the host and port of this address; Ray itself would try for minutes.
    """
    place = _HOST_AND_PORT.fullmatch(address)
    if place is not None:
        socket.create_connection((place[1].strip("[]"), int(place[2])), timeout=_ANSWER_SECONDS).close()


def _call(function: Callable[[Any], Any], piece: Any) -> Any:
    return function(piece)
