"""What a new run would begin with, worked out before it is started. In a worker: the file is read by torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from core_vits.architecture import different_fields, quality_of
from core_vits.checkpoint import CheckpointFileError, load_checkpoint
from core_vits.config import ModelConfig
from core_vits.manifest import ManifestError
from core_vits.phonemes import NUM_SYMBOLS
from core_vits.train.begin import RESUME, BeginPlan, Choices, Known, plan_begin
from core_vits.train.origin import OURS, Origin, read_origin
from core_vits.train.settings import TrainSettings
from core_vits.train.telling import Fact, facts_of, plan_as_json
from workbench.config import HOP_LENGTH, Workspace, shown, workspace_from_dict
from workbench.errors import CheckpointError, DatasetError, RunError, WorkbenchError
from workbench.host import Host
from workbench.jobs.background import PARTS, Background, background_of
from workbench.jobs.curation import read_curation
from workbench.jobs.dataset import read_table
from workbench.jobs.inherited import check_symbols, inherited_from, number_speakers
from workbench.jobs.start import model_of
from workbench.workers.targets.frontend import FrontEnd, front_end

Progress = Callable[[float, float, str], None]

_DIGEST = re.compile("[0-9a-f]{16,}")

_verified: dict[Path, tuple[int, int]] = {}
"""Time and size of files that were compared with their checksums: another choice need not read 800 MB again."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """What the new run will have of its own."""

    workspace: Workspace
    files: tuple[str, ...]
    """Recordings of the rows that have one."""
    speakers: Mapping[str, int]
    num_speakers: int
    """Rows of the table of speakers, which may be more than have names."""
    symbols: Mapping[str, Sequence[int]] | None
    phonemizer: str
    """Name, version and language; empty: there is none, and the start will say so."""
    refusal: str = ""
    """Why the preparation would refuse to go on with the checkpoint; empty when it would not."""


def plan(settings: dict[str, Any], *, own: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """Work out how a run with these settings begins.

    Args:
        settings: tables of a workspace, with its place under `workspace`; `[start]` names the checkpoint.
        own: the checkpoint is that of the run which is to go on, not of another one.

    Returns:
        `facts`: label, text and whether it is a warning, in the order to show them; `refusal`: empty, or why it can't
        begin so and what to do; `model`: the architecture for the new run; `plan`: the same in numbers; `checkpoint`.

    Raises:
        CheckpointError: the file can't be read.
        DatasetError: the table can't be read.
    """
    report = progress or _nobody_listens
    place = settings.get("workspace", {})
    workspace = workspace_from_dict(settings, Path(str(place.get("file", "workbench.toml"))))
    checkpoint = workspace.start_checkpoint
    project = _project(workspace, own=own)
    if checkpoint is None:
        return _from_scratch(project)
    try:
        payload = _load(checkpoint, report)
        report(0, 0, "working out what is kept")
        origin = read_origin(payload)
        start = workspace.start
        choices = Choices(mode=start.mode, learning_rate=start.learning_rate, optimizer=start.optimizer)
        choices = choices.later() if own else choices
        before = background_of(checkpoint)
        config = model_for(workspace, origin, choices, project.num_speakers)
        known = Known(
            symbols_before=before.symbols,
            symbols=project.symbols,
            speakers_before=before.speakers,
            speakers=project.speakers or None,
        )
        made = plan_begin(payload, config, _train_settings(workspace), choices, known, own=own)
    except CheckpointFileError as error:
        raise CheckpointError(_with_name(checkpoint, str(error))) from None
    refusal = made.refusal or _other_hop(config) or project.refusal
    facts = [
        Fact(label="checkpoint", text=f"{shown(checkpoint)} ({checkpoint.stat().st_size / 1e6:,.0f} MB)"),
        *facts_of(made),
        *([] if refusal else _surroundings(made, before, project)),
    ]
    return {
        "checkpoint": str(checkpoint),
        "facts": [asdict(fact) for fact in facts],
        "refusal": _with_name(checkpoint, refusal) if refusal else "",
        "model": asdict(config),
        "plan": plan_as_json(made),
    }


def _train_settings(workspace: Workspace) -> TrainSettings:
    return TrainSettings(**{item.name: getattr(workspace.training, item.name) for item in fields(TrainSettings)})


def _nobody_listens(done: float, total: float, what: str) -> None:
    """Progress that nobody asked for."""


def _with_name(checkpoint: Path, said: str) -> str:
    return said if str(checkpoint) in said else f"{shown(checkpoint)}: {said}"


def _load(checkpoint: Path, report: Progress) -> dict[str, Any]:
    """The file's contents, its tensors left on the disk.

    Raises:
        CheckpointFileError: it can't be read.
    """
    try:
        about = checkpoint.stat()
    except OSError as error:
        raise CheckpointFileError(f"{checkpoint}: can't be read ({error.strerror or error})") from None
    mark = (about.st_mtime_ns, about.st_size)
    payload = load_checkpoint(
        checkpoint,
        mapped=True,
        verified=_verified.get(checkpoint) == mark,
        progress=lambda done, total: report(round(done / 1e6), round(total / 1e6), f"MB of {checkpoint.name} read"),
    )
    _verified[checkpoint] = mark
    return payload


# --- what the new run has -------------------------------------------------------------------------------------------


def _project(workspace: Workspace, *, own: bool) -> Project:
    """
    Raises:
        DatasetError: the table, or what the checkpoint numbers how, can't be read.
    """
    try:
        manifest = read_table(workspace)
        before = inherited_from(workspace.start_checkpoint, RESUME if own else workspace.start.mode)
    except (ManifestError, RunError) as error:
        raise DatasetError(str(error)) from None
    curation = read_curation(workspace.curation)
    rows = [row for row in manifest.rows if curation.recording(workspace.audio_folder, row.file) is not None]
    speakers, number = number_speakers(workspace, manifest.rows, rows, before)
    symbols, phonemizer = _front_end(workspace)
    refusal = ""
    try:
        check_symbols(workspace, symbols or {}, before)
    except DatasetError as error:
        refusal = str(error)
    return Project(
        workspace=workspace,
        files=tuple(row.file for row in rows),
        speakers=speakers,
        num_speakers=number,
        symbols=symbols,
        phonemizer=phonemizer,
        refusal=refusal,
    )


def _front_end(workspace: Workspace) -> tuple[Mapping[str, Sequence[int]] | None, str]:
    """Phoneme ids and the phonemizer's fingerprint; nothing where it can't be loaded: the start itself says so."""
    try:
        front = front_end(workspace, Host.load(workspace))
    except WorkbenchError:
        return None, ""
    try:
        return {symbol: list(ids) for symbol, ids in front.id_map.items()}, _fingerprint(front)
    finally:
        front.close()


def _fingerprint(front: FrontEnd) -> str:
    return " ".join(part for part in (front.name, front.version, front.language) if part)


def model_for(workspace: Workspace, origin: Origin, choices: Choices, speakers: int) -> ModelConfig:
    """The architecture of the new run: that of the settings, and of the file what no setting speaks of.

    A run that resumes keeps the file's whole architecture where the settings don't contradict it, also one that is no
    quality of ours: nobody could go on with it otherwise.
    """
    asked, old = model_of(workspace), origin.config
    asked = replace(asked, num_symbols=NUM_SYMBOLS, num_speakers=max(1, speakers))
    several = speakers > 1 and old.num_speakers > 1
    if choices.mode != RESUME or quality_of(old) not in ("", quality_of(asked)):
        return replace(asked, gin_channels=old.gin_channels) if several else asked
    kept = replace(
        old,
        audio=replace(old.audio, sample_rate=asked.audio.sample_rate),
        num_symbols=asked.num_symbols,
        num_speakers=asked.num_speakers,
        segment_size=asked.segment_size,
        use_mrd=asked.use_mrd,
    )
    if not origin.discriminators:
        kept = replace(kept, discriminator_width_divisor=asked.discriminator_width_divisor)
    return kept


def _other_hop(config: ModelConfig) -> str:
    hop = config.audio.hop_length
    return "" if hop == HOP_LENGTH else f"its hop length is {hop} samples; only {HOP_LENGTH} can be trained here"


# --- facts ----------------------------------------------------------------------------------------------------------


def _surroundings(made: BeginPlan, before: Background, project: Project) -> Iterator[Fact]:
    """What neither the weights nor the settings say."""
    wanted = quality_of(model_of(project.workspace))
    names = different_fields(made.config, model_of(project.workspace)) if made.choices.mode == RESUME else ()
    if names:
        text = f"[voice] says '{wanted}'; the run keeps the checkpoint's own size ({', '.join(names[:4])} differ)"
        yield Fact(label="model", text=text, warning=True)
    yield _split_fact(made, before, project)
    yield _phoneme_fact(made, before, project)
    if made.new_symbols:
        few = " ".join(made.new_symbols[:8])
        text = f"{len(made.new_symbols)} are new to the checkpoint ({few}{' …' if len(made.new_symbols) > 8 else ''})"
        yield Fact(label="phonemes", text=text)


def _split_fact(made: BeginPlan, before: Background, project: Project) -> Fact:
    if before.run is not None and before.part_of_file:
        parts = [before.part_of_file.get(file) for file in project.files]
        known = sum(part is not None for part in parts)
        if any(part == PARTS[0] for part in parts):
            new = f" (new clips: {len(parts) - known})" if known < len(parts) else ""
            text = f"that of {before.run.name} is kept for {known} of {len(parts)} clips{new}"
            return Fact(label="split", text=text)
        return Fact(label="split", text=f"new: no clip of this data set was trained in {before.run.name}")
    if made.origin.maker == OURS:
        text = "new: the run of the checkpoint is not beside it, so validation may hold clips that it was trained on"
        return Fact(label="split", text=text, warning=True)
    text = (
        "new: Piper does not store its own, so clips of its training may be in our validation, and val mel can't be "
        "compared with the old run's"
    )
    return Fact(label="split", text=text, warning=True)


def _phoneme_fact(made: BeginPlan, before: Background, project: Project) -> Fact:
    """The phonemizer then and now."""
    now = _short(project.phonemizer)
    then = made.origin.phonemizer or before.phonemizer
    if then and then == project.phonemizer:
        return Fact(label="phonemizer", text=f"{now}, as before")
    if then:
        text = f"{_short(then)} before, {now} now: the same text may give other phonemes"
        return Fact(label="phonemizer", text=text, warning=True)
    if before.config_file is None or not made.symbols_known:
        text = (
            f"{now}; that of the checkpoint is not known (no config.json beside it), so its phonemes are taken to have "
            "the numbers that they have here"
        )
        return Fact(label="phonemizer", text=text, warning=True)
    piper = f"piper {before.piper_version}" if before.piper_version else "no piper_version"
    same = "" if made.moved_symbols else "; all phonemes that both know have the same number"
    voice = f", espeak voice {before.espeak_voice}" if before.espeak_voice else ""
    return Fact(label="phonemizer", text=f"{now}; before: {shown(before.config_file)} ({piper}{voice}){same}")


def _short(phonemizer: str) -> str:
    """A fingerprint to read: long digests are cut."""
    return _DIGEST.sub(lambda match: match[0][:8], phonemizer) or "no phonemizer that works here"


def _from_scratch(project: Project) -> dict[str, Any]:
    config = replace(model_of(project.workspace), num_speakers=max(1, len(project.speakers)))
    training = project.workspace.training
    last = [
        rate * decay ** (training.epochs - 1)
        for rate, decay in (
            (training.learning_rate, training.lr_decay),
            (training.learning_rate_d, training.lr_decay_d),
        )
    ]
    voices = "1 speaker" if config.num_speakers == 1 else f"{config.num_speakers} speakers"
    facts = [
        Fact(label="checkpoint", text="none: the weights begin at random"),
        Fact(label="model", text=f"'{quality_of(config)}', {voices}, {config.audio.sample_rate} Hz"),
        Fact(
            label="rate",
            text=f"generator {training.learning_rate:.3g}, {last[0]:.3g} in epoch {training.epochs}; discriminators "
            f"{training.learning_rate_d:.3g}, {last[1]:.3g}",
        ),
        Fact(label="phonemizer", text=_short(project.phonemizer)),
    ]
    return {
        "checkpoint": None,
        "facts": [asdict(fact) for fact in facts],
        "refusal": "",
        "model": asdict(config),
        "plan": None,
    }
