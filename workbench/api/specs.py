"""Records that a plugin's register hooks return.

A record is small and frozen and names heavy code as `"package.module:attribute"` (`target`). The code is imported only
in the process that runs it, never when plugins are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from workbench.api.findings import Severity


class Needs(StrEnum):
    """What a health rule must be given."""

    MANIFEST = "manifest"
    TEXT = "text"
    AUDIO = "audio"
    """What was measured of the recording (`Utterance.measures`, `Utterance.container`)."""
    SAMPLES = "samples"
    """The decoded recording itself. It costs a decoding of every recording at every scan."""
    PHONEMES = "phonemes"


@dataclass(frozen=True, kw_only=True, slots=True)
class PhonemizerSpec:
    """A phonemizer backend. `target` is called as `target(settings)` and returns a `Phonemizer`."""

    name: str
    target: str
    languages: frozenset[str]
    """BCP 47 language tags that it speaks; `{"*"}` for any."""
    summary: str = ""
    preference: int = 0
    """Among backends that are available and speak the language, the highest is chosen when the user names none."""
    available: Callable[[], str] | None = None
    """Returns an empty string, or the one-line reason why it can't be used here. Must be light."""
    automatic: bool = True
    """Whether `auto` may choose it; one that reads something else than words must be named."""
    phoneme_type: str = "espeak"
    """How the voice's configuration calls its phonemes; Piper's runtime makes them by it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NormalizerSpec:
    """A text normaliser. `target` is called as `target(settings)` and returns a `Normalizer`."""

    name: str
    target: str
    languages: frozenset[str]
    summary: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class KindWords:
    """A kind of finding in another language than English."""

    summary: str
    effect: str
    fix: str
    facts: tuple[str, ...] = ()
    """What was measured: formats for the evidence of a finding (`{db} dB, limit {limit}`), of which the first is taken
    whose values are all there. A format after a colon is one of the report's: `{rate:hertz}`, `{seconds:seconds}`,
    `{size:bytes}`, `{share:share}`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleKind:
    """One kind of finding, as it is documented and as CI systems are told of it."""

    name: str
    """Stable dotted name, for instance `audio.clipped`; findings carry it as `rule`."""
    severity: Severity
    """The usual one; a finding may be milder or graver."""
    summary: str
    """What is wrong, a few words."""
    effect: str
    """What it does to a training, one sentence."""
    fix: str
    """What to do, one sentence."""
    words: Mapping[str, KindWords] = field(default_factory=dict)
    """The same in other languages, by their name (`ru`); in one that is not here, findings stay English."""

    def as_json(self, check: str = "") -> dict[str, object]:
        """A plain dictionary for `--json`.

        Args:
            check: name of the rule that makes such findings; empty where no rule of a plugin does.
        """
        return {
            "check": check,
            "severity": str(self.severity),
            "level": self.severity.level,
            "summary": self.summary,
            "effect": self.effect,
            "fix": self.fix,
            "words": {name: asdict(words) for name, words in self.words.items()},
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthRuleSpec:
    """A check of a dataset. `target` is called as `target(dataset: DatasetFacts)` and returns a `HealthRule`."""

    name: str
    """Name of the check."""
    target: str
    needs: frozenset[Needs]
    summary: str = ""
    kinds: tuple[RuleKind, ...] = ()
    """Every kind of finding that it makes."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Thresholds that a user may change in `[health]`, and their usual values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LauncherSpec:
    """A way to start a trainer. `target` is called as `target(settings)` and returns a `Launcher`."""

    name: str
    target: str
    summary: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CallbackSpec:
    """A training callback; the object lives in the trainer. `target` is called as `target(settings)`."""

    name: str
    target: str
    ranks: str = "zero"
    """`zero` or `all`."""
    summary: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExporterSpec:
    """A voice format. `target` is called as `target(settings)` in the `torch` worker and returns an `Exporter`."""

    name: str
    target: str
    suffix: str
    """File name suffix of the main file, for instance `.onnx`."""
    verifier: str = ""
    """Called as `verifier(settings)`, returns a `Verifier`; an export that it rejects is not called exported."""
    summary: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayerSpec:
    """A way to make a WAV heard. `target` is called as `target(settings)` and returns a `Player`."""

    name: str
    target: str
    preference: int = 0
    """The highest available one plays when the user names none."""
    summary: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhoneRecognizerSpec:
    """What hears which phones a recording holds. `target` is called as `target(settings)`, once for each thread, and
    returns a `PhoneRecognizer`."""

    name: str
    target: str
    preference: int = 0
    """The highest available one hears when the user names none."""
    summary: str = ""
    available: Callable[[], str] | None = None
    """Returns an empty string, or the one-line reason why it can't be used here. Must be light."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DoctorCheckSpec:
    """A check of the machine. `target` is called as `target()` and returns an iterable of `Finding`."""

    name: str
    target: str
    pool: str = ""
    """Worker pool it must run in (`torch`, `audio`, `text`) because it imports heavy code; empty: anywhere."""
    summary: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PaneSpec:
    """A pane of the terminal workbench. `target` is a `textual.widget.Widget` class without arguments."""

    name: str
    title: str
    target: str
    summary: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """A run as event hooks see it."""

    id: str
    folder: Path
    workspace: Path
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportResult:
    """What an export wrote."""

    checkpoint: Path
    files: tuple[Path, ...]
    largest_difference: float
    """Largest absolute difference between checkpoint and exported voice on the same noise, full scale = 1."""
    accepted: bool
