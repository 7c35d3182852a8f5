"""Services with recorded data: real run directories and event files, a fixed clock, no processes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tail.event_files import EventWriter, event_name
from textual.app import App
from textual.pilot import Pilot

from core_vits.manifest import Row
from workbench.errors import Cancelled, DatasetError, RunError
from workbench.jobs.curating import Curator
from workbench.jobs.curation import RENAMED, read_curation
from workbench.jobs.curves import follower_of
from workbench.jobs.piper_runs import PiperRuns
from workbench.jobs.rundir import FileLock, append_line, ask_to_stop, stop_requested, write_json, write_status
from workbench.jobs.runs import PIPER, RunView, list_runs, read_run
from workbench.tail.clips import Clip
from workbench.tail.follower import RunFollower
from workbench.tui.logs import described
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
from workbench.tui.widgets.clip import ClipPicture

NOW = 1_800_000_000.0
GATE_SECONDS = 40.0
LOSSES = {"mel": 24.0, "kl": 1.2, "duration": 1.4, "feature": 6.0, "generator": 2.4, "discriminator": 2.2}


def make_run(
    runs: Path, run_id: str, *, state: str = "running", epoch: int = 3, step: int = 400, **status: Any
) -> Path:
    """A run directory as the trainer leaves it."""
    folder = runs / run_id
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "logs").mkdir()
    write_json(folder / "run.json", {"format": 1, "id": run_id, "created": NOW - 3600, "voice": "aelita"})
    values = {
        "format": 1, "phase": "train", "state": state, "epoch": epoch, "epochs": 20, "step": step,
        "optimizer_step": 2 * step, "batch": 40, "batches_per_epoch": 120, "steps_per_second": 3.1, "data_wait": 0.02,
        "eta_seconds": 6600.0, "progress": None, "losses": LOSSES, "val_mel": 25.1, "message": "", "pid": 1,
        "updated": NOW - 1, "host": "host", "exit_code": None,
    }  # fmt: skip
    write_json(folder / "status.json", values | status)
    (folder / "logs" / "train.log").write_text("epoch 2 done\nepoch 3 begins\n", encoding="utf-8")
    return folder


def add_checkpoint(folder: Path, epoch: int, step: int, *, val_mel: float | None, seconds_ago: float = 60.0) -> Path:
    """A checkpoint file (its content is never read here) and its line in the index."""
    name = f"epoch={epoch}-step={2 * step}.ckpt"
    (folder / "checkpoints" / name).write_bytes(b"\0" * 2_500_000)
    record = {"file": name, "epoch": epoch, "step": step, "optimizer_step": 2 * step, "bytes": 2_500_000}
    append_line(folder / "checkpoints" / "index.jsonl", record | {"time": NOW - seconds_ago, "val_mel": val_mel})
    return folder / "checkpoints" / name


def add_curves(folder: Path, steps: range, *, nan_at: int | None = None) -> EventWriter:
    """Falling losses at each step, validation every hundredth batch, epochs of 120 batches."""
    writer = EventWriter(folder / "metrics" / event_name(), NOW - 3600)
    write_curves(writer, steps, nan_at=nan_at)
    return writer


def write_curves(writer: EventWriter, steps: range, *, nan_at: int | None = None, started: float = NOW - 3600) -> None:
    """Points of every loss, a second a batch."""
    for step in steps:
        for number, (name, start) in enumerate(LOSSES.items()):
            value = start * (1 + 2 * math.exp(-step / 80)) + 0.05 * start * math.sin(step * (number + 2))
            writer.scalar(f"train/{name}", step, math.nan if step == nan_at else value, started + step)
        if step % 100 == 96:
            writer.scalar("val/mel", step, 25.0 + 40 * math.exp(-step / 80), started + step)
        writer.scalar("epoch", step, step // 120, started + step)


class Recorded:
    """What the panes ask for, from files in a folder; calls into workers are written down."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = root / "runs"
        self.calls: list[tuple[Any, ...]] = []
        self.scan_result = ScanResult()
        self.scan_parts: list[ScanResult] = []
        self.judge_list: list[Judge] = []
        self.comparison = Comparison()
        """What is kept."""
        self.told: str | Exception = "hama compared 48 rows: mismatch.text 1"
        self.picture_missing = False
        self.scan_error: Exception | None = None
        self.export_result = Exported(files=(), largest_difference=None, accepted=False, message="not recorded")
        self.play_result = Played(played=True, message="played 1.9 s by sounddevice on 'default'")
        self.voices: list[VoiceFile] = []
        self.exporters = ["onnx"]
        self.speakers: tuple[str, ...] = ()
        self.start_checkpoint: Path | None = None
        self.plan_result: StartPlan | Exception = StartPlan()
        self.exports: dict[Path, Exported] = {}
        self.piper = PiperRuns(None)
        """Piper's own runs."""
        self.lock = FileLock(root / "run.lock")
        """The lock of the run that is made to look alive."""
        self.gate: threading.Event | None = None
        """When set, worker calls wait for it, or for `cancel`."""
        self.cancelled = threading.Event()
        self.clock = NOW
        self.project = Project(
            name="aelita", language="ru", quality="tiny", root=root, metadata="metadata.csv", epochs=20, device="CPU"
        )

    def now(self) -> float:
        return self.clock

    def disk_free(self) -> int | None:
        return 212_000_000_000

    def list_runs(self) -> Sequence[RunView]:
        return [*reversed(self.piper.list_runs()), *reversed(list_runs(self.runs))]

    def runs_note(self) -> str:
        return self.piper.problem

    def read_run(self, folder: Path) -> RunView:
        return self.piper.read(folder) or read_run(folder)

    def follower(self, run: RunView) -> RunFollower:
        return follower_of(run)

    def log_lines(self, run: RunView, count: int) -> Sequence[str]:
        if run.kind == PIPER:
            return described(run)
        return (run.folder / "logs" / "train.log").read_text(encoding="utf-8").splitlines()[-count:]

    def list_voices(self) -> Sequence[VoiceFile]:
        return tuple(self.voices)

    def write_report(self, scan: ScanResult) -> Path:
        if not scan.utterances:
            raise DatasetError("metadata.csv: nothing to report on")
        return self.project.root / "readiness-report.md"

    def scan(self, progress: Progress, part: Callable[[ScanResult], None]) -> ScanResult:
        self.calls.append(("scan",))
        progress(12, 48, "metadata.csv:12")
        for found in self.scan_parts:
            part(found)
        self._wait()
        if self.scan_error is not None:
            raise self.scan_error
        return self.scan_result

    def judges(self) -> Sequence[Judge]:
        return self.judge_list

    def compare_texts(self, judge: Judge, progress: Progress) -> str:
        self.calls.append(("compare", judge.name))
        progress(12, 48, "new recordings; 0.30 h of speech left, about 1:42 min")
        self._wait()
        if isinstance(self.told, Exception):
            raise self.told
        return self.told

    def compared(self, scan: ScanResult) -> Comparison:
        return self.comparison

    def picture(self, recording: Path, columns: int, bands: int) -> ClipPicture | None:
        self.calls.append(("picture", recording.name))
        if self.picture_missing:
            return None
        loud = [abs(math.sin(x / 7)) * (1 if x % 40 < 30 else 0.05) for x in range(columns)]
        levels = [[int(255 * value * (1 - band / bands)) for value in loud] for band in range(bands)]
        low = [-value for value in loud]
        return ClipPicture(seconds=3.1, low=low, high=loud, bands=levels, highest_hz=8000.0)

    def excluded(self) -> Mapping[str, str]:
        return {file: why for file, (why, _) in read_curation(self.root / "curation").excluded.items()}

    def exclude(self, utterances: Sequence[Mapping[str, Any]], why: str) -> str:
        rows = [Row(item["row"], item["file"], item["text"]) for item in utterances]
        return Curator(self.root / "curation").exclude(rows, why)

    def include(self, files: Sequence[str]) -> str:
        return Curator(self.root / "curation").include(files)

    def correct(self, utterance: Mapping[str, Any], text: str) -> str:
        return Curator(self.root / "curation").correct(Row(1, utterance["file"], utterance["text"]), text)

    def mend(self, files: Sequence[str], ways: Sequence[str], gain_db: float, progress: Progress) -> str:
        self.calls.append(("mend", *files, tuple(ways), gain_db))
        self._wait()
        return f"mended {len(files)} recordings"

    def take(self, file: str, other: str) -> str:
        return Curator(self.root / "curation").take({file: (other, RENAMED, "")}, f"{file} is taken from {other}")

    def undo_decision(self) -> str:
        return Curator(self.root / "curation").undo()

    def training_facts(self) -> str:
        return "48 clips of metadata.csv   20 epochs\nquality tiny   CPU"

    def beginning(self, checkpoint: Path | None) -> Beginning | None:
        chosen = checkpoint or self.start_checkpoint
        if chosen is None:
            return None
        return Beginning(checkpoint=chosen, mode="resume", learning_rate="continue", optimizer="keep")

    def plan_start(self, beginning: Beginning, progress: Progress) -> StartPlan:
        self.calls.append(("plan", beginning.checkpoint.name, beginning.mode, beginning.learning_rate))
        progress(212, 846, f"MB of {beginning.checkpoint.name} read")
        self._wait()
        if isinstance(self.plan_result, Exception):
            raise self.plan_result
        return self.plan_result

    def start(self, resume: RunView | None, begin: tuple[Beginning, StartPlan] | None = None) -> RunView:
        if begin is not None:
            self.calls.append(("begin", begin[0]))
        self.calls.append(("start", None if resume is None else resume.id))
        if any(run.live for run in self.list_runs()):
            raise RunError("a run is active")
        folder = resume.folder if resume is not None else make_run(self.runs, "20270115-100000-aelita", epoch=0, step=0)
        write_status(folder, phase="train", state="running")
        lock = FileLock(folder / "run.lock")
        lock.acquire()
        self.locks = [lock]
        return read_run(folder)

    def stop(self, run: RunView) -> None:
        self.calls.append(("stop", run.id))
        ask_to_stop(run.folder)

    def is_stopping(self, run: RunView) -> bool:
        return stop_requested(run.folder)

    def formats(self) -> Sequence[VoiceFormat]:
        return [VoiceFormat(exporter=name, summary=f"a voice, {name}") for name in self.exporters]

    def export(self, run: RunView, checkpoint: Path, exporter: str, progress: Progress) -> Exported:
        self.calls.append(("export", checkpoint.name, *([exporter] if exporter != "onnx" else [])))
        progress(1, 3, "exporting")
        self._wait()
        self.exports = {**self.exports, checkpoint: self.export_result}
        return self.export_result

    def list_exports(self, run: RunView) -> Mapping[Path, Exported]:
        return self.exports

    def list_speakers(self, run: RunView) -> Sequence[str]:
        return self.speakers

    def speak(self, source: Path, run: RunView | None, text: str, speaker: str, progress: Progress) -> Spoken:
        self.calls.append(("speak", source.name, text, *([speaker] if speaker else [])))
        self._wait()
        return Spoken(wav=self.root / "voices" / "spoken" / "x.wav", seconds=1.9, peak=0.71)

    def extract(self, run: RunView, clip: Clip) -> Path:
        self.calls.append(("extract", run.id, clip.text, clip.epoch))
        return self.root / "voices" / "spoken" / "sample.wav"

    def play(self, wav: Path) -> Played:
        self.calls.append(("play", wav.name))
        self._wait()
        return self.play_result

    def cancel(self, pool: str) -> None:
        self.calls.append(("cancel", pool))
        self.cancelled.set()

    def manual(self) -> Sequence[tuple[str, str]]:
        return [("training", "# Training\n\nA voice is trained in epochs.")]

    def default_sentence(self) -> str:
        return "Добрый день, это новый голос."

    def close(self) -> None:
        self.cancelled.set()

    def _wait(self) -> None:
        if self.gate is not None:
            deadline = time.monotonic() + GATE_SECONDS
            # A test that fails never opens its gate, and Python waits for this thread before it ends.
            while not self.gate.wait(0.01) and time.monotonic() < deadline:
                if self.cancelled.is_set():
                    self.cancelled.clear()
                    raise Cancelled("cancelled; the worker was ended")


def screen_text(app: App[Any]) -> str:
    """The screen as plain text."""
    lines = [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]
    return "\n".join(lines) + "\n"


async def until(pilot: Pilot[Any], true: Callable[[], bool], seconds: float = 8.0) -> None:
    """Let the app go on until something holds; fails with the screen when it never does."""
    for _ in range(int(seconds / 0.02)):
        await pilot.pause()
        if true():
            return
        await pilot.pause(0.02)
    raise AssertionError("this never came true; the screen:\n" + screen_text(pilot.app))
