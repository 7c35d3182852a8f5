"""Piper's own training runs (`lightning_logs/version_N`) as runs to look at. Nothing is ever written there.

Piper makes a new `version_N` at each start, so a training that was stopped and resumed lies in several. They are linked
by the checkpoint that each was resumed from, and the chain is one run, named by its newest version.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core_vits.checkpoint_names import OPTIMIZERS
from workbench.jobs.piper_checkpoints import compared
from workbench.jobs.piper_versions import Version, VersionReader, is_version, number_of
from workbench.jobs.runs import PIPER, RUNNING, RunStatus, RunView
from workbench.tail.chain import chains, is_folder

LIGHTNING_LOGS = "lightning_logs"
ACTIVE_SECONDS = 600.0
"""A run that wrote an event more recently is taken to be training. Piper's writer empties its buffer every two minutes,
and only where there is something in it: at every fiftieth batch."""

_PROBLEMS_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class PiperRun(RunView):
    """A chain of Piper's versions at one moment."""

    versions: tuple[Path, ...] = ()
    """Folders, oldest first; the last one is `folder`."""
    failed: tuple[Path, ...] = ()
    """Folders of starts that went on from one of the versions and wrote nothing."""
    history: tuple[str, ...] = ()
    """One line for each of both: when it began, from what, what it wrote."""
    problems: tuple[str, ...] = ()
    """What could not be read, or is odd, one line each."""

    @property
    def kind(self) -> str:
        return PIPER

    @property
    def label(self) -> str:
        first = self.versions[0].name if self.versions else self.id
        return self.id if first == self.id else f"{first}…{self.id.removeprefix('version_')}"

    @property
    def details(self) -> tuple[str, ...]:
        return (*self.history, *(f"▲ {problem}" for problem in self.problems))

    def holds(self, folder: Path) -> bool:
        return folder in self.versions or folder in self.failed


class PiperRuns:
    """The runs below a folder; used by one thread at a time.

    Args:
        folder: `lightning_logs`, a folder that holds one, or one `version_N`; None: there are no runs.
        now: gives Unix seconds.
    """

    def __init__(self, folder: Path | None, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now
        self._reader = VersionReader()
        self._chains: list[tuple[Path, ...]] = []
        self._failed: dict[Path, list[Path]] = {}
        """Starts that wrote nothing and are no run of their own, by the version that they went on from."""
        self.problem = ""
        """Why nothing could be listed, one line; empty if nothing is wrong."""

    def list_runs(self) -> list[PiperRun]:
        """All runs, the one whose newest version began last first."""
        folders = self._find()
        versions = {folder: self._reader.read(folder) for folder in folders}
        ordered = sorted(versions.values(), key=lambda version: (version.started, number_of(version.folder.name)))
        here = {version.folder.resolve(): version.folder for version in ordered}
        parents = {version.folder: here.get(version.parent) if version.parent else None for version in ordered}
        self._chains = chains(parents, [version.folder for version in ordered if version.barren])
        in_chains = {folder for chain in self._chains for folder in chain}
        self._failed = {}
        for folder, parent in parents.items():
            if folder not in in_chains and parent is not None:
                self._failed.setdefault(parent, []).append(folder)
        if self._folder in versions:  # one version was named: its own chain, not those of its siblings
            own = [chain for chain in self._chains if self._folder in chain]
            self._chains = [chain for chain in own if chain[-1] == self._folder] or own
        runs = [self._run([versions[folder] for folder in chain]) for chain in self._chains]
        return sorted(runs, key=lambda run: (versions[run.folder].started, number_of(run.id)), reverse=True)

    def read(self, folder: Path) -> PiperRun | None:
        """A run as it is now, by the folder of its newest version; None if the last list had no such run."""
        chain = next((chain for chain in self._chains if chain[-1] == folder), None)
        return None if chain is None else self._run([self._reader.read(version) for version in chain])

    def _find(self) -> list[Path]:
        """Folders of the versions; with one that was named, those that it may be linked to."""
        self.problem = ""
        folder = self._folder
        if folder is None:
            return []
        if is_folder(folder / LIGHTNING_LOGS):
            folder = folder / LIGHTNING_LOGS
        elif is_folder(folder) and is_version(folder):
            folder = folder.parent
        try:
            inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            reason = "there is no such folder" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
            self.problem = f"{self._folder}: {reason}; correct piper_runs in [paths] of workbench.toml"
            return []
        found = [path for path in inside if is_folder(path) and is_version(path)]
        if not found:
            self.problem = f"{self._folder}: there is no run of Piper in it (version_0, version_1, …)"
        return found

    def _run(self, chain: Sequence[Version]) -> PiperRun:
        newest = chain[-1]
        failed = [folder for version in chain for folder in self._failed.get(version.folder, ())]
        starts = sorted([*chain, *map(self._reader.read, failed)], key=lambda version: version.started)
        told = next((version for version in reversed(chain) if not version.barren), newest)
        settings = {key: value for version in chain for key, value in version.settings.items()}
        problems = [problem for version in chain for problem in version.problems]
        state = RUNNING if 0 <= self._now() - newest.wall_time < ACTIVE_SECONDS else PIPER
        losses = {name: value for name, (_, value) in told.values.items() if name.startswith("train/")}
        return PiperRun(
            id=newest.folder.name,
            folder=newest.folder,
            identity={**settings, "created": chain[0].started},
            status=RunStatus(
                state=state,
                epoch=max(0, told.epoch),
                epochs=max(0, settings.get("epochs", 0)),
                step=max(0, told.step),
                optimizer_step=OPTIMIZERS * max(0, told.step),
                losses={name.removeprefix("train/"): value for name, value in losses.items()},
                val_mel=told.values["val/mel"][1] if "val/mel" in told.values else None,
                updated=max(version.wall_time for version in chain),
            ),
            state=state,
            message=_summary(problems),
            checkpoints=compared(
                [view for version in chain for view in version.checkpoints],
                measured_mel=_measured(chain, "val/mel"),
                measured_mos=_measured(chain, "val/mos"),
            ),
            versions=tuple(version.folder for version in chain),
            failed=tuple(failed),
            history=tuple(version.described() for version in starts),
            problems=_first(problems),
        )


def _measured(chain: Sequence[Version], name: str) -> dict[tuple[Path, int], float]:
    """A score at the last validation of each version."""
    return {
        (view.file.parent, version.ended[0]): version.values[name][1]
        for version in chain
        for view in version.checkpoints
        if version.ended is not None and name in version.values
    }


def _first(problems: Sequence[str]) -> tuple[str, ...]:
    """As many as anybody reads."""
    more = len(problems) - _PROBLEMS_SHOWN
    return (*problems[:_PROBLEMS_SHOWN], *([f"and {more} more"] if more > 0 else []))


def _summary(problems: Sequence[str]) -> str:
    """The first one, and how many there are."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}" if problems else ""
