"""The tables of `workbench.toml` as frozen dataclasses: one field a setting, described and checked at its place.

The description of a field serves three times: here, as the comment that `workbench init` writes above the setting, and
by the test that keeps the manual (`workbench/help/workspace.md`) complete.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, fields
from typing import Any

from workbench.config.checks import Check, above, at_least, below, between, matching, multiple_of, one_of
from workbench.errors import ConfigError

QUALITIES = ("x-low", "low", "medium", "high", "tiny")
TEXT, PHONEME_IDS = "text", "phoneme_ids"
"""What the last column of the metadata holds."""
BY_APPEARANCE, BY_CLIPS = "appearance", "clips"
"""How speakers are numbered."""
BUCKETS, RANDOM = "buckets", "random"
"""How clips are put into batches."""
RESUME, WARM_START, VOCODER = "resume", "warm-start", "vocoder"
"""How much of a checkpoint a new run begins with."""
CONTINUE, KEEP, SET = "continue", "keep", "set"
"""Where the learning rate of a run that resumes a checkpoint comes from."""
# Samples a frame in every quality; a training segment is a whole number of frames.
HOP_LENGTH = 256


class SettingError(ConfigError):
    """One setting is wrong. `key` names it, so that the reader can say on which line it stands."""

    def __init__(self, key: str, message: str, wanted: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.wanted = wanted


def setting(default: object, about: str, *checks: Check) -> Any:
    """A dataclass field that carries its description and its checks."""
    metadata = {"about": about, "checks": checks}
    if isinstance(default, tuple):
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


class Checked:
    """Base of the tables: every field is checked at construction."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, item.name)
            for check in item.metadata.get("checks", ()):
                wanted = check(value)
                if wanted:
                    raise SettingError(item.name, f"{item.name} is {_shown(value)}; {wanted}", wanted)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _language(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", value):
        return ""
    hint = ""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*", value):
        language, *rest = re.split("[_-]", value)
        hint = f"; did you mean '{'-'.join([language.lower(), *rest])}'?"
    return f"a language tag such as 'ru' or 'ru-RU' is wanted{hint}"


_name = matching(
    r"\w[\w.]{0,63}", "a name of letters, digits and '_', at most 64 (it becomes part of the voice's file name)"
)
_one_character = matching(r"[^\"\r\n\0]", "one character, for instance '|'")
_path = matching(r"[^\0]+", "a path")


def _clusters(value: object) -> str:
    wanted = 'lists of two phonemes or more are wanted, one character (NFD) each, for instance [["a", "ɪ"]]'
    if not isinstance(value, tuple):
        return wanted
    phonemes = [phoneme for cluster in value for phoneme in cluster]
    good = all(len(phoneme) == 1 and unicodedata.is_normalized("NFD", phoneme) for phoneme in phonemes)
    return "" if good and all(len(cluster) > 1 for cluster in value) else wanted


@dataclass(frozen=True, kw_only=True)
class VoiceSettings(Checked):
    """`[voice]`: what the voice is called."""

    name: str = setting("", "Name of the voice; part of the exported file's name.", _name)
    language: str = setting("", "Language as a BCP 47 tag, for instance ru or en-US.", _language)
    quality: str = setting("medium", "Size of the model: x-low, low, medium, high, or tiny.", one_of(*QUALITIES))


@dataclass(frozen=True, kw_only=True)
class DatasetSettings(Checked):
    """`[dataset]`: where texts and recordings are."""

    metadata: str = setting("metadata.csv", "Table of recordings and texts; relative to this file.", _path)
    audio: str = setting("wavs", "Folder of the recordings; relative to this file.", _path)
    delimiter: str = setting("|", "Character between the columns of the table.", _one_character)
    quoting: bool = setting(False, "Whether double quotes group text in the table; Piper reads with quotes.")
    multi_speaker: bool = setting(False, "Whether the table's second column names the speaker.")
    speaker_order: str = setting(
        BY_APPEARANCE,
        "Numbers speakers by first appearance, as Piper does, or by falling number of clips, as its first version did.",
        one_of(BY_APPEARANCE, BY_CLIPS),
    )
    type: str = setting(
        TEXT, "What the last column holds: text, or phoneme_ids (numbers between spaces).", one_of(TEXT, PHONEME_IDS)
    )
    curation: str = setting(
        "curation", "Folder of excluded rows, corrected texts and mended copies; relative to this file.", _path
    )


@dataclass(frozen=True, kw_only=True)
class TextSettings(Checked):
    """`[text]`: from text to phonemes."""

    phonemizer: str = setting(
        "auto",
        "Phonemizer; auto takes the best one that is available and speaks the language.",
        matching(".+", "a name"),
    )
    espeak_voice: str = setting("", "eSpeak NG voice; empty: the language.")
    normalizers: tuple[str, ...] = setting((), "Normalisers that rewrite the text before it is phonemized, in order.")
    phoneme_map: str = setting("", "JSON file with the id of each phoneme; empty: the phonemizer's own map.")
    vowel_clusters: tuple[tuple[str, ...], ...] = setting(
        (), 'Phonemes that follow each other and count as one, for instance [["a", "ɪ"], ["o", "ʊ"]].', _clusters
    )


@dataclass(frozen=True, kw_only=True)
class AudioSettings(Checked):
    """`[audio]`: how recordings become training clips."""

    sample_rate: int = setting(22_050, "Hz of the voice; recordings are resampled to it.", between(8_000, 48_000))
    trim_silence: bool = setting(True, "Whether silence at both ends of a recording is cut away.")
    keep_seconds_before: float = setting(0.25, "Seconds kept before speech begins.", between(0, 10))
    keep_seconds_after: float = setting(0.25, "Seconds kept after speech ends.", between(0, 10))


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Checked):
    """`[training]`: the training run."""

    seed: int = setting(1234, "Seed of every random choice.", between(0, 2**32 - 1))
    epochs: int = setting(1000, "Epochs; training ends after the last.", at_least(1))
    max_steps: int = setting(0, "Batches after which training ends; 0: no limit.", at_least(0))
    batch_size: int = setting(16, "Clips of a process in one training step; with buckets in the mean.", at_least(1))
    batching: str = setting(
        BUCKETS,
        "buckets: clips of similar length in a batch, the shorter they are, the more; random: as Piper does.",
        one_of(BUCKETS, RANDOM),
    )
    learning_rate: float = setting(2e-4, "Learning rate of the generator.", above(0, 1))
    learning_rate_d: float = setting(1e-4, "Learning rate of the discriminators.", above(0, 1))
    lr_decay: float = setting(0.999875, "Factor on the generator's learning rate after each epoch.", above(0, 1))
    lr_decay_d: float = setting(0.9999, "Factor on the discriminators' learning rate after each epoch.", above(0, 1))
    validation_split: float = setting(
        0.1, "Share of the clips that is held back for validation.", at_least(0), below(1)
    )
    test_clips: int = setting(5, "Clips held back to be spoken as samples during training.", at_least(0))
    segment_size: int = setting(
        8192, "Samples of a clip that the decoder sees in one step.", at_least(1024), multiple_of(HOP_LENGTH)
    )
    multi_resolution_discriminator: bool = setting(False, "Whether a third discriminator judges spectrograms as well.")
    mel_weight: float = setting(45.0, "Weight of the mel loss.", at_least(0))
    kl_weight: float = setting(1.0, "Weight of the kl loss.", at_least(0))
    launcher: str = setting("local", "How the trainer is started: the name of a launcher.", matching(".+", "a name"))
    devices: int = setting(1, "Training processes on this machine.", at_least(1))
    accelerator: str = setting("auto", "auto, cpu or cuda.", one_of("auto", "cpu", "cuda"))
    precision: str = setting("32-true", "32-true, bf16-mixed or 16-mixed.", one_of("32-true", "bf16-mixed", "16-mixed"))
    tf32: bool = setting(True, "Whether a GPU may round the factors of float32 products to ten bits; faster.")
    cuda_graphs: bool = setting(False, "Whether a GPU is given recorded steps, started as a whole; more memory.")
    num_workers: int = setting(0, "Processes that prepare batches; 0: the trainer does it.", between(0, 64))
    validate_every_epochs: int = setting(1, "Epochs between two validations.", at_least(1))
    checkpoint_every_epochs: int = setting(1, "Epochs between two checkpoints.", at_least(1))
    checkpoint_every_minutes: float = setting(0.0, "Minutes between two checkpoints as well; 0: off.", at_least(0))
    keep_best: int = setting(5, "Checkpoints kept with the lowest validation mel loss.", at_least(0))
    keep_last: int = setting(2, "Newest checkpoints kept.", at_least(1))
    log_every_steps: int = setting(10, "Batches between two points of a curve.", at_least(1))


@dataclass(frozen=True, kw_only=True)
class StartSettings(Checked):
    """`[start]`: what a new run begins with."""

    checkpoint: str = setting("", "Checkpoint that a new run begins with, ours or Piper's; empty: from scratch.")
    mode: str = setting(
        RESUME,
        "resume: go on where it stopped; warm-start: all weights that fit, at epoch 0; vocoder: decoder, posterior "
        "encoder and flow only.",
        one_of(RESUME, WARM_START, VOCODER),
    )
    learning_rate: str = setting(
        CONTINUE,
        "On resuming: continue decays the checkpoint's rate further, keep holds it constant, set takes [training]'s.",
        one_of(CONTINUE, KEEP, SET),
    )
    optimizer: str = setting(KEEP, "On resuming: keep the optimizers' state, or begin it fresh.", one_of(KEEP, "fresh"))


@dataclass(frozen=True, kw_only=True)
class PathSettings(Checked):
    """`[paths]`: where things are written; relative to this file."""

    runs: str = setting("runs", "Training runs.", _path)
    cache: str = setting(".cache", "Prepared audio and phonemes; can be deleted at any time.", _path)
    voices: str = setting("voices", "Exported voices.", _path)
    piper_runs: str = setting("", "Folder of Piper's own runs (lightning_logs), shown read-only; empty: none.")
    piper_cache: str = setting("", "Folder of Piper's own cache, which health check and report look at; empty: none.")
