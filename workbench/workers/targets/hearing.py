"""Hears the phones of recordings, in threads that give way to all other work, and keeps what was heard at once."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import soundfile

from core_vits.audio import AudioError, load_recording
from workbench.api import PhoneRecognizer, PhoneRecognizerSpec
from workbench.config import Workspace
from workbench.errors import PluginError
from workbench.host import Host, Registered
from workbench.mismatch.heard_memo import HeardMemo, recording_digest

Progress = Callable[[float, float, str], None]
Phones = tuple[str, ...]

_NICENESS = 10
_WAITING_PER_THREAD = 4
_PATHS_A_LINE = 50
"""Recordings that are looked up between two words about it."""
_COST_UNTIL_KNOWN = 0.1
"""Seconds of hearing for a second of speech, until this machine's own speed is known."""


@dataclass(frozen=True, slots=True)
class _New:
    """A recording that was not heard before."""

    digest: str
    path: Path
    seconds: float


class Hearing:
    """Hears recordings, each content once."""

    def __init__(
        self, workspace: Workspace, host: Host, registered: Registered[PhoneRecognizerSpec], threads: int
    ) -> None:
        """
        Args:
            workspace: in whose cache folder it is kept what was heard.
            host: makes the recognisers.
            registered: which one.
            threads: that hear at the same time, each with a recogniser of its own.

        Raises:
            PluginError: the recogniser can't be made.
        """
        self._name = registered.spec.name
        self._recognizers: list[PhoneRecognizer] = [host.create(registered) for _ in range(threads)]
        self._idle: SimpleQueue[PhoneRecognizer] = SimpleQueue()
        for recognizer in self._recognizers:
            self._idle.put(recognizer)
        version = str(self._recognizers[0].version)
        self.called = version if version.startswith(self._name) else f"{self._name} {version}"
        """Name and version of the recogniser."""
        self._memo = HeardMemo(workspace.cache, [self._name, version])
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hearing", initializer=_give_way)
        self._threads = threads
        self._failures: list[str] = []
        self._before = self._now = 0
        self._speech = self._seconds = 0.0

    def hear(self, paths: Sequence[Path | None], progress: Progress | None) -> list[Phones | None]:
        """Phones of each recording; None where there is none, it can't be decoded, or the recogniser failed.

        Raises:
            PluginError: the recogniser failed each time.
        """
        digests = []
        for done, path in enumerate(paths):
            if progress is not None and done % _PATHS_A_LINE == 0:
                progress(done, len(paths), "recordings looked up")
            digests.append(_digest(path))
        new = self._new(paths, digests)
        total = sum(item.seconds for item in new)
        self._before = len(set(digests) - {""}) - len(new)
        begun = time.monotonic()
        for done, (item, phones) in enumerate(self._in_order(new)):
            if progress is not None:
                progress(done, len(new), f"new recordings; {self._outlook(total)}")
            if phones is not None:
                self._memo.add(item.digest, phones)
                self._now += 1
            self._speech += item.seconds
            self._seconds = time.monotonic() - begun
        if self._failures and not self._now:
            raise PluginError(f"phone recogniser {self._name}: {self._failures[0]}")
        return [self._memo.get(digest) if digest else None for digest in digests]

    def summary(self) -> dict[str, Any]:
        """How much was heard, and how fast."""
        return {
            "recognizer": self._name,
            "heard_now": self._now,
            "heard_before": self._before,
            "recognizer_failures": len(self._failures),
            "hours_heard": round(self._speech / 3600, 4),
            "seconds_hearing": round(self._seconds, 1),
        }

    def close(self) -> None:
        """End the threads and give back what the recognisers hold."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for recognizer in self._recognizers:
            recognizer.close()

    def _new(self, paths: Sequence[Path | None], digests: Sequence[str]) -> list[_New]:
        """What was not heard yet; two files with the same content are heard once."""
        new = {
            digest: path
            for path, digest in zip(paths, digests, strict=True)
            if digest and path is not None and self._memo.get(digest) is None
        }
        return [_New(digest, path, _seconds(path)) for digest, path in new.items()]

    def _in_order(self, new: Sequence[_New]) -> Iterator[tuple[_New, Phones | None]]:
        """Phones of each; only a few recordings are decoded at a time."""
        waiting: list[tuple[_New, Future[Phones | None]]] = []
        for item in new:
            waiting.append((item, self._pool.submit(self._hear_one, item.path)))
            if len(waiting) >= _WAITING_PER_THREAD * self._threads:
                earlier, future = waiting.pop(0)
                yield earlier, future.result()
        for item, future in waiting:
            yield item, future.result()

    def _hear_one(self, path: Path) -> Phones | None:
        recognizer = self._idle.get()
        try:
            return tuple(recognizer.hear(load_recording(path, recognizer.sample_rate)))
        except AudioError:
            return None
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            self._failures.append(" ".join(f"{type(error).__name__}: {error} ({path.name})".split()))
            return None
        finally:
            self._idle.put(recognizer)

    def _outlook(self, total: float) -> str:
        """How much is left and how long it takes."""
        cost = self._seconds / self._speech if self._speech else _COST_UNTIL_KNOWN / self._threads
        left = max(0.0, total - self._speech)
        minutes, seconds = divmod(round(left * cost), 60)
        return f"{left / 3600:.2f} h of speech left, about {minutes}:{seconds:02} min"


def _give_way() -> None:
    # A process can lower its priority but not raise it again, and this one has other calls to answer.
    with contextlib.suppress(OSError):  # Linux has a priority for each thread; others refuse the number
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _digest(path: Path | None) -> str:
    """Of a recording's file; empty when it can't be read."""
    try:
        return recording_digest(path) if path is not None else ""
    except OSError:
        return ""


def _seconds(path: Path) -> float:
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.SoundFileError, OSError):
        return 0.0
