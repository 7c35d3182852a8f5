"""Everything that a report is made from, read once. Nothing of the project is changed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core_vits.manifest import ManifestError, Row, find_recording
from workbench.adopt import Adoption, adopt
from workbench.adopt.arithmetic import Plan
from workbench.adopt.documents import read_json
from workbench.adopt.places import folders
from workbench.adopt.project import VoiceFile, voices
from workbench.config import WORKSPACE_FILE, Workspace, load_workspace
from workbench.config.settings import RESUME
from workbench.errors import ConfigError, PluginError, RunError, WorkbenchError
from workbench.host import Host
from workbench.jobs.curation import read_curation
from workbench.jobs.dataset import read_table
from workbench.jobs.piper_runs import PiperRuns
from workbench.jobs.runs import RunView, list_runs
from workbench.mismatch.kept import Utterance
from workbench.mismatch.known import Known, known_of, stamp_now
from workbench.report.event_files import EventFile, find_event_files, read_event_file
from workbench.report.machine import Machine, read_machine
from workbench.report.places import named
from workbench.report.recordings import Recordings, read_recordings
from workbench.report.records import Text, say
from workbench.report.saved import Inside, Saved, Voice, look_inside, read_checkpoints, read_voices
from workbench.report.scanned import Scanned, read_scan
from workbench.scan.named_caches import named_caches
from workbench.scan.piper_cache import Cache, cache_folders, found_in, read_cache

Scan = Callable[[Workspace], Mapping[str, Any]]
"""Looks at every row and recording, elsewhere: gives what `workbench.workers.targets.health.scan` returns."""

_EVENT_FILES_READ = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of a project."""

    folder: Path
    workspace: Workspace
    adopted: bool
    """Whether the workspace is that of a file, and not only proposed."""
    adoption: Adoption | None
    """What was read of the Piper project here; None where there is none."""
    rows: tuple[Row, ...]
    """Of the table; none where it can't be read."""
    rows_with_recording: int
    table_problem: str
    recordings: Recordings
    scan: Scanned | None
    scan_problem: str
    """Why there is no scan; empty when there is one, or nobody wanted one."""
    comparisons: tuple[Known, ...]
    """What was found when recordings were compared with their texts, as far as it holds."""
    no_recognizer: str
    """Why no recogniser can compare them here, and what to do; empty when one can."""
    checkpoints: tuple[Saved, ...]
    """The furthest last."""
    voices: tuple[Voice, ...]
    caches: tuple[Cache, ...]
    own_cache: int
    """Bytes of the workbench's own cache."""
    runs: tuple[RunView, ...]
    """Newest first, Piper's last."""
    event_files: tuple[EventFile, ...]
    """The one that was written last first."""
    event_bytes: int
    """Of all event files."""
    machine: Machine
    inside: Inside | None
    """What `start` describes."""
    piper_config: Mapping[str, Any]
    """Piper's config.json; empty where there is none."""
    piper_config_name: str

    @property
    def option(self) -> str:
        """What a command needs to mean this workspace: ` -C FOLDER`, or nothing in the current folder."""
        file = self.workspace.file
        place = self.folder if file.name == WORKSPACE_FILE else file
        return "" if place.absolute() == Path.cwd() else f" -C {shlex.quote(named(place))}"

    @property
    def checkpoint_bytes(self) -> int:
        """Size of a checkpoint of this voice, measured on the newest that is whole; 0 where there is none."""
        whole = [saved for saved in self.checkpoints if not saved.problem]
        return whole[-1].bytes if whole else 0

    @property
    def start(self) -> Saved | None:
        """The checkpoint that training goes on from: that of `[start]`, else the furthest of our own runs."""
        return _start(self.workspace, self.checkpoints)

    @property
    def is_done(self) -> bool:
        """Whether all epochs that are wanted are trained."""
        furthest = self.furthest
        trained = 0 if furthest is None or furthest.epoch is None else furthest.epoch + 1
        return trained >= self.workspace.training.epochs

    @property
    def furthest(self) -> Saved | None:
        """The whole checkpoint with the most epochs; one that only lends its weights is of another training."""
        lent = self.workspace.start_checkpoint if self.workspace.start.mode != RESUME else None
        whole = [
            saved for saved in self.checkpoints if saved.epoch is not None and not saved.problem and saved.path != lent
        ]
        return whole[-1] if whole else None

    @property
    def plan(self) -> Plan | None:
        """What decides the batches of an epoch; None where the clips are not known."""
        clips = self.rows_with_recording
        if not clips:
            return None
        training = self.workspace.training
        return Plan(
            clips=clips, batch_size=training.batch_size, devices=training.devices,
            validation_split=training.validation_split, test_clips=training.test_clips,
        )  # fmt: skip

    @property
    def seconds(self) -> float | None:
        """Length of what is to be trained: decoded where the recordings were scanned, else by their headers."""
        if self.scan is not None:
            return self.scan.seconds
        return self.recordings.seconds or None

    def place(self, setting: str) -> str | Text:
        """Where a setting stands: a line of the workspace file, or the option that it was taken over from."""
        if not self.adopted and self.adoption is not None:
            mapped = next((item for item in self.adoption.mapped if item.setting == setting), None)
            return (mapped.place if mapped else "") or say("evidence.default_piper")
        return line_of(self.workspace.file, setting) or say("evidence.default")


def line_of(file: Path, setting: str) -> str:
    """`workbench.toml:12`; empty for a setting that has its default."""
    table, _, key = setting.partition(".")
    here = ""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError):
        lines = []
    for number, line in enumerate(lines, 1):
        if head := re.match(r"\s*\[([\w.]+)\]", line):
            here = head[1]
        elif here == table and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return f"{named(file)}:{number}"
    return ""


def read_situation(place: Path, scan: Scan | None) -> Situation:
    """Look at everything.

    Args:
        place: folder of a workspace or of a Piper project, or a workspace file.
        scan: looks at the recordings; None to leave that out.

    Raises:
        ConfigError: the folder has neither a workspace file nor anything of Piper, or its workspace file is wrong.
    """
    has_file = not place.is_dir() or (place / WORKSPACE_FILE).exists()
    adoption: Adoption | None
    if has_file:
        workspace = load_workspace(place)
        folder, adoption = workspace.root, _adoption(workspace.root)
    else:
        folder, adoption = place, adopt([str(place)])
        workspace = adoption.workspace
    rows, problem = _rows(workspace)
    recordings = read_recordings(workspace.audio_folder)
    found, why_not = _scan(workspace, scan) if scan is not None else (None, "")
    runs = _runs(workspace)
    events = find_event_files([workspace.runs, *([workspace.piper_runs] if workspace.piper_runs else [])])
    saved = tuple(read_checkpoints(_checkpoints(workspace, adoption, runs)))
    start = _start(workspace, saved)
    config, config_name = _piper_config(folder, workspace, adoption)
    return Situation(
        folder=folder, workspace=workspace, adopted=has_file, adoption=adoption, rows=rows,
        rows_with_recording=_with_recording(workspace, rows), table_problem=problem, recordings=recordings,
        scan=found, scan_problem=why_not,
        comparisons=tuple(_comparisons(workspace, rows)), no_recognizer=_no_recognizer(workspace, has_file=has_file),
        checkpoints=saved,
        voices=tuple(_voices(folder, workspace, runs)), caches=tuple(_caches(folder, workspace, rows)),
        own_cache=_own_cache(workspace), runs=tuple(runs), event_files=tuple(_newest(events)),
        event_bytes=sum(map(_bytes, events)), machine=read_machine(),
        inside=look_inside(start.path) if start is not None and not start.problem else None,
        piper_config=config, piper_config_name=config_name,
    )  # fmt: skip


def _start(workspace: Workspace, found: Sequence[Saved]) -> Saved | None:
    chosen = workspace.start_checkpoint
    if chosen is not None:
        return next((saved for saved in found if saved.path.absolute() == chosen.absolute()), None)
    own = [saved for saved in found if saved.path.is_relative_to(workspace.runs)]
    return own[-1] if own else None


def _piper_config(folder: Path, workspace: Workspace, adoption: Adoption | None) -> tuple[Mapping[str, Any], str]:
    """Piper's config.json: where its option says, beside the table, or in the project."""
    places = [workspace.metadata.parent / "config.json", folder / "config.json"]
    given = adoption.source.options.given.get("data.config_path") if adoption is not None else None
    chosen = found_in(adoption, given.value) if given is not None else None
    for path in [chosen, *places] if chosen is not None else places:
        try:
            if path.is_file():
                return read_json(path), named(path)
        except (ConfigError, OSError):
            continue
    return {}, ""


def _adoption(folder: Path) -> Adoption | None:
    try:
        return adopt([str(folder)])
    except WorkbenchError:
        return None


def _rows(workspace: Workspace) -> tuple[tuple[Row, ...], str]:
    try:
        return read_table(workspace).rows, ""
    except ManifestError as error:
        return (), str(error)
    except OSError as error:
        return (), f"{workspace.dataset.metadata}: can't be read ({error.strerror or error})"


def _with_recording(workspace: Workspace, rows: tuple[Row, ...]) -> int:
    return sum(find_recording(workspace.audio_folder, row.file) is not None for row in rows)


def _scan(workspace: Workspace, scan: Scan) -> tuple[Scanned | None, str]:
    try:
        return read_scan(scan(workspace)), ""
    except WorkbenchError as error:
        return None, str(error)


def _comparisons(workspace: Workspace, rows: tuple[Row, ...]) -> list[Known]:
    """What is kept in the workspace's cache; asked for by row, so that a report without a scan has it as well."""

    def now() -> Iterator[Utterance]:
        curation = read_curation(workspace.curation)
        for row in rows:
            stamp = stamp_now(curation.recording(workspace.audio_folder, row.file))
            yield Utterance(row=row.line, file=row.file, text=row.text, stamp=stamp)

    return known_of(workspace.cache, Path(workspace.dataset.metadata).name, now())


def _no_recognizer(workspace: Workspace, *, has_file: bool) -> str:
    try:
        Host.load(workspace if has_file else None).recognizer()
    except PluginError as error:
        return str(error)
    return ""


def _runs(workspace: Workspace) -> list[RunView]:
    try:
        own: list[RunView] = [*list_runs(workspace.runs)]
    except RunError:
        own = []  # what is wrong with the folder, the checks of the machine say
    return [*own, *PiperRuns(workspace.piper_runs).list_runs()]


def _checkpoints(workspace: Workspace, adoption: Adoption | None, runs: list[RunView]) -> list[Path]:
    found = [view.file for run in runs for view in run.checkpoints]
    if adoption is not None:
        found += [file.path for file in adoption.start.checkpoints]
    if workspace.start_checkpoint is not None:
        found.append(workspace.start_checkpoint)
    return found


def _voices(folder: Path, workspace: Workspace, runs: list[RunView]) -> list[Voice]:
    places = [folder, *folders(folder), workspace.voices, workspace.metadata.parent]
    files: list[VoiceFile] = voices(list(dict.fromkeys(places)))
    notes = [workspace.voices, *(run.folder for run in runs)]
    return read_voices(files, notes, workspace.voice.name)


def _caches(folder: Path, workspace: Workspace, rows: tuple[Row, ...]) -> list[Cache]:
    """Piper's caches, where anything is in them."""
    own = workspace.cache.absolute()
    here = cache_folders(folder, workspace, named_caches(folder, workspace))
    return [cache for place in here if (cache := read_cache(place, rows, alien=place != own)).clips]


def _own_cache(workspace: Workspace) -> int:
    if not workspace.cache.is_dir():
        return 0
    # Piper's may lie in the same folder.
    return read_cache(workspace.cache, ()).bytes - read_cache(workspace.cache, (), alien=False).bytes


def _newest(paths: list[Path]) -> list[EventFile]:
    by_time = sorted(paths, key=_modified, reverse=True)[:_EVENT_FILES_READ]
    return [file for path in by_time if (file := read_event_file(path)) is not None]


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
