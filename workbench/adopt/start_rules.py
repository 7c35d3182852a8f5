"""Rules for the checkpoint that training goes on from, and what its name and its neighbours say about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core_vits.checkpoint_names import read_counters, read_name
from workbench.adopt.arithmetic import Plan, Verdict, check
from workbench.adopt.documents import read_yaml
from workbench.adopt.mapper import Mapper
from workbench.adopt.options import Options, add_settings
from workbench.adopt.places import exists, folders, relative
from workbench.adopt.project import CheckpointFile, VoiceFile, checkpoints, version_of, voices
from workbench.adopt.recordings import Clips
from workbench.adopt.script import FIT
from workbench.adopt.training_rules import device_count
from workbench.adopt.values import unresolved
from workbench.config import shown
from workbench.config.settings import RESUME, VOCODER, WARM_START
from workbench.errors import ConfigError

_ANY_CHECKPOINT = ("last", "best", "latest")
_VOCODER = "model.vocoder_warmstart_ckpt"
_WARM_STARTS = {"model.warmstart_ckpt": WARM_START, _VOCODER: VOCODER}
_CONVERTED = "resume_from_single_speaker_checkpoint"
# What newer versions of Lightning take from the checkpoint instead of from the command.
_OVERRIDDEN = (
    "model.learning_rate", "model.learning_rate_d", "model.c_mel", "model.c_kl", "model.segment_size",
)  # fmt: skip
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a training begins with, and what was found beside it."""

    checkpoint: Path | None
    mode: str
    verdict: Verdict | None
    """Whether its counters fit; None when its name has none, or the clips are not here."""
    checkpoints: tuple[CheckpointFile, ...]
    voices: tuple[VoiceFile, ...]
    generation: str
    """Which Piper wrote it; empty when nothing tells."""


def map_start(mapper: Mapper, clips: Clips | None) -> Start:
    """Checkpoint and mode; then what can be told of them."""
    path, mode, name = _choose(mapper)
    found_checkpoints = _all_checkpoints(mapper, path)
    if path is not None:
        mapper.set("start.checkpoint", relative(path, mapper.root), name)
        mapper.set("start.mode", mode, name)
        if not exists(path):
            mapper.check(f"{shown(path)}: the checkpoint is not here; correct [start] checkpoint, or empty it")
    exported = _voices(mapper)
    verdict = _verdict(mapper, path, mode, clips)
    if path is not None and mode == RESUME:
        _further(mapper, path, found_checkpoints, exported)
        _length(mapper, path)
        _rates(mapper)
    return Start(
        checkpoint=path, mode=mode, verdict=verdict, checkpoints=found_checkpoints, voices=exported,
        generation=_generation(mapper, path),
    )  # fmt: skip


def _choose(mapper: Mapper) -> tuple[Path | None, str, str]:
    """The checkpoint, how much of it is taken, and the option that says so."""
    options = mapper.options
    own = _furthest_of_record(mapper)
    if own is not None:
        mapper.check(f"this run's own newest checkpoint is taken: {shown(own.path)}")
        _drop_warm_starts(mapper)
        return own.path, RESUME, ""
    if options.is_given("ckpt_path"):
        _drop_warm_starts(mapper)
        return _named(mapper), RESUME, "ckpt_path"
    for name, mode in {_CONVERTED: WARM_START, **_WARM_STARTS}.items():
        if name in options.given and options.is_given(name):
            value = options.value(name)
            if mode == WARM_START and options.is_given(_VOCODER):
                mapper.ignore(_VOCODER, "the other warm start copies the vocoder, too")
            return mapper.places.find(value) or mapper.places.as_written(value), mode, name
    newest = _furthest(mapper)
    if newest is None:
        return None, RESUME, ""
    mapper.check(
        f"the command names no checkpoint; the furthest that was found is taken: {shown(newest.path)} "
        "(to begin from scratch, empty [start] checkpoint)"
    )
    return newest.path, RESUME, ""


def _furthest_of_record(mapper: Mapper) -> CheckpointFile | None:
    """The newest checkpoint of the run whose config.yaml is read: from there it would go on."""
    if mapper.record is None:
        return None
    number = version_of(mapper.record)
    return next((version.furthest for version in mapper.versions if version.number == number), None)


def _furthest(mapper: Mapper) -> CheckpointFile | None:
    """Of the newest run that has one."""
    ends = [version.furthest for version in mapper.versions if version.furthest is not None]
    return max(ends, key=lambda end: (end.modified, end.version or 0), default=None)


def _drop_warm_starts(mapper: Mapper) -> None:
    for name in _WARM_STARTS:
        if mapper.options.is_given(name):
            mapper.ignore(
                name, "a resumed checkpoint keeps its own weights (Piper copies this file over them at every resume)"
            )


def _named(mapper: Mapper) -> Path | None:
    """The checkpoint that `--ckpt_path` names; its value may be a pattern, or be known to the script alone."""
    given = mapper.options.given["ckpt_path"]
    newest = _furthest(mapper)
    text = given.value if isinstance(given.value, str) else given.shown
    if given.missing or text in _ANY_CHECKPOINT:
        if newest is None:
            if given.missing:
                raise unresolved(given)
            mapper.check(f"{given.place}: {given.flag} {text}: no checkpoint was found; [start] checkpoint is empty")
            return None
        what = f"is '{text}'"
        if given.missing:
            what = f"needs {', '.join(given.missing)}, which only running the script can tell (or --var)"
        mapper.check(f"{given.place}: {given.flag} {what}; the furthest that was found is taken: {shown(newest.path)}")
        return newest.path
    found = mapper.places.find(text)
    if found is None and any(char in text for char in "*?["):
        parent = mapper.places.find(str(Path(text).parent))
        matching = [file for file in checkpoints([parent] if parent else []) if file.path.match(Path(text).name)]
        if matching:
            return max(matching, key=lambda file: (file.modified, file.progress)).path
    return found or mapper.places.as_written(text)


def _all_checkpoints(mapper: Mapper, named: Path | None) -> tuple[CheckpointFile, ...]:
    project = mapper.places.project
    loose = [project, project / "checkpoints", *([named.parent] if named is not None else [])]
    found = [file for version in mapper.versions for file in version.checkpoints] + checkpoints(loose)
    return tuple({file.path: file for file in found}.values())


def _voices(mapper: Mapper) -> tuple[VoiceFile, ...]:
    project = mapper.places.project
    table = (mapper.root / str(mapper.settings.get("dataset.metadata", "metadata.csv"))).parent
    return tuple({file.path: file for file in voices([project, *folders(project), table])}.values())


def _verdict(mapper: Mapper, path: Path | None, mode: str, clips: Clips | None) -> Verdict | None:
    if path is None or mode != RESUME:
        return None
    name = read_counters(path)
    if name.epoch is None or name.step is None:
        mapper.check(f"{path.name}: it does not tell its epoch and steps, so nothing was compared with them")
        return None
    count = clips.with_recording or clips.rows if clips else 0
    if not count:
        mapper.check(f"{path.name}: its counters were not compared, as the clips are not here")
        return None
    settings = mapper.settings
    plan = Plan(
        clips=count,
        batch_size=settings.get("training.batch_size", mapper.options.default("data.batch_size") or 1),
        devices=settings.get("training.devices", 1),
        validation_split=settings.get("training.validation_split", 0.1),
        test_clips=settings.get("training.test_clips", 5),
    )
    verdict = check(path, plan)
    if verdict is None or verdict.fits:
        return verdict
    return _by_its_own_run(mapper, path, plan) or verdict


def _by_its_own_run(mapper: Mapper, path: Path, plan: Plan) -> Verdict | None:
    """The verdict by the settings of the run that wrote the checkpoint, if these fit: a resumed run may have others."""
    record = record_of(mapper, path)
    if record is None:
        return None
    theirs, name = record
    own = replace(
        plan,
        batch_size=theirs.value("data.batch_size") or plan.batch_size,
        validation_split=theirs.value("data.validation_split") or 0.0,
        test_clips=theirs.value("data.num_test_examples") or 0,
        devices=device_count(theirs.value("trainer.devices")) or plan.devices,
    )
    verdict = check(path, own)
    if verdict is None or not verdict.fits:
        return None
    return replace(verdict, message=f"{verdict.message} So says {name}; the project now says {plan.told()}.")


def record_of(mapper: Mapper, checkpoint: Path) -> tuple[Options, str] | None:
    """What the run that a checkpoint comes from wrote down of its settings, and the name of that file."""
    number = version_of(checkpoint)
    version = next((version for version in mapper.versions if version.number == number), None)
    settings = version.settings if version is not None else None
    if settings is None or settings.name != "config.yaml":
        return None
    options = Options(FIT)
    try:
        add_settings(options, read_yaml(settings), shown(settings))
        split = options.value("data.validation_split")
        tests, batch = options.value("data.num_test_examples"), options.value("data.batch_size")
    except ConfigError as error:
        mapper.check(str(error))
        return None
    sensible = 0 <= (split or 0) < 1 and (tests or 0) >= 0 and (batch or 1) > 0
    return (options, shown(settings)) if sensible else None


def _further(mapper: Mapper, path: Path, files: Sequence[CheckpointFile], exported: Sequence[VoiceFile]) -> None:
    """Checkpoints and voices that were made after the checkpoint."""
    epoch = read_counters(path).epoch
    if epoch is None:
        return
    later = [file for file in files if file.path != path and file.name.epoch is not None and file.name.epoch > epoch]
    later.sort(key=lambda file: -(file.name.epoch or 0))
    if later:
        names = ", ".join(shown(file.path) for file in later[:_SHOWN])
        mapper.check(f"the checkpoint (epoch {epoch}) is not the furthest: {names}")
    newer = [voice for voice in exported if voice.epoch is not None and voice.epoch > epoch]
    newest = max(newer, key=lambda voice: voice.epoch or 0, default=None)
    if newest is not None:
        end = "" if later else "; no checkpoint as late as that was found"
        mapper.check(f"the checkpoint (epoch {epoch}) is older than the voice {newest.path.name}{end}")


def _length(mapper: Mapper, path: Path) -> None:
    trained, wanted = read_counters(path).epochs, mapper.settings.get("training.epochs", 0)
    if trained is not None and trained >= wanted > 0:
        mapper.check(f"{trained:,} epochs are trained and [training] epochs is {wanted:,}: raise it to go on")


def _rates(mapper: Mapper) -> None:
    """On resuming, Piper takes rates and weights from the checkpoint, and never lowers a rate."""
    if mapper.options.program != FIT:
        return
    mapper.check(
        "Piper from 1.3 on never lowers the learning rates, whatever lr_decay says; here they fall after each epoch "
        '([start] learning_rate = "keep" holds those of the checkpoint)'
    )
    if mapper.record is not None:
        return
    given = [mapper.options.given[name] for name in _OVERRIDDEN if name in mapper.options.given]
    overridden = [item.flag for item in given if item.written]
    if overridden:
        mapper.check(
            f"{', '.join(overridden)}: newer Piper ignores them beside --ckpt_path and takes the checkpoint's; here "
            "the loss weights count, and [start] learning_rate says whose rate is taken"
        )


def _generation(mapper: Mapper, path: Path | None) -> str:
    if mapper.options.program != FIT:
        return "Piper's predecessor piper_train"
    by_name = read_name(path).generation if path is not None else ""
    version = mapper.config.get("piper_version")
    by_config = (
        {"1.3.0": "Piper 1.3 to 1.4", "1.5.0": "Piper 1.5 or newer"}.get(version) if isinstance(version, str) else ""
    )
    if by_config and "1.3" in by_name:
        return by_config if "1.3" in by_config else f"{by_name} (config.json was last written by {by_config})"
    return by_name or by_config or ""
