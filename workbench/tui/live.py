"""The real services: run directories, worker processes, the disk. Called in threads."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core_vits.hold import held
from core_vits.manifest import Manifest, ManifestError, Row, speaker_ids
from workbench.config import Workspace, settings_as_dict, with_overrides
from workbench.errors import DatasetError, RunError
from workbench.host import Host
from workbench.jobs.background import run_of
from workbench.jobs.batches import batch_maths
from workbench.jobs.curating import Curator
from workbench.jobs.curation import RENAMED, read_curation
from workbench.jobs.curves import follower_of
from workbench.jobs.dataset import read_table, read_table_as_written, rows_of, texts
from workbench.jobs.piper_runs import PiperRuns
from workbench.jobs.rundir import CHECKPOINTS, stop_requested
from workbench.jobs.runs import OURS, PIPER, RunView, list_runs, read_run
from workbench.jobs.start import going_on_from, request_stop, resume_run, run_workspace, start_run
from workbench.jobs.voice_files import speaker_names
from workbench.tui.comparing import TextComparison
from workbench.tui.format import count
from workbench.tui.logs import log_lines
from workbench.tui.services import (
    Beginning,
    Comparison,
    Exported,
    Judge,
    Played,
    Progress,
    Project,
    ScanResult,
    Spoken,
    StartPlan,
    VoiceFile,
    VoiceFormat,
)
from workbench.tui.voices import exports_of, voices_in
from workbench.tui.widgets.clip import ClipPicture
from workbench.workers.client import Worker
from workbench.workers.health_report import scan_with
from workbench.workers.targets.sentences import default_sentence

if TYPE_CHECKING:
    from workbench.tail.clips import Clip
    from workbench.tail.follower import RunFollower

REPORT = "readiness-report.md"
EXPORT = "workbench.workers.targets.voice:export"
SPEAK = "workbench.workers.targets.voice:speak"
PLAN = "workbench.workers.targets.starting:plan"
DRAW = "workbench.workers.targets.picture:draw"
MEND = "workbench.workers.targets.mend:mend"
USUAL_EXPORTER = "onnx"
PLAY = "workbench.workers.targets.play:play"


class LiveServices:
    """Everything that the panes ask for, done for real."""

    def __init__(self, workspace: Workspace, host: Host) -> None:
        self._workspace = workspace
        self._host = host
        self._audio = Worker("audio")
        self._torch = Worker("torch")
        self._pictures = Worker("audio")
        self._texts = TextComparison(workspace, host)
        self._piper = PiperRuns(workspace.piper_runs)
        training = workspace.training
        device = training.accelerator if training.accelerator != "auto" else "GPU if there is one, else CPU"
        self.project = Project(
            name=workspace.voice.name,
            language=workspace.voice.language,
            quality=workspace.voice.quality,
            root=workspace.root,
            metadata=workspace.dataset.metadata,
            epochs=training.epochs,
            device=f"{device}, {training.devices} process{'es' if training.devices > 1 else ''}",
        )

    def warm(self) -> None:
        """Let the worker of the scan load what it needs while the first screen is drawn."""
        self._audio.warm("workbench.workers.targets.health")

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def disk_free(self) -> int | None:
        """Bytes left where runs are written, or where their folder will be made."""
        for folder in (self._workspace.runs, *self._workspace.runs.parents):
            try:
                return shutil.disk_usage(folder).free
            except OSError:
                continue
        return None

    def list_runs(self) -> Sequence[RunView]:
        """Oldest first; Piper's before ours, for a new run is what one wants to see."""
        return [*reversed(self._piper.list_runs()), *reversed(list_runs(self._workspace.runs))]

    def runs_note(self) -> str:
        """Why there are no runs of Piper's although the settings name some."""
        return self._piper.problem

    def read_run(self, folder: Path) -> RunView:
        """One run as it is now."""
        return self._piper.read(folder) or read_run(folder)

    def follower(self, run: RunView) -> RunFollower:
        """Curves of the run."""
        return follower_of(run)

    def log_lines(self, run: RunView, count: int) -> Sequence[str]:
        """The tail of the log that was written last; Piper writes none."""
        return log_lines(run, count)

    def list_voices(self) -> Sequence[VoiceFile]:
        """Newest first."""
        return voices_in(self._workspace.voices)

    def scan(self, progress: Progress, part: Callable[[ScanResult], None]) -> ScanResult:
        """In the audio worker."""
        found = scan_with(
            self._audio,
            on_progress=progress,
            on_part=lambda came: part(_scan_result(came)),
            workspace_file=str(self._workspace.file),
        )
        return _scan_result(found)

    def judges(self) -> Sequence[Judge]:
        """Recognisers of plugins and checkpoints of the latest runs."""
        return self._texts.judges()

    def compare_texts(self, judge: Judge, progress: Progress) -> str:
        """In a worker of its own."""
        return self._texts.compare(judge, progress)

    def compared(self, scan: ScanResult) -> Comparison:
        """From the cache folder."""
        return self._texts.known(scan)

    def picture(self, recording: Path, columns: int, bands: int) -> ClipPicture | None:
        """In a worker of its own: a scan keeps the audio worker busy."""
        try:
            drawn = self._pictures.call(DRAW, path=str(recording), columns=columns, bands=bands)
        except DatasetError:
            return None
        return ClipPicture(
            seconds=drawn["seconds"],
            low=drawn["low"],
            high=drawn["high"],
            bands=drawn["bands"],
            highest_hz=drawn["highest_hz"],
        )

    def excluded(self) -> Mapping[str, str]:
        """From the curation."""
        return {file: why for file, (why, _) in read_curation(self._workspace.curation).excluded.items()}

    def exclude(self, utterances: Sequence[Mapping[str, Any]], why: str) -> str:
        """In the curation."""
        rows = [_row(item) for item in utterances]
        alone = not any(len(rows_of(self._table(), row.file)) > 1 for row in rows[:1])
        return Curator(self._workspace.curation).exclude(rows, why, alone=alone or len(rows) > 1)

    def include(self, files: Sequence[str]) -> str:
        """In the curation."""
        return Curator(self._workspace.curation).include(files)

    def correct(self, utterance: Mapping[str, Any], text: str) -> str:
        """In the curation; what stands in the table is what is corrected, also when it was before."""
        written = next((row for row in self._table().rows if row.line == int(utterance["row"])), _row(utterance))
        return Curator(self._workspace.curation).correct(written, text)

    def mend(self, files: Sequence[str], ways: Sequence[str], gain_db: float, progress: Progress) -> str:
        """Copies are made in the audio worker."""
        made = self._audio.call(
            MEND,
            on_progress=progress,
            workspace_file=str(self._workspace.file),
            files=list(files),
            ways=list(ways),
            gain_db=gain_db,
        )
        takes = {file: (str(take), str(how), str(of)) for file, (take, how, of) in made["takes"].items()}
        failed = [f"{file} {reason}" for file, reason in made["failed"].items()]
        if not takes:
            raise DatasetError(f"nothing was mended: {failed[0] if failed else 'there was nothing to mend'}")
        how = next(iter(takes.values()))[1]
        told = f"mended {len(takes)} recording{'s' * (len(takes) > 1)}: {how}"
        Curator(self._workspace.curation).take(takes, told)
        return told + (f"; {len(failed)} were not, the first: {failed[0]}" if failed else "")

    def take(self, file: str, other: str) -> str:
        """In the curation."""
        return Curator(self._workspace.curation).take({file: (other, RENAMED, "")}, f"{file} is taken from {other}")

    def undo_decision(self) -> str:
        """In the curation."""
        return Curator(self._workspace.curation).undo()

    def _table(self) -> Manifest:
        try:
            return read_table_as_written(self._workspace)
        except ManifestError as error:
            raise DatasetError(str(error)) from error

    def write_report(self, scan: ScanResult) -> Path:
        """Markdown beside the workspace file, in the locale's language or the voice's."""
        # Only who asks for a report pays for it.
        from workbench.report import make_report
        from workbench.report.languages import choose_language
        from workbench.report.markdown import write_markdown

        found = {name: getattr(scan, name) for name in ("summary", "findings", "utterances", "kinds")}
        report = make_report(self._workspace.file, lambda _: found)
        return write_markdown(report, choose_language(os.environ, report.language), self._workspace.root / REPORT)

    def training_facts(self) -> str:
        """Clips, epochs, quality, device."""
        workspace = self._workspace
        dataset = workspace.dataset
        try:
            manifest = read_table(workspace)
        except ManifestError as error:
            raise DatasetError(str(error)) from error
        training = workspace.training
        speakers = f" by {len(speaker_ids(manifest.rows))} speakers" if dataset.multi_speaker else ""
        lines = [
            f"{count(len(manifest.rows))} clips{speakers} of {dataset.metadata}   {count(training.epochs)} epochs"
            + (f", {count(training.max_steps)} batches at most" if training.max_steps else ""),
            f"quality {workspace.voice.quality}   {self.project.device}",
            batch_maths(workspace, len(manifest.rows)),
            "It goes on when this window is closed. X stops it with a checkpoint.",
        ]
        return "\n".join(lines)

    def beginning(self, checkpoint: Path | None) -> Beginning | None:
        """From `[start]`, or to go on from one checkpoint; learning rates that its run held stay held."""
        settings = self._workspace
        if checkpoint is not None:
            run = run_of(checkpoint)
            going_on = going_on_from(checkpoint, run_workspace(run) if run is not None else None)
            settings = with_overrides(settings, going_on)
        if settings.start_checkpoint is None:
            return None
        start = settings.start
        return Beginning(
            checkpoint=settings.start_checkpoint,
            mode=start.mode,
            learning_rate=start.learning_rate,
            optimizer=start.optimizer,
        )

    def plan_start(self, beginning: Beginning, progress: Progress) -> StartPlan:
        """In the torch worker."""
        settings = with_overrides(self._workspace, _start_table(beginning))
        tables = settings_as_dict(settings)
        tables["workspace"] = {"root": str(settings.root), "file": str(settings.file)}
        plan: dict[str, Any] = self._torch.call(PLAN, on_progress=progress, settings=tables)
        facts = [(str(fact["label"]), str(fact["text"]), bool(fact["warning"])) for fact in plan["facts"]]
        return StartPlan(facts=facts, refusal=str(plan["refusal"]), model=plan["model"])

    def start(self, resume: RunView | None, begin: tuple[Beginning, StartPlan] | None = None) -> RunView:
        """A process of its own, which outlives this one."""
        if resume is not None:
            return resume_run(resume.folder, self._host)
        if begin is None:
            return start_run(self._workspace, self._host, overrides={"start.checkpoint": ""})
        beginning, plan = begin
        return start_run(self._workspace, self._host, overrides=_start_table(beginning), model=plan.model)

    def stop(self, run: RunView) -> None:
        """At the next step boundary."""
        try:
            request_stop(run.folder)
        except OSError as error:
            raise RunError(f"{run.id}: the stop request can't be written: {error.strerror or error}") from error

    def is_stopping(self, run: RunView) -> bool:
        """Whether the request is still there."""
        return stop_requested(run.folder)

    def formats(self) -> Sequence[VoiceFormat]:
        """Of all plugins; Piper's voice is what most want."""
        made = [VoiceFormat(exporter=item.spec.name, summary=item.spec.summary) for item in self._host.exporters()]
        return sorted(made, key=lambda item: item.exporter != USUAL_EXPORTER)

    def export(self, run: RunView, checkpoint: Path, exporter: str, progress: Progress) -> Exported:
        """In the torch worker."""
        with held(checkpoint):
            ended = self._torch.call(
                EXPORT,
                on_progress=progress,
                checkpoint=str(checkpoint),
                run_folder=_own_folder(run),
                out_folder=str(self._workspace.voices),
                exporter=exporter,
                workspace=str(self._workspace.file),
            )
        difference = ended.get("largest_difference")
        return Exported(
            files=tuple(Path(file) for file in ended.get("files", ())),
            largest_difference=None if difference is None else float(difference),
            accepted=bool(ended.get("accepted")),
            message=str(ended.get("message", "")),
            exporter=exporter,
        )

    def list_exports(self, run: RunView) -> Mapping[Path, Exported]:
        """From the notes that the export leaves, whoever asked for it."""
        return exports_of(run, run.folder if run.kind == OURS else self._workspace.voices)

    def list_speakers(self, run: RunView) -> Sequence[str]:
        """From the configuration that the preparation left in the run; Piper's lies where its settings say."""
        if run.kind == PIPER:
            return speaker_names(run.checkpoints[-1].file) if run.checkpoints else ()
        return speaker_names(run.folder / CHECKPOINTS, run.folder)

    def speak(self, source: Path, run: RunView | None, text: str, speaker: str, progress: Progress) -> Spoken:
        """In the torch worker; into `spoken/` beside the voices, one file for a source, a sentence and a speaker."""
        mark = hashlib.sha256(f"{source}\0{text}\0{speaker}".encode()).hexdigest()[:8]
        wav = self._workspace.voices / "spoken" / f"{source.stem}-{mark}.wav"
        wav.parent.mkdir(parents=True, exist_ok=True)
        with held(source):
            spoken = self._torch.call(
                SPEAK,
                on_progress=progress,
                source=str(source),
                text=text,
                speaker=speaker or None,
                out_wav=str(wav),
                run_folder=None if run is None else _own_folder(run),
                workspace=str(self._workspace.file),
            )
        return Spoken(wav=Path(spoken["wav"]), seconds=float(spoken["seconds"]), peak=float(spoken["peak"]))

    def extract(self, run: RunView, clip: Clip) -> Path:
        """Into `spoken/` beside the voices."""
        from workbench.workers.targets.clips import clip_name, write_clip

        wav = self._workspace.voices / "spoken" / clip_name(clip, run.id)
        write_clip(clip, wav)
        return wav

    def play(self, wav: Path) -> Played:
        """In the audio worker, to the end."""
        ended: dict[str, Any] = self._audio.call(PLAY, wav=str(wav), workspace=str(self._workspace.file))
        return Played(
            played=bool(ended.get("played")),
            message=str(ended.get("message", "")),
            reasons=tuple(map(str, ended.get("reasons", ()))),
        )

    def cancel(self, pool: str) -> None:
        """Kill the worker of a pool."""
        cancels = {"audio": self._audio.cancel, "torch": self._torch.cancel, "texts": self._texts.cancel}
        cancels[pool]()

    def manual(self) -> Sequence[tuple[str, str]]:
        """Pages of `workbench/help`, the first page first."""
        pages = [page for page in resources.files("workbench").joinpath("help").iterdir() if page.name.endswith(".md")]
        pages.sort(key=lambda page: (page.name not in {"index.md", "README.md"}, page.name))
        return [(page.name.removesuffix(".md"), page.read_text(encoding="utf-8")) for page in pages]

    def default_sentence(self) -> str:
        """In the voice's language; of a voice that reads phonemes, the first text of its table."""
        chosen = self._workspace.text.phonemizer
        phonetic = any(
            item.spec.name == chosen and item.spec.phoneme_type == "text" for item in self._host.phonemizers()
        )
        known = texts(self._workspace) if phonetic else []
        return known[0] if known else default_sentence(self._workspace.voice.language)

    def close(self) -> None:
        """End the worker processes."""
        self._audio.close()
        self._torch.close()
        self._pictures.close()
        self._texts.close()


def _scan_result(found: Mapping[str, Any]) -> ScanResult:
    """A report of the scan, or a part of one."""
    return ScanResult(
        summary=found.get("summary", {}), findings=found.get("findings", ()), utterances=found.get("utterances", ()),
        kinds=found.get("kinds", {}),
    )  # fmt: skip


def _row(utterance: Mapping[str, Any]) -> Row:
    return Row(int(utterance["row"]), str(utterance["file"]), str(utterance.get("text", "")), utterance.get("speaker"))


def _own_folder(run: RunView) -> str | None:
    """The folder of a run of ours; what belongs to a checkpoint of Piper's is found by its place."""
    return str(run.folder) if run.kind == OURS else None


def _start_table(beginning: Beginning) -> dict[str, str]:
    """Overrides of the settings that say the same."""
    return {
        "start.checkpoint": str(beginning.checkpoint),
        "start.mode": beginning.mode,
        "start.learning_rate": beginning.learning_rate,
        "start.optimizer": beginning.optimizer,
    }
