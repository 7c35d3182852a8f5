"""`python -m workbench.train.prepare RUN`: makes the clips that the run will train on.

Reads `run.toml`, puts every usable row into the cache, and writes `prepare.json` (what is trained, what is not and why)
and `config.json` (Piper's description of the voice). What is cached already is not made again. Needs no torch, so it
starts at once. Exit code 0: done, or stopped on request; 2: the dataset can't be trained, and one line says why.
"""

from __future__ import annotations

import contextlib
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core_vits.audio import AudioError
from core_vits.cache import CacheError, CacheSettings, CacheWriter, Entry, clip_key
from core_vits.manifest import ManifestError, Row
from core_vits.phonemes import NUM_SYMBOLS
from workbench.config import HOP_LENGTH, Workspace, shown, workspace_from_dict
from workbench.config.settings import TEXT
from workbench.errors import RunError, WorkbenchError
from workbench.host import Host
from workbench.jobs import rundir
from workbench.jobs.checks import not_found, refuse_too_few
from workbench.jobs.curation import read_curation
from workbench.jobs.dataset import read_table
from workbench.jobs.inherited import check_symbols, inherited, number_speakers
from workbench.train.cutting import Cut, CutPlan, cut_all
from workbench.train.voice_config import voice_config
from workbench.workers.targets.frontend import FrontEnd, cache_settings, front_end

USER_ERROR = 2


class Stopped(Exception):
    """A stop was requested; what is prepared is kept."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A line of the metadata that will not be trained."""

    line: int
    file: str
    reason: str


@dataclass(slots=True)
class Plan:
    """Where each row stands: in the cache, still to be made, or dropped."""

    keys: dict[int, str] = field(default_factory=dict)
    """Key of each row by its line."""
    todo: list[tuple[Row, Path, tuple[int, ...]]] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    recorded: list[Row] = field(default_factory=list)
    """Rows that have a recording which is not empty, whatever is in it."""

    def drop(self, row: Row, reason: str) -> None:
        """Leave a row out."""
        self.keys.pop(row.line, None)
        self.dropped.append(Dropped(row.line, row.file, reason))


class Preparation:
    """One preparation of one run's dataset."""

    def __init__(self, run: Path, workspace: Workspace, front: FrontEnd) -> None:
        self._run = run
        self._workspace = workspace
        self._front = front
        self._status = rundir.StatusWriter(run)
        self._stop_looked = -1.0

    def run(self) -> dict[str, Any]:
        """Prepare everything; the content of `prepare.json`.

        Raises:
            Stopped: a stop was requested.
            DatasetError: too little can be trained.
            CacheError: the cache can't be written.
            ManifestError: the metadata can't be read.
            RunError: what the run goes on from can't be read.
        """
        workspace, settings = self._workspace, cache_settings(self._workspace, self._front)
        before = inherited(self._run, workspace)
        check_symbols(workspace, self._front.id_map, before)
        manifest = read_table(workspace)
        plan = Plan(dropped=[Dropped(item.line, "", item.message) for item in manifest.problems if item.skipped])
        with CacheWriter(workspace.cache, settings) as writer:
            self._look_up(manifest.rows, settings, writer, plan)
            made = self._make(plan, settings, writer)
            self._check(manifest.rows, writer, plan)
            rows = [row for row in manifest.rows if row.line in plan.keys]
            entries = [writer.entry(plan.keys[row.line]) for row in rows]
            folder = writer.folder
        refuse_too_few(workspace, len(rows), [(item.line, item.file, item.reason) for item in plan.dropped])
        speakers, number = number_speakers(workspace, manifest.rows, plan.recorded, before)
        # The first of them may have no clip; nobody who picks up the voice should hear that first.
        first = min((speakers[row.speaker] for row in rows if row.speaker in speakers), default=0)
        summary = self._summary(rows, entries, plan, made=made, folder=folder)
        return {**summary, "speakers": speakers, "num_speakers": number, "default_speaker": first}

    def _look_up(self, rows: Sequence[Row], settings: CacheSettings, writer: CacheWriter, plan: Plan) -> None:
        """Find each row's recording, and its clip if it was made before; phonemes of the others."""
        new: list[tuple[Row, Path]] = []
        first_line: dict[str, int] = {}
        curation = read_curation(self._workspace.curation)
        for done, row in enumerate(rows):
            self._progress(done, len(rows), "looking for clips that are prepared already")
            path = curation.recording(self._workspace.audio_folder, row.file)
            if path is None:
                plan.drop(row, not_found(self._workspace, row.file))
                continue
            try:
                if path.stat().st_size:
                    plan.recorded.append(row)
                if self._workspace.dataset.type == TEXT and not row.text.strip():
                    plan.drop(row, "its text is empty")
                    continue
                key = clip_key(settings, path, row.text, row.speaker, row.phoneme_ids)
            except OSError as error:
                plan.drop(row, f"the recording can't be read: {error.strerror}")
                continue
            if first_line.setdefault(key, row.line) != row.line:
                plan.drop(row, f"it is the same recording and text as line {first_line[key]}")
                continue
            plan.keys[row.line] = key
            if not writer.has(key):
                new.append((row, path))
        self._phonemize(new, plan)

    def _phonemize(self, new: Sequence[tuple[Row, Path]], plan: Plan) -> None:
        """Phoneme ids of the clips that must be made."""
        for begin in range(0, len(new), 32):
            self._progress(begin, len(new), "turning texts into phonemes")
            part = new[begin : begin + 32]
            for (row, path), spoken in zip(part, self._front.read([row for row, _ in part]), strict=True):
                if spoken.error:
                    plan.drop(row, f"it can't be turned into phonemes: {spoken.error}")
                elif not spoken.phonemes:
                    plan.drop(row, "its text gives no phonemes")
                else:
                    plan.todo.append((row, path, spoken.ids))

    def _make(self, plan: Plan, settings: CacheSettings, writer: CacheWriter) -> int:
        """Cut and cache the recordings that are new; how many."""
        cutting = CutPlan(
            settings.sample_rate, settings.trim_silence, settings.keep_seconds_before, settings.keep_seconds_after
        )
        made, total = 0, len(plan.todo)
        results = cut_all([path for _, path, _ in plan.todo], cutting)
        begun = time.monotonic()
        try:
            for done, ((row, _, ids), result) in enumerate(zip(plan.todo, results, strict=True)):
                self._progress(done, total, "clips", begun)
                if not isinstance(result, Cut):
                    plan.drop(row, f"its recording {result}")
                else:
                    made += 1
                    writer.add(
                        key=plan.keys[row.line], file=row.file, text=row.text, speaker=row.speaker, phoneme_ids=ids,
                        audio=result.samples, seconds_trimmed=result.seconds_trimmed,
                    )  # fmt: skip
        finally:
            results.close()
        self._progress(total, total, "clips")
        return made

    def _check(self, rows: Sequence[Row], writer: CacheWriter, plan: Plan) -> None:
        """Drop what is cached and would crash or spoil a training."""
        for row in rows:
            if row.line not in plan.keys:
                continue
            entry = writer.entry(plan.keys[row.line])
            frames, ids = entry.samples // HOP_LENGTH, len(entry.phoneme_ids)
            if ids > frames:
                plan.drop(
                    row, f"it has more phoneme ids than frames ({ids} > {frames}): too little speech for its text"
                )
            elif max(entry.phoneme_ids) >= NUM_SYMBOLS:
                plan.drop(row, f"phoneme id {max(entry.phoneme_ids)} is beyond the {NUM_SYMBOLS} that a voice has")

    def _summary(
        self,
        rows: Sequence[Row],
        entries: Sequence[Entry],
        plan: Plan,
        *,
        made: int,
        folder: Path,
    ) -> dict[str, Any]:
        rate = self._workspace.audio.sample_rate
        return {
            "format": 1,
            "cache": str(folder),
            "sample_rate": rate,
            "num_symbols": NUM_SYMBOLS,
            "phonemizer": {
                "name": self._front.name,
                "version": self._front.version,
                "language": self._front.language,
            },
            "seconds": round(sum(entry.samples for entry in entries) / rate, 3),
            "reused": len(rows) - made,
            "made": made,
            "trained": [
                {
                    "line": row.line,
                    "file": row.file,
                    "key": entry.key,
                    "seconds": round(entry.samples / rate, 3),
                    "frames": entry.samples // HOP_LENGTH,
                    "phonemes": len(entry.phoneme_ids),
                }
                for row, entry in zip(rows, entries, strict=True)
            ],
            "dropped": [
                {"line": item.line, "file": item.file, "reason": item.reason}
                for item in sorted(plan.dropped, key=lambda item: item.line)
            ],
        }

    def _progress(self, done: int, total: int, what: str, begun: float | None = None) -> None:
        """Say how far it is; look for a request to stop once a second at most.

        Raises:
            Stopped: there is one.
            RunError: the run was removed.
        """
        now = time.monotonic()
        if now - self._stop_looked >= 0.5:
            self._stop_looked = now
            if rundir.is_gone(self._run):
                raise RunError(rundir.gone_message(self._run))
            if rundir.stop_requested(self._run):
                raise Stopped
        eta = (now - begun) / done * (total - done) if begun is not None and done else None
        progress = {"done": done, "total": total, "eta_seconds": None if eta is None else round(eta, 1), "what": what}
        self._status.update(now=done == total, phase="prepare", state="running", progress=progress)


def _workspace(run: Path) -> Workspace:
    """
    Raises:
        RunError: the run has no readable settings.
    """
    file = run / rundir.SETTINGS
    try:
        with file.open("rb") as stream:
            return workspace_from_dict(tomllib.load(stream), file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{shown(file)}: the run's settings can't be read: {error}. Start a new run.") from None


def prepare(run: Path) -> dict[str, Any] | None:
    """Prepare the dataset of a run; the content of `prepare.json`, or None when a stop was requested.

    Raises:
        WorkbenchError: settings, plugins or dataset can't be used.
        ManifestError: the metadata can't be read.
        CacheError: the cache can't be written.
    """
    begun = time.monotonic()
    workspace = _workspace(run)
    front = front_end(workspace, Host.load(workspace))
    try:
        summary = Preparation(run, workspace, front).run()
        config = voice_config(
            workspace,
            front.id_map,
            speakers=summary["speakers"],
            num_speakers=summary["num_speakers"],
            default_speaker=summary["default_speaker"],
            phoneme_type=front.phoneme_type,
        )
    except Stopped:
        print("stopped on request; what is prepared is kept", flush=True)
        return None
    finally:
        front.close()
    try:
        rundir.write_json(run / rundir.VOICE_CONFIG, config, durable=True)
        rundir.write_json(run / rundir.PREPARED, summary, durable=True)
    except OSError as error:
        raise RunError(f"{shown(run)}: can't be written: {error.strerror}. Free disk space and start again.") from None
    counts = {"trained": len(summary["trained"]), "dropped": len(summary["dropped"]), "made": summary["made"]}
    rundir.write_status(run, phase="prepare", progress=None)
    rundir.append_event(run, "prepare_done", **counts, seconds=summary["seconds"])
    for item in summary["dropped"]:
        print(f"{workspace.dataset.metadata}:{item['line']}: dropped {item['file']}: {item['reason']}")
    print(f"{counts['trained']} clips, {summary['seconds'] / 3600:.2f} h; {counts['dropped']} rows dropped; "
          f"{counts['made']} made new in {time.monotonic() - begun:.1f} s", flush=True)  # fmt: skip
    return summary


def main(argv: Sequence[str] | None = None) -> int:
    """The command; the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if len(arguments) != 1:
        print("usage: python -m workbench.train.prepare RUN", file=sys.stderr)
        return USER_ERROR
    run = Path(arguments[0])
    try:
        prepare(run)
    except (WorkbenchError, ManifestError, CacheError, AudioError) as error:
        message = rundir.one_line(str(error))
        if not rundir.is_gone(run):
            rundir.append_event(run, "error", message=message)
            rundir.write_status(run, phase="prepare", message=message)
        with contextlib.suppress(OSError):  # the log may lie on the full disk that all this is about
            print(message, file=sys.stderr, flush=True)
        return USER_ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main())
