"""From a run directory to a trainer: settings, prepared clips, split, architecture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric

from core_vits.cache import CacheReader
from core_vits.config import AudioConfig, ModelConfig
from core_vits.dataset import ClipDataset, Split
from core_vits.train.begin import Choices, Known
from core_vits.train.callbacks import Callback
from core_vits.train.data import ClipData, Sentence
from core_vits.train.loop import Trainer
from core_vits.train.ranks import Ranks
from core_vits.train.settings import TrainSettings
from core_vits.train.state import Provenance
from workbench.config import StartSettings, TrainingSettings, Workspace
from workbench.errors import DatasetError, RunError
from workbench.jobs.background import Background, background_of, phonemizer_words
from workbench.jobs.rundir import (
    CHECKPOINTS,
    IDENTITY,
    PREPARED,
    SPLIT,
    VOICE_CONFIG,
    append_event,
    read_json,
    write_json,
)
from workbench.workers.targets.splitting import planned_split

SPOKEN_FROM_VALIDATION = 3
"""Sentences that are spoken when no clips were held back for it."""
SPEAKERS_HEARD = 5
"""Speakers that are heard after each validation, if there are as many."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What the prepare step left for the trainer."""

    cache: Path
    keys: tuple[str, ...]
    """Of the clips, in the order of the metadata."""
    speakers: Mapping[str, int]
    """Empty for a voice with one speaker."""
    num_symbols: int
    num_speakers: int = 0
    """That the model must have; as many as there are names where nothing says more."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name of each clip's recording, by key."""
    phonemizer: str = ""
    """Name, version and language."""


def make_trainer(
    run: Path, workspace: Workspace, fabric: Fabric, *, callbacks: Sequence[Callback], stop: Callable[[], bool]
) -> tuple[Trainer, Path | None]:
    """Build the trainer of a run, and name the checkpoint that a new run goes on from, if any.

    Args:
        run: its directory.
        workspace: its settings.
        fabric: device, precision and processes.
        callbacks: told about everything in this process.
        stop: asked whether to stop.

    Raises:
        RunError: the run directory is incomplete.
        DatasetError: there is nothing to train on.
    """
    identity = _read(run / IDENTITY)
    prepared = read_prepared(run)
    config = model_config(identity.get("model", {}), prepared)
    training = workspace.training
    settings = train_settings(training)
    begin_with = Path(identity["resumed_from"]) if identity.get("resumed_from") else None
    before = background_of(begin_with) if begin_with is not None else Background()
    parts = Ranks(fabric).first_before_others(
        lambda: stored_split(run, prepared.keys, training, before=before, files=prepared.files)
    )
    data = _data(prepared, parts, config, settings, fabric)
    digest = hashlib.sha256(json.dumps(parts.as_json()).encode()).hexdigest()[:16]
    symbols = _symbols(run)
    choices = start_choices(workspace.start) if begin_with is not None else Choices()
    trainer = Trainer(
        settings,
        config,
        data,
        run / CHECKPOINTS,
        callbacks=callbacks,
        stop=stop,
        provenance=Provenance(
            split_hash=digest,
            versions=identity.get("versions", {}),
            speakers=prepared.speakers,
            phoneme_id_map=symbols,
            phonemizer=prepared.phonemizer,
            begun=_begun(begin_with, choices),
        ),
        choices=choices,
        known=Known(
            symbols_before=before.symbols,
            symbols=symbols or None,
            speakers_before=before.speakers,
            speakers=prepared.speakers or None,
        ),
        fabric=fabric,
    )
    return trainer, begin_with


def start_choices(start: StartSettings) -> Choices:
    """What `[start]` chooses."""
    return Choices(mode=start.mode, learning_rate=start.learning_rate, optimizer=start.optimizer)


def _begun(checkpoint: Path | None, choices: Choices) -> dict[str, str]:
    if checkpoint is None:
        return {}
    return {
        "checkpoint": str(checkpoint),
        "mode": choices.mode,
        "learning_rate": choices.rates,
        "optimizer": choices.optimizer,
    }


def _symbols(run: Path) -> dict[str, list[int]]:
    """Phoneme ids of the voice, from its configuration; empty when that is not there."""
    try:
        known = read_json(run / VOICE_CONFIG).get("phoneme_id_map")
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def train_settings(training: TrainingSettings) -> TrainSettings:
    """The trainer's part of `[training]`."""
    return TrainSettings(**{item.name: getattr(training, item.name) for item in fields(TrainSettings)})


def model_config(stored: Mapping[str, Any], prepared: Prepared) -> ModelConfig:
    """The architecture in `run.json`, with the symbols and speakers of the prepared data set.

    Raises:
        RunError: `run.json` does not describe one.
    """
    values = {name: _tuples(value) for name, value in stored.items()}
    try:
        config = ModelConfig(**{**values, "audio": AudioConfig(**stored["audio"])})
        speakers = max(1, prepared.num_speakers, len(prepared.speakers))
        return replace(config, num_symbols=prepared.num_symbols, num_speakers=speakers)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{IDENTITY}: its model can't be used ({error}). Start a new run") from error


def read_prepared(run: Path) -> Prepared:
    """What the prepare step found.

    Raises:
        RunError: it has not run.
        DatasetError: it found nothing to train on.
    """
    data = _read(run / PREPARED)
    try:
        prepared = Prepared(
            cache=Path(data["cache"]),
            keys=tuple(str(clip["key"]) for clip in data["trained"]),
            speakers=dict(data.get("speakers") or {}),
            num_symbols=int(data["num_symbols"]),
            num_speakers=int(data.get("num_speakers", 0)),
            files={str(clip["key"]): str(clip.get("file", "")) for clip in data["trained"]},
            phonemizer=phonemizer_words(data.get("phonemizer")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{PREPARED}: {type(error).__name__}: {error}. Start a new run") from error
    if not prepared.keys:
        raise DatasetError("no clip of the data set can be trained on; `workbench health` says why")
    return prepared


def stored_split(
    run: Path,
    keys: Sequence[str],
    training: TrainingSettings,
    *,
    before: Background | None = None,
    files: Mapping[str, str] | None = None,
) -> Split:
    """The split of this run: made once, then read, so that a resumed run never trains on a validation clip.

    Args:
        run: directory of the run.
        keys: of its clips.
        training: shares and seed.
        before: of the checkpoint that the run begins with: what that one's run trained on, it has seen for good.
        files: name of each clip's recording, by key.

    Raises:
        RunError: the stored one can't be read.
        DatasetError: no clip is left for training.
    """
    path = run / SPLIT
    if path.exists():
        try:
            return Split.from_json(read_json(path))
        except (OSError, ValueError) as error:
            raise RunError(f"{run.name}: {SPLIT} can't be read ({error})") from error
    # Two rows with the same text and recording are one clip: it must not be in two parts.
    clips = tuple(dict.fromkeys(keys))
    parts, known = planned_split(clips, training, before or Background(), files or {})
    if known and before is not None and before.run is not None:
        append_event(run, "split_kept", of=before.run.name, clips=known, new=len(clips) - known)
    if not parts.train:
        raise DatasetError(
            f"all {len(keys)} clips are held back for validation and samples, none is left to train on. "
            "Lower validation_split or test_clips in [training]"
        )
    write_json(path, parts.as_json(), durable=True)
    return parts


def _data(prepared: Prepared, parts: Split, config: ModelConfig, settings: TrainSettings, fabric: Fabric) -> ClipData:
    reader = CacheReader(prepared.cache)
    speakers = prepared.speakers if config.num_speakers > 1 else None

    def clips(keys: Sequence[str]) -> ClipDataset:
        gone = sum(key not in reader.entries for key in keys)
        if gone:
            raise DatasetError(
                f"{gone} of {len(keys)} clips of this run are no longer in the data set: recordings or texts were "
                "changed or removed since it began. Put them back, or begin a new run from its last checkpoint: "
                "workbench train --resume FILE.ckpt"
            )
        return ClipDataset(reader, keys, config.audio, speaker_ids=speakers)

    spoken = parts.test or parts.validation[:SPOKEN_FROM_VALIDATION]
    return ClipData(
        clips(parts.train),
        clips(parts.validation) if parts.validation else None,
        sentences(reader, prepared.keys, spoken, speakers),
        batch_size=settings.batch_size,
        seed=settings.seed,
        batching=settings.batching,
        num_workers=settings.num_workers,
        rank=fabric.global_rank,
        world=fabric.world_size,
    )


def sentences(
    reader: CacheReader, keys: Sequence[str], spoken: Sequence[str], speakers: Mapping[str, int] | None
) -> list[Sentence]:
    """What is spoken after a validation: some clips, each by its own speaker.

    A few clips may all be of one speaker. The first sentence is then spoken by others as well, until as many are heard
    as `SPEAKERS_HEARD` says, or all.

    Args:
        reader: has the clips.
        keys: of all clips of the run.
        spoken: of those that are spoken.
        speakers: ids of the speakers; None for a voice with one.
    """
    entries = [reader.entries[key] for key in spoken if key in reader.entries]
    if not speakers:
        return [Sentence(name=entry.text or entry.file, phoneme_ids=entry.phoneme_ids) for entry in entries]
    said = [(entry, entry.speaker or "") for entry in entries]
    heard = {speaker for _, speaker in said}
    trained = {reader.entries[key].speaker for key in keys if key in reader.entries}
    silent = [name for name in speakers if name not in heard and name in trained]
    said += [(entries[0], name) for name in silent[: max(0, SPEAKERS_HEARD - len(heard))] if entries]
    return [
        Sentence(
            name=entry.text or entry.file,
            phoneme_ids=entry.phoneme_ids,
            speaker_id=speakers.get(speaker, 0),
            speaker=speaker,
        )
        for entry, speaker in said
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path.parent.name}: {path.name} can't be read ({error}). Start a new run") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
