"""What is checked before a run is made: what can be seen to fail should not leave a failed run behind.

All of it is light: the table is read and a recording looked for, nothing is decoded and no weights are loaded.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from core_vits.archive import why_no_checkpoint
from core_vits.manifest import ManifestError, escapes, split_sizes
from workbench.config import Workspace
from workbench.config.settings import PHONEME_IDS
from workbench.errors import CheckpointError, DatasetError, EnvironmentProblem, RunActiveError, RunError
from workbench.host import Host
from workbench.jobs.curation import read_curation
from workbench.jobs.dataset import own_phoneme_map, read_table, vowel_clusters
from workbench.jobs.runs import COMPLETED, RunView, list_runs, still_busy

CHECKPOINT_BYTES: Mapping[str, int] = {
    "x-low": 650_000_000,
    "low": 850_000_000,
    "medium": 850_000_000,
    "high": 1_000_000_000,
    "tiny": 12_000_000,
}
"""Size of a checkpoint of each quality: weights and two moments of generator and discriminators."""


def check_idle(runs: Path) -> None:
    """One run at a time: two would halve each other's speed, and most machines have one GPU.

    Raises:
        RunActiveError: one is active.
    """
    for run in list_runs(runs):
        if run.live:
            raise RunActiveError(f"{run.id} is {_doing(run)}. Stop it first: workbench stop {run.id}")
        if still_busy(run.folder):
            raise RunActiveError(f"{run.id} is still saving its last checkpoint. Try again in a few seconds")


def _doing(run: RunView) -> str:
    status = run.status
    if status.phase == "prepare":
        return "preparing its data set in this workspace"
    if status.phase in {"", "starting"} or not status.epochs:
        return "starting in this workspace"
    return f"training in this workspace (epoch {min(status.epoch + 1, status.epochs)} of {status.epochs})"


def check_dataset(workspace: Workspace) -> None:
    """Refuse a data set of which it can be seen that nothing can be trained.

    Raises:
        DatasetError: there is none, its table can't be read, or too few rows have a recording.
    """
    name = workspace.dataset.metadata
    if not workspace.metadata.exists():
        raise DatasetError(
            f"{name}: there is no such metadata file in {workspace.root}. Set metadata in [dataset] of workbench.toml"
        )
    _check_recordings(workspace)
    try:
        manifest = read_table(workspace)
    except ManifestError as error:
        raise DatasetError(str(error)) from error
    dropped = [(item.line, "", item.message) for item in manifest.problems if item.skipped]
    found = 0
    curation = read_curation(workspace.curation)
    for row in manifest.rows:
        if curation.recording(workspace.audio_folder, row.file) is None:
            dropped.append((row.line, row.file, not_found(workspace, row.file)))
        else:
            found += 1
        if found == 2:
            break  # how many of the others can be trained, the preparation finds out
    if found < 2:
        refuse_too_few(workspace, found, dropped)


def _check_recordings(workspace: Workspace) -> None:
    name = workspace.dataset.audio
    if not workspace.audio_folder.is_dir():
        raise DatasetError(
            f"{name}: there is no such folder of recordings in {workspace.root}. "
            "Set audio in [dataset] of workbench.toml"
        )
    try:
        with os.scandir(workspace.audio_folder):
            pass
    except OSError as error:
        raise DatasetError(
            f"{name}: the folder of recordings can't be read ({error.strerror or error}). Make it readable"
        ) from None


def not_found(workspace: Workspace, file: str) -> str:
    """Why a row has no recording."""
    if escapes(workspace.audio_folder, file):
        return f"its path leads out of {workspace.dataset.audio}"
    return f"there is no such recording in {workspace.dataset.audio}"


def refuse_too_few(workspace: Workspace, clips: int, dropped: Sequence[tuple[int, str, str]]) -> None:
    """Refuse a data set that leaves nothing to train on.

    Args:
        workspace: whose data set it is.
        clips: how many can be trained.
        dropped: line, file (may be empty) and reason of each row that can't.

    Raises:
        DatasetError: it is too small; names the first dropped row.
    """
    train, _, _ = split_sizes(clips, workspace.training.validation_split, workspace.training.test_clips)
    if train >= 1 and clips >= 2:
        return
    why = ""
    if dropped:
        line, file, reason = min(dropped)
        why = f" The first dropped row is line {line}{f' ({file})' if file else ''}: {reason.rstrip('.')}."
    raise DatasetError(
        f"{workspace.dataset.metadata}: {clips} of {clips + len(dropped)} rows can be trained, "
        f"at least 2 are wanted.{why} See all: workbench health."
    )


def check_front_end(workspace: Workspace, host: Host) -> None:
    """Whether what turns text into phonemes is there.

    Raises:
        PluginError: the phonemizer or a normaliser isn't, or can't be used here.
        ConfigError: the phoneme map or the vowel clusters can't be used.
    """
    own = own_phoneme_map(workspace)
    given = workspace.dataset.type == PHONEME_IDS and workspace.text.phonemizer == "auto"  # ids need no phonemizer
    chosen = None if given else host.phonemizer_for(workspace.voice.language, workspace.text.phonemizer)
    if own is not None:
        vowel_clusters(workspace, own.ids, chosen.spec.phoneme_type if chosen is not None else "espeak")
    for name in workspace.text.normalizers:
        host.normalizer(name)


def check_checkpoint(path: Path) -> None:
    """Whether a file looks like a checkpoint; reads its table of contents only.

    Raises:
        CheckpointError: it does not.
    """
    try:
        path.stat()
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such checkpoint to go on from") from None
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read ({error.strerror or error})") from None
    why_not = why_no_checkpoint(path)
    if why_not:
        raise CheckpointError(why_not)


def check_disk(workspace: Workspace) -> None:
    """The second checkpoint is written before the first may be removed.

    Raises:
        EnvironmentProblem: there is no room for two.
    """
    needed = 2 * CHECKPOINT_BYTES.get(workspace.voice.quality, 0)
    free = shutil.disk_usage(workspace.runs).free
    if free < needed:
        raise EnvironmentProblem(
            f"{workspace.paths.runs}: {free / 1e6:.0f} MB are free, two checkpoints of quality "
            f"{workspace.voice.quality} need {needed / 1e6:.0f} MB. Free space, or set runs in [paths] to another disk"
        )


def check_not_done(run: RunView, workspace: Workspace) -> None:
    """Whether a run has anything left to train.

    Raises:
        RunError: it is completed; says what ended it and how to train on.
    """
    training, status = workspace.training, run.status
    by_epochs = status.epoch >= training.epochs
    by_steps = 0 < training.max_steps <= status.step
    if run.state != COMPLETED or not (by_epochs or by_steps):
        return
    done = f"{status.epoch} epochs" if by_epochs else f"max_steps is {training.max_steps}"
    more = " ".join(
        option
        for option, ended in (
            (f"--epochs {2 * training.epochs}", by_epochs),
            (f"--max-steps {2 * status.step}", by_steps),
        )
        if ended
    )
    raise RunError(
        f"{run.id} is completed: {done}, {status.step} batches are trained. "
        f"To train on in a new run: workbench train --resume {run.id} {more}"
    )
