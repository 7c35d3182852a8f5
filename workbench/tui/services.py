"""What the panes ask of the rest of the workbench: one small interface, so that a test can hand them recorded data.

Every method may block and is called in a thread, never on the event loop. Errors are `WorkbenchError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from workbench.jobs.runs import RunView
    from workbench.tail.clips import Clip
    from workbench.tail.follower import RunFollower
    from workbench.tui.widgets.clip import ClipPicture

Progress = Callable[[float, float, str], None]
"""Called with done, total and what is being done; total is 0 while it is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """What is being made, for the header and the confirmations."""

    name: str
    language: str
    quality: str
    root: Path
    metadata: str
    """As the workspace file writes it."""
    epochs: int
    device: str
    """Accelerator and number of devices, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceFile:
    """An exported voice."""

    onnx: Path
    bytes: int
    time: float
    """Unix seconds."""
    has_config: bool
    """Whether `<name>.onnx.json` stands beside it; without it nothing speaks it."""
    speakers: tuple[str, ...] = ()
    """Names, the first speaker first; empty for a voice with one."""
    parts: int = 1
    """Files that speak; of two, `onnx` is the first."""

    @property
    def label(self) -> str:
        """How it is called on the screen."""
        return self.onnx.name if self.parts == 1 else f"{self.onnx.name.partition('.')[0]}  (streamed: 2 parts)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """How an export ended."""

    files: tuple[Path, ...]
    largest_difference: float | None
    """Largest absolute sample difference between checkpoint and voice, full scale = 1."""
    accepted: bool
    message: str
    exporter: str = ""
    """Empty where nobody noted it."""
    replaced: bool = False
    """Whether another voice stands in its place now, or none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceFormat:
    """A way to export."""

    exporter: str
    summary: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """A sentence that was spoken into a file."""

    wav: Path
    seconds: float
    peak: float
    """Largest absolute sample, full scale = 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Played:
    """How playing ended."""

    played: bool
    message: str
    """What was played where."""
    reasons: tuple[str, ...] = ()
    """Why players that make a sound could not."""

    def line(self, wav: Path) -> str:
        """What to tell the user about a WAV, whose place they know: the reason first, for it must not be cut off."""
        if self.played:
            return self.message
        return f"no sound here ({'; '.join(self.reasons) or self.message}); the recording is {wav}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanResult:
    """What the dataset scan found; the JSON of `workbench.workers.targets.health:scan`."""

    summary: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[Mapping[str, Any]] = ()
    utterances: Sequence[Mapping[str, Any]] = ()
    kinds: Mapping[str, Any] = field(default_factory=dict)
    """What each kind of finding means, known at the end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judge:
    """Something that can tell whether recordings say their texts."""

    name: str
    """Of a phone recogniser, or what the user calls a checkpoint."""
    how: str
    """What it does, in a few words."""
    checkpoint: Path | None = None
    """Of a run that was prepared; None: it is a recogniser."""
    run: Path | None = None
    unavailable: str = ""
    """Why it can't be used and what to do; empty when it can."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What is known, of now or before, of recordings that don't say their texts."""

    findings: Sequence[Mapping[str, Any]] = ()
    """Of rows that are as they were when they were judged."""
    suspicion: Mapping[int, float] = field(default_factory=dict)
    """How far each line's recording is from its text, as a share of the farthest one's: only the order counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beginning:
    """What a new run begins with; values as in `[start]` of the workspace file."""

    checkpoint: Path
    mode: str
    learning_rate: str
    optimizer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StartPlan:
    """What would happen if a run began so."""

    facts: Sequence[tuple[str, str, bool]] = ()
    """Label, text and whether it is a warning, in the order to show them."""
    refusal: str = ""
    """Why it can't begin so; empty: it can."""
    model: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The architecture of the new run."""


class Services(Protocol):
    """The rest of the workbench as the terminal sees it."""

    project: Project

    def now(self) -> float:
        """Unix seconds."""

    def disk_free(self) -> int | None:
        """Bytes left on the disk of the runs; None when it can't be asked."""

    def list_runs(self) -> Sequence[RunView]:
        """Runs of the workspace, oldest first; Piper's own before ours."""

    def runs_note(self) -> str:
        """What was wrong with the last list, one line; empty if nothing was."""

    def read_run(self, folder: Path) -> RunView:
        """One run as it is now."""

    def follower(self, run: RunView) -> RunFollower:
        """A reader of the run's event files."""

    def log_lines(self, run: RunView, count: int) -> Sequence[str]:
        """The last lines that the run's processes printed; of a run of Piper's, its versions and settings."""

    def list_voices(self) -> Sequence[VoiceFile]:
        """Exported voices, newest first."""

    def scan(self, progress: Progress, part: Callable[[ScanResult], None]) -> ScanResult:
        """Look at the whole dataset; what is found is handed to `part` as it comes, and given as a whole at the end."""

    def judges(self) -> Sequence[Judge]:
        """Who can tell whether recordings say their texts, usable or not: recognisers first."""

    def compare_texts(self, judge: Judge, progress: Progress) -> str:
        """Let one judge every row that it has not judged yet; says what it found. What is found is kept."""

    def compared(self, scan: ScanResult) -> Comparison:
        """What was found when recordings and texts were compared last, as far as it holds for the rows of a scan."""

    def picture(self, recording: Path, columns: int, bands: int) -> ClipPicture | None:
        """Waveform and spectrogram of a recording; None when it can't be decoded."""

    def excluded(self) -> Mapping[str, str]:
        """Why rows are not trained, by their file."""

    def exclude(self, utterances: Sequence[Mapping[str, Any]], why: str) -> str:
        """Train these no more; says what was done, as all that follow."""

    def include(self, files: Sequence[str]) -> str:
        """Train these again."""

    def correct(self, utterance: Mapping[str, Any], text: str) -> str:
        """Read another text than the table's."""

    def mend(self, files: Sequence[str], ways: Sequence[str], gain_db: float, progress: Progress) -> str:
        """Take mended copies of recordings; see `workbench.workers.targets.mend`."""

    def take(self, file: str, other: str) -> str:
        """Take another recording of the folder for a row."""

    def undo_decision(self) -> str:
        """Take the last decision back."""

    def write_report(self, scan: ScanResult) -> Path:
        """Write the readiness report of the workspace, with a scan that was made; gives its file."""

    def training_facts(self) -> str:
        """What a training would do, for the question before it: clips, epochs, quality, device; a few lines."""

    def beginning(self, checkpoint: Path | None) -> Beginning | None:
        """How a new run begins: with this checkpoint, or with that of the settings; None: from scratch."""

    def plan_start(self, beginning: Beginning, progress: Progress) -> StartPlan:
        """Read the checkpoint and work out what a run that begins so would keep and change."""

    def start(self, resume: RunView | None, begin: tuple[Beginning, StartPlan] | None = None) -> RunView:
        """Start a training (from scratch, or as planned), or resume one; it does not belong to this process."""

    def stop(self, run: RunView) -> None:
        """Ask the run to stop."""

    def is_stopping(self, run: RunView) -> bool:
        """Whether the run was asked to stop."""

    def formats(self) -> Sequence[VoiceFormat]:
        """Ways to export, the usual one first."""

    def export(self, run: RunView, checkpoint: Path, exporter: str, progress: Progress) -> Exported:
        """Write a checkpoint as a voice and compare the two."""

    def list_exports(self, run: RunView) -> Mapping[Path, Exported]:
        """The last export of each checkpoint of the run, in the order of exporting: one that still stands, if any."""

    def list_speakers(self, run: RunView) -> Sequence[str]:
        """Speakers of the run's checkpoints, the first first; none for a voice with one."""

    def speak(self, source: Path, run: RunView | None, text: str, speaker: str, progress: Progress) -> Spoken:
        """Speak a sentence with a checkpoint (of `run`) or an exported voice; without a speaker, the first speaks."""

    def extract(self, run: RunView, clip: Clip) -> Path:
        """Write a clip that the run logged as a WAV beside the spoken sentences."""

    def play(self, wav: Path) -> Played:
        """Make a recording heard, or say why not."""

    def cancel(self, pool: str) -> None:
        """Give up what runs in a worker pool: `audio` or `torch`; or the comparison of texts: `texts`."""

    def manual(self) -> Sequence[tuple[str, str]]:
        """Title and Markdown text of each page of the manual."""

    def default_sentence(self) -> str:
        """A sentence in the voice's language."""

    def close(self) -> None:
        """End the worker processes; a training goes on."""
