"""From a run directory to a trainer: settings, prepared clips, split, architecture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric

from core_vits.cache import CacheReader
from core_vits.config import AudioConfig, ModelConfig
from core_vits.dataset import ClipDataset, Split, split
from core_vits.train.callbacks import Callback
from core_vits.train.data import ClipData, Sentence
from core_vits.train.loop import Trainer
from core_vits.train.ranks import Ranks
from core_vits.train.settings import TrainSettings
from core_vits.train.state import Provenance
from workbench.config import TrainingSettings, Workspace
from workbench.errors import DatasetError, RunError
from workbench.jobs.rundir import CHECKPOINTS, IDENTITY, PREPARED, SPLIT, read_json, write_json

SPOKEN_FROM_VALIDATION = 3
"""Sentences that are spoken when no clips were held back for it."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What the prepare step left for the trainer."""

    cache: Path
    keys: tuple[str, ...]
    """Of the clips, in the order of the metadata."""
    speakers: Mapping[str, int]
    """Empty for a voice with one speaker."""
    num_symbols: int


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
    parts = Ranks(fabric).first_before_others(lambda: stored_split(run, prepared.keys, training))
    data = _data(prepared, parts, config, settings, fabric)
    begin_with = identity.get("resumed_from")
    digest = hashlib.sha256(json.dumps(parts.as_json()).encode()).hexdigest()[:16]
    trainer = Trainer(
        settings,
        config,
        data,
        run / CHECKPOINTS,
        callbacks=callbacks,
        stop=stop,
        provenance=Provenance(split_hash=digest, versions=identity.get("versions", {})),
        fabric=fabric,
    )
    return trainer, Path(begin_with) if begin_with else None


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
        return replace(config, num_symbols=prepared.num_symbols, num_speakers=max(1, len(prepared.speakers)))
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
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{PREPARED}: {type(error).__name__}: {error}. Start a new run") from error
    if not prepared.keys:
        raise DatasetError("no clip of the data set can be trained on; `workbench health` says why")
    return prepared


def stored_split(run: Path, keys: Sequence[str], training: TrainingSettings) -> Split:
    """The split of this run: made once, then read, so that a resumed run never trains on a validation clip.

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
    parts = split(tuple(dict.fromkeys(keys)), training.validation_split, training.test_clips, training.seed)
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
        return ClipDataset(reader, keys, config.audio, segment_size=config.segment_size, speaker_ids=speakers)

    spoken = parts.test or parts.validation[:SPOKEN_FROM_VALIDATION]
    return ClipData(
        clips(parts.train),
        clips(parts.validation) if parts.validation else None,
        [_sentence(reader, key, speakers) for key in spoken if key in reader.entries],
        batch_size=settings.batch_size,
        seed=settings.seed,
        num_workers=settings.num_workers,
        rank=fabric.global_rank,
        world=fabric.world_size,
    )


def _sentence(reader: CacheReader, key: str, speakers: Mapping[str, int] | None) -> Sentence:
    entry = reader.entries[key]
    speaker = speakers.get(entry.speaker or "", 0) if speakers else None
    return Sentence(name=entry.text, phoneme_ids=entry.phoneme_ids, speaker_id=speaker)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path.parent.name}: {path.name} can't be read ({error}). Start a new run") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
