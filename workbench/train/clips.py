"""The clips of a dataset: those that the cache has, those that are made now, and the rows that give none. No torch."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core_vits.cache import CacheSettings, CacheWriter, Entry, Shard, clip_key
from core_vits.cutting import Cut, CutPlan
from core_vits.manifest import Row
from core_vits.recordings import Recordings
from workbench.config import HOP_LENGTH, Workspace
from workbench.config.settings import TEXT
from workbench.executors import Executor, check, executor
from workbench.jobs.checks import not_found
from workbench.jobs.curation import read_curation
from workbench.jobs.dataset import read_table
from workbench.jobs.untrained import EMPTY_TEXT, why_repeated, why_uncut, why_unfit, why_unspoken
from workbench.train.cutting import PRELOAD, Cutter, Group, Made, group_size, worth_starting
from workbench.workers.targets.frontend import FrontEnd, Spoken, cache_settings, known_recordings
from workbench.workers.targets.process_front import phoneme_settings, use_front

Progress = Callable[[int, int, str, float | None], None]
"""Called with done, total, what is done, and the seconds that are left where that is known; what it raises ends it."""

PREPARED = "prepared.json"
"""Beside the index: what the last complete preparation of this folder came to."""
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Dropped:
    """A line of the metadata that will not be trained."""

    line: int
    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class New:
    """A clip that must be made."""

    row: Row
    path: Path
    status: os.stat_result
    """Of the recording."""

    @property
    def bytes(self) -> int:
        """Size of the recording."""
        return self.status.st_size


@dataclass(slots=True)
class Plan:
    """Where each row stands: in the cache, still to be made, or dropped."""

    keys: dict[int, str] = field(default_factory=dict)
    """Key of each row by its line."""
    todo: list[New] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    recorded: list[Row] = field(default_factory=list)
    """Rows that have a recording which is not empty, whatever is in it."""
    failed: list[str] = field(default_factory=list)
    """Keys of clips that can't be made or trained."""

    def drop(self, row: Row, reason: str) -> None:
        """Leave a row out."""
        if row.line in self.keys:
            self.failed.append(self.keys.pop(row.line))
        self.dropped.append(Dropped(row.line, row.file, reason))


@dataclass(frozen=True, slots=True)
class Clips:
    """What a preparation has."""

    rows: list[Row]
    """Those that can be trained."""
    entries: list[Entry]
    """Of these rows, in their order."""
    all_rows: Sequence[Row]
    recorded: list[Row]
    dropped: list[Dropped]
    made: int
    folder: Path
    """The cache."""


class Lookup:
    """Finds what a workspace's rows are called in the cache."""

    def __init__(self, workspace: Workspace, settings: CacheSettings, progress: Progress) -> None:
        self._workspace = workspace
        self._audio_folder = workspace.audio_folder
        self._curation = read_curation(workspace.curation)
        self._fingerprint = settings.fingerprint()
        self._progress = progress

    def run(self, rows: Sequence[Row], recordings: Recordings, there: Callable[[str], bool]) -> Plan:
        """Find each row's recording and key.

        Args:
            rows: of the table.
            recordings: knows or finds out the hashes of their files.
            there: whether the cache has the clip of a key.
        """
        plan = Plan()
        first_line: dict[str, int] = {}
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            self._progress(begin, len(rows), "looking for clips that are prepared already", None)
            found = [new for row in rows[begin : begin + _ROWS_AT_ONCE] if (new := self._find(row, plan)) is not None]
            for new, digest in zip(found, recordings.hashes([(new.path, new.status) for new in found]), strict=True):
                row = new.row
                if isinstance(digest, OSError):
                    plan.drop(row, f"the recording can't be read: {digest.strerror}")
                    continue
                key = clip_key(self._fingerprint, digest, row.text, row.speaker, row.phoneme_ids)
                if first_line.setdefault(key, row.line) != row.line:
                    plan.drop(row, why_repeated(first_line[key]))
                    continue
                plan.keys[row.line] = key
                if not there(key):
                    plan.todo.append(new)
        return plan

    def _find(self, row: Row, plan: Plan) -> New | None:
        path = self._curation.recording(self._audio_folder, row.file)
        if path is None:
            plan.drop(row, not_found(self._workspace, row.file))
            return None
        try:
            status = path.stat()
        except OSError as error:
            plan.drop(row, f"the recording can't be read: {error.strerror}")
            return None
        if status.st_size:
            plan.recorded.append(row)
        if self._workspace.dataset.type == TEXT and not row.text.strip():
            plan.drop(row, EMPTY_TEXT)
            return None
        return New(row, path, status)


class ClipBuild:
    """One preparation of one dataset, or of a shard of it."""

    def __init__(
        self,
        workspace: Workspace,
        front: FrontEnd,
        progress: Progress,
        *,
        shard: Shard | None = None,
        verify: bool = False,
        executor_name: str = "auto",
    ) -> None:
        """
        Args:
            workspace: whose dataset it is.
            front: makes phoneme ids.
            progress: hears how far it is.
            shard: the rows that are prepared; None: all.
            verify: read all recordings and all cached audio again.
            executor_name: where recordings are cut; see `workbench.executors.NAMES`.

        Raises:
            EnvironmentProblem: the executor can't be used here.
        """
        check(executor_name)
        self._workspace = workspace
        self._front = front
        self._progress = progress
        self._shard = shard
        self._verify = verify
        self._executor_name = executor_name
        self._executor: Executor | None = None
        self._settings = settings = cache_settings(workspace, front)
        self._cutter = Cutter(
            CutPlan(
                settings.sample_rate, settings.trim_silence, settings.keep_seconds_before, settings.keep_seconds_after
            ),
            phoneme_settings(workspace, front),
        )

    def run(self) -> Clips:
        """Prepare everything.

        Raises:
            DatasetError: a recording or a text ends the process that prepares it.
            CacheError: the cache can't be written.
            ManifestError: the metadata can't be read.
            EnvironmentProblem: the executor can't be used here.
        """
        use_front(self._front)
        try:
            return self._run()
        finally:
            use_front(None)
            if self._executor is not None:
                self._executor.close()

    def _run(self) -> Clips:
        manifest, shard = read_table(self._workspace), self._shard
        rows = [row for place, row in enumerate(manifest.rows) if shard is None or shard.has(place)]
        with CacheWriter(self._workspace.cache, self._settings, shard) as writer:
            if self._verify or (shard is None and writer.suspect):
                writer.verify(lambda done, total: self._progress(done, total, "reading prepared audio again", None))
            # So many are new at least: processes start while recordings are looked up.
            self._start(len(rows) - len(writer), rows)
            recordings = known_recordings(self._workspace, self._settings, shard, trust=not self._verify)
            plan = Lookup(self._workspace, self._settings, self._progress).run(rows, recordings, writer.__contains__)
            recordings.save()
            if shard is None:
                plan.dropped += [Dropped(item.line, "", item.message) for item in manifest.problems if item.skipped]
            made = self._make(plan, writer)
            self._check(rows, writer, plan)
            left = [row for row in rows if row.line in plan.keys]
            entries = [writer.entry(plan.keys[row.line]) for row in left]
            writer.note(PREPARED, {"rows": len(rows), "clips": len(left), "failed": plan.failed})
        plan.dropped.sort(key=lambda item: item.line)
        return Clips(left, entries, manifest.rows, plan.recorded, plan.dropped, made, writer.folder)

    def _start(self, clips: int, rows: Sequence[Row]) -> None:
        """Start processes if so many clips are worth it."""
        if worth_starting(clips) > 1:
            self._executor = self._executor_for(clips)
            # After a scan, all phonemes are known.
            cutter = self._cutter if self._front.unknown(rows) else replace(self._cutter, phonemes=None)
            self._executor.start(cutter.ready)

    def _executor_for(self, clips: int) -> Executor:
        preload = PRELOAD if self._settings.trim_silence else [Cutter.__module__]
        return executor(self._executor_name, at_once=worth_starting(clips), preload=preload)

    def _make(self, plan: Plan, writer: CacheWriter) -> int:
        """Phonemize, cut and cache the recordings that are new; how many."""
        # Clips of one length are heard together at no loss, and no process is left with the longest at the end.
        todo = sorted(plan.todo, key=lambda new: -new.bytes)
        watch = Stopwatch(sum(new.bytes for new in todo), len(todo), self._progress)
        made = 0
        for part, result in self._cut(todo):
            self._front.learn(result.phonemes)
            spoken = self._front.read([new.row for new in part])
            for new, words, clip in zip(part, spoken, result.cuts, strict=True):
                watch.look()
                made += self._put(new, words, clip, plan, writer)
                watch.done(new.bytes)
        self._progress(len(todo), len(todo), "clips", None)
        return made

    def _cut(self, todo: Sequence[New]) -> Iterator[tuple[Sequence[New], Made]]:
        """Groups of recordings in their order, with what the executor makes of them."""
        if not todo:
            return
        self._executor = work = self._executor or self._executor_for(len(todo))
        size = group_size(len(todo), work.at_once)
        parts = [todo[begin : begin + size] for begin in range(0, len(todo), size)]
        groups = (Group([new.path for new in part], self._front.unknown([new.row for new in part])) for part in parts)
        yield from zip(parts, work.run(self._cutter, groups, self._cutter.lost), strict=True)

    def _put(self, new: New, spoken: Spoken, clip: Cut | str, plan: Plan, writer: CacheWriter) -> bool:
        """Cache a clip; False when there is none, which the plan is told."""
        row = new.row
        if why := why_unspoken(spoken.error, spoken.phonemes):
            plan.drop(row, why)
        elif not isinstance(clip, Cut):
            plan.drop(row, why_uncut(clip))
        else:
            writer.add(
                key=plan.keys[row.line], file=row.file, text=row.text, speaker=row.speaker, phoneme_ids=spoken.ids,
                audio=clip.samples, seconds_trimmed=clip.seconds_trimmed,
            )  # fmt: skip
            return True
        return False

    def _check(self, rows: Sequence[Row], writer: CacheWriter, plan: Plan) -> None:
        """Drop what is cached and would crash or spoil a training."""
        for row in rows:
            if row.line not in plan.keys:
                continue
            entry = writer.entry(plan.keys[row.line])
            if why := why_unfit(entry.phoneme_ids, entry.samples // HOP_LENGTH):
                plan.drop(row, why)


class Stopwatch:
    """Tells how far the making of clips is; the time that is left by the bytes of the recordings."""

    def __init__(self, total_bytes: int, clips: int, progress: Progress) -> None:
        self._total, self._clips, self._progress = total_bytes, clips, progress
        self._bytes = self._done = 0
        self._begun = time.monotonic()

    def look(self) -> None:
        """Say it."""
        seconds = time.monotonic() - self._begun
        left = seconds / self._bytes * (self._total - self._bytes) if self._bytes else None
        self._progress(self._done, self._clips, "clips", left)

    def done(self, size: int) -> None:
        """One more recording of so many bytes."""
        self._bytes += size
        self._done += 1
