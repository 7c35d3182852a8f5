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
from pathlib import Path
from typing import Any

from core_vits.audio import AudioError
from core_vits.cache import CacheError
from core_vits.manifest import ManifestError
from core_vits.phonemes import NUM_SYMBOLS
from workbench.config import HOP_LENGTH, Workspace, shown, workspace_from_dict
from workbench.errors import RunError, WorkbenchError
from workbench.host import Host
from workbench.jobs import rundir
from workbench.jobs.checks import refuse_too_few
from workbench.jobs.inherited import check_symbols, inherited, number_speakers
from workbench.train.clips import ClipBuild, Clips
from workbench.train.voice_config import voice_config
from workbench.workers.targets.frontend import FrontEnd, front_end

USER_ERROR = 2


class Stopped(Exception):
    """A stop was requested; what is prepared is kept."""


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
        workspace = self._workspace
        before = inherited(self._run, workspace)
        check_symbols(workspace, self._front.id_map, before)
        clips = ClipBuild(workspace, self._front, self._progress).run()
        refuse_too_few(workspace, len(clips.rows), [(item.line, item.file, item.reason) for item in clips.dropped])
        speakers, number = number_speakers(workspace, clips.all_rows, clips.recorded, before)
        # The first of them may have no clip; nobody who picks up the voice should hear that first.
        first = min((speakers[row.speaker] for row in clips.rows if row.speaker in speakers), default=0)
        return {**self._summary(clips), "speakers": speakers, "num_speakers": number, "default_speaker": first}

    def _summary(self, clips: Clips) -> dict[str, Any]:
        rate = self._workspace.audio.sample_rate
        return {
            "format": 1,
            "cache": str(clips.folder),
            "sample_rate": rate,
            "num_symbols": NUM_SYMBOLS,
            "phonemizer": {
                "name": self._front.name,
                "version": self._front.version,
                "language": self._front.language,
            },
            "seconds": round(sum(entry.samples for entry in clips.entries) / rate, 3),
            "reused": len(clips.rows) - clips.made,
            "made": clips.made,
            "trained": [
                {
                    "line": row.line,
                    "file": row.file,
                    "key": entry.key,
                    "seconds": round(entry.samples / rate, 3),
                    "frames": entry.samples // HOP_LENGTH,
                    "phonemes": len(entry.phoneme_ids),
                }
                for row, entry in zip(clips.rows, clips.entries, strict=True)
            ],
            "dropped": [{"line": item.line, "file": item.file, "reason": item.reason} for item in clips.dropped],
        }

    def _progress(self, done: int, total: int, what: str, left: float | None) -> None:
        """Say how far it is; look for a request to stop twice a second at most.

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
        eta = None if left is None else round(left, 1)
        progress = {"done": done, "total": total, "eta_seconds": eta, "what": what}
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
