"""Looks at the files of the runs, in a thread, and says what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.tui.services import Exported, Services, VoiceFile

if TYPE_CHECKING:
    from workbench.jobs.runs import RunView
    from workbench.tail.follower import RunFollower

LIST_SECONDS = 2.0
"""How often all runs and voices are listed; the run that is shown is read at every look."""
LOG_LINES = 200
READ_SECONDS = 0.25
"""Most that the first look at a run spends on event files: then there is something to see."""
READ_ON_SECONDS = 0.75
"""Most that each further look spends, as long as the ends of the files are not reached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What the files said at one look; two equal snapshots need no redraw."""

    runs: tuple[RunView, ...] = ()
    run: RunView | None = None
    """The run that is shown."""
    voices: tuple[VoiceFile, ...] = ()
    disk_free: int | None = None
    """Bytes, in steps of 10 MB so that the header stands still."""
    log: tuple[str, ...] = ()
    exports: Mapping[Path, Exported] = field(default_factory=dict)
    """The last export of each checkpoint of the run that is shown."""
    speakers: tuple[str, ...] = ()
    """Speakers of the run that is shown; none for a voice with one."""
    stopping: bool = False
    """Whether the run that is shown was asked to stop and has not stopped yet."""
    note: str = ""
    """What is wrong with the list of runs, one line."""

    @property
    def live(self) -> RunView | None:
        """The run that trains now."""
        return next((run for run in self.runs if run.live), None)

    @property
    def resumable(self) -> RunView | None:
        """A run that ended before its last epoch and has a checkpoint: the one that is shown, or else the latest."""
        ended = [run for run in self.runs if run.state in {"stopped", "failed", "lost"} and run.checkpoints]
        shown = [run for run in ended if self.run is not None and run.folder == self.run.folder]
        found = shown or ended
        return found[-1] if found else None


def _unlisted(shown: Path | None, runs: Sequence[RunView]) -> bool:
    return shown is not None and not any(run.holds(shown) for run in runs)


class Watcher:
    """Keeps what one look must know of the last one. Used by one thread at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._snapshot = Snapshot()
        self._listed = -LIST_SECONDS
        self.behind = False
        """Whether the event files hold more than was read: look again at once."""
        self._follower: RunFollower | None = None
        self._followed: Path | None = None

    def look(self, shown: Path | None, *, metrics: bool, log: bool) -> tuple[Snapshot, RunFollower | None, bool]:
        """Read what may have changed.

        Args:
            shown: folder of the run to show; None for the live run, or else the latest.
            metrics: whether to read event files (only while a curve is on the screen).
            log: whether to read the trainer's log.

        Returns:
            The snapshot, the reader of the shown run's curves, and whether curves changed.
        """
        services = self._services
        now = services.now()
        snapshot = self._snapshot
        if now - self._listed >= LIST_SECONDS or _unlisted(shown, snapshot.runs):
            self._listed = now
            free = services.disk_free()
            snapshot = replace(
                snapshot,
                runs=tuple(services.list_runs()),
                voices=tuple(services.list_voices()),
                note=services.runs_note(),
                disk_free=None if free is None else free // 10_000_000 * 10_000_000,
            )
        run = self._choose(snapshot.runs, shown)
        if run is not None:
            run = services.read_run(run.folder)
            runs = tuple(run if other.folder == run.folder else other for other in snapshot.runs)
            lines = tuple(services.log_lines(run, LOG_LINES)) if log else snapshot.log
            stopping = run.live and services.is_stopping(run)
            exports, speakers = services.list_exports(run), tuple(services.list_speakers(run))
            snapshot = replace(
                snapshot, runs=runs, run=run, log=lines, stopping=stopping, exports=exports, speakers=speakers
            )
        else:
            snapshot = replace(snapshot, run=None, log=(), stopping=False, exports={}, speakers=())
        self._snapshot = snapshot
        follower = self._follow(run)
        if not metrics:
            self.behind = False
        return snapshot, follower, self._read() if metrics else False

    def forget_list(self) -> None:
        """List runs and voices at the next look. May be called by another thread."""
        self._listed = -LIST_SECONDS

    def _choose(self, runs: Sequence[RunView], shown: Path | None) -> RunView | None:
        held = [run for run in runs if shown is not None and run.holds(shown)]
        # The folder itself before a later run that went on from it.
        wanted = [run for run in held if run.folder == shown] or held or [run for run in runs if run.live] or [*runs]
        return wanted[-1] if wanted else None

    def _follow(self, run: RunView | None) -> RunFollower | None:
        folder = None if run is None else run.folder
        if folder != self._followed:
            self._followed = folder
            self._follower = None if run is None else self._services.follower(run)
            self.behind = False
        return self._follower

    def _read(self) -> bool:
        if self._follower is None:
            return False
        changes = self._follower.poll(READ_ON_SECONDS if self.behind else READ_SECONDS)
        self.behind = not changes.complete
        return bool(changes)
