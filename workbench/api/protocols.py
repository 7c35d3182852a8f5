"""Interfaces that the targets of the records implement.

No process mixes them with pluggy: a target is imported where it runs and called directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from workbench.api.findings import Finding
from workbench.api.measures import AudioMeasures, Container


@runtime_checkable
class Phonemizer(Protocol):
    """Text to phonemes. One process, one voice: backends need not be thread-safe."""

    version: str
    """Engine and data versions; part of every cache key, so it changes when the phonemes may."""

    def phonemize(self, texts: Sequence[str], *, language: str) -> list[list[list[str]]]:
        """Phonemes of each text: utterance > sentence > phoneme (one Unicode code point each, NFD).

        Raises:
            ValueError: the text or the language can't be phonemized; the message says which and why.
        """

    def phoneme_id_map(self, language: str) -> Mapping[str, Sequence[int]]:
        """Ids of each phoneme, as Piper's `phoneme_id_map`."""

    def close(self) -> None:
        """Give back what the engine holds."""


@runtime_checkable
class Normalizer(Protocol):
    """Text to text that can be spoken as it is written."""

    version: str

    def normalize(self, texts: Sequence[str], *, language: str) -> list[str]:
        """One text for each text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterance:
    """One row of a dataset as rules see it; fields that a rule did not ask for may be None."""

    row: int
    """1-based line of the metadata file."""
    file: str
    """As written in the metadata."""
    path: Path | None
    """The recording that was found; None when there is none."""
    text: str
    speaker: str | None = None
    subject: str = ""
    """`metadata.csv:118`, for findings."""
    seconds: float | None = None
    sample_rate: int | None = None
    """Hz."""
    channels: int | None = None
    samples: Any = None
    """float32 numpy array of the decoded mono recording, full scale = 1; only if a rule asked for it."""
    container: Container | None = None
    """The file itself; None when none was found."""
    measures: AudioMeasures | None = None
    """What was measured; None when it can't be decoded."""
    audio_error: str = ""
    """Why the recording can't be decoded; empty when it can."""
    near: str = ""
    """Where no recording was found: the file of the folder that was probably meant, as it is called there."""
    near_by: str = ""
    """How `near` differs from what the row says: `case`, `unicode` (NFC or NFD), `spaces`, `suffix`, or `folder` (it
    lies in another folder)."""
    phonemes: Sequence[Sequence[str]] | None = None
    """sentence > phoneme."""
    phoneme_ids: Sequence[int] | None = None
    phoneme_error: str = ""
    frames: int | None = None
    """Spectrogram frames that the trainer will have of it: after the silence was cut where that decides whether it is
    trained, else of the whole recording. None when it can't be decoded."""
    same_as: int | None = None
    """Line of an earlier row that is the same clip: the same bytes, text and speaker."""
    dropped: str = ""
    """Why the trainer will leave the row out, as it will say; empty when it will be trained."""

    @property
    def is_trained(self) -> bool:
        """Whether the trainer will take the row."""
        return self.path is not None and not self.audio_error and not self.dropped and self.phoneme_ids != ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetFacts:
    """What a rule may know before it sees an utterance."""

    folder: Path
    """Folder of the recordings."""
    metadata: Path
    language: str
    sample_rate: int
    """Hz, of the voice."""
    hop_length: int
    """Samples a frame."""
    segment_size: int
    """Samples of one training segment."""
    phoneme_id_map: Mapping[str, Sequence[int]] = field(default_factory=dict)
    num_symbols: int = 256
    batch_size: int = 0
    """Clips of a process in one step; in the mean, if `batching` is `buckets`."""
    batching: str = "buckets"
    """`buckets` or `random`; see `[training] batching`."""
    cuda_graphs: bool = False
    """Whether steps are recorded on a GPU; see `[training] cuda_graphs`."""
    seed: int = 0
    devices: int = 1
    """Processes that train together."""
    quality: str = "medium"
    precision: str = "32-true"
    gpu_bytes: int = 0
    """Memory of the smallest GPU that will train; 0 where none is known."""
    validation_split: float = 0.0
    multi_speaker: bool = False
    dataset_type: str = "text"
    """`text`, or `phoneme_ids`: the ids are given and the text, which may be empty, is only shown."""
    phoneme_type: str = "espeak"
    """Of the phonemizer: `espeak`, or `text` where the text holds the phonemes."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Thresholds by their name: what rules declare in `HealthRuleSpec.limits`, or what the user set in `[health]`."""
    orphans: tuple[str, ...] = ()
    """Recordings that no row names, relative to `folder`."""
    parts: Callable[[], Mapping[int, str]] = dict
    """Part of the split of each line that is trained, `train`, `validation` or `test`, as the next run will have it.
    Ask in `finish`, and only where the answer matters: the first question costs a second or more. Empty: not known."""


@runtime_checkable
class HealthRule(Protocol):
    """Looks at every utterance once, then at the whole."""

    def check(self, utterance: Utterance) -> Iterable[Finding]:
        """Findings of one utterance."""

    def finish(self) -> Iterable[Finding]:
        """Findings of the dataset as a whole, after the last utterance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchJob:
    """What a launcher must start."""

    run: Path
    """The run directory."""
    workspace: Path
    devices: int
    """Processes a machine; 1 for CPU or one GPU."""
    accelerator: str
    """`cpu`, `cuda` or `auto`."""
    python: str
    """Interpreter to run the trainer with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchPlan:
    """How to start it; executed by the supervisor."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment."""
    cwd: Path | None = None


@runtime_checkable
class Launcher(Protocol):
    """Turns a job into a command line."""

    def refuse(self, job: LaunchJob) -> str:
        """Empty, or the one-line reason why this launcher can't run the job."""

    def plan(self, job: LaunchJob) -> LaunchPlan:
        """The command that trains."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceIdentity:
    """How an exported voice is named and described."""

    name: str
    language: str
    """BCP 47, for instance `ru` or `ru-RU`."""
    quality: str
    dataset: str = ""

    @property
    def stem(self) -> str:
        """`<lang>-<name>-<quality>`, for instance `ru-aelita-tiny`."""
        return f"{self.language.replace('-', '_')}-{self.name}-{self.quality}"


@runtime_checkable
class Exporter(Protocol):
    """Writes a checkpoint as a voice that other programs speak."""

    def export(self, checkpoint: Path, config: Mapping[str, Any], voice: VoiceIdentity, folder: Path) -> list[Path]:
        """Write the voice into `folder`; the main file first. Leaves nothing half-written.

        Args:
            checkpoint: a checkpoint that `core_vits.checkpoint` reads.
            config: the run's voice configuration (Piper's `config.json`).
            voice: name, language and quality.
            folder: existing folder.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a verifier says."""

    accepted: bool
    largest_difference: float
    """Largest absolute sample difference, full scale = 1."""
    findings: tuple[Finding, ...] = ()


@runtime_checkable
class Verifier(Protocol):
    """Compares an exported voice with its checkpoint on the same noise."""

    def verify(self, checkpoint: Path, files: Sequence[Path]) -> Verdict:
        """Compare."""


@runtime_checkable
class PhoneRecognizer(Protocol):
    """Recordings to phones, whatever the language. One thread, one object: it need not be thread-safe."""

    version: str
    """Engine and model; part of every key of what was heard, so it changes when the phones may."""
    sample_rate: int
    """Hz that it wants."""

    def hear(self, samples: Any) -> Sequence[str]:
        """Phones in IPA, in their order; none where there is no speech.

        Args:
            samples: float32 numpy array of a mono recording at `sample_rate`, full scale = 1, of any length.
        """

    def close(self) -> None:
        """Give back what the engine holds."""


@runtime_checkable
class Player(Protocol):
    """Makes a WAV heard.

    A player that makes nothing heard (it says where the file is instead) has an attribute `audible = False`.
    """

    def available(self, environment: Mapping[str, str]) -> str:
        """Empty, or the one-line reason why it can't play here. Must not raise."""

    def play(self, wav: Path) -> str:
        """Play to the end; returns one line for the user (what was played where).

        Raises:
            OSError: it could not be played; the message says why.
        """

    def stop(self) -> None:
        """Stop what plays; nothing when nothing plays."""


@runtime_checkable
class LivePlayer(Player, Protocol):
    """A player that also plays what is still being made. Others get the WAV when it is complete."""

    def play_live(self, blocks: Iterable[bytes], sample_rate: int) -> str:
        """Play block after block without a gap, each as soon as it comes; returns one line for the user.

        Args:
            blocks: little-endian 16-bit mono samples, of any length; what asking for one raises is let through.
            sample_rate: Hz.

        Raises:
            OSError: it could not be played; the message says why.
        """
