"""Which clips are trained and which validate, as a run that begins now will have it. Imports torch, which draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core_vits.dataset import Split, split
from workbench.config.settings import TrainingSettings
from workbench.jobs.background import PARTS, Background


def planned_split(
    clips: Sequence[str], training: TrainingSettings, before: Background, files: Mapping[str, str]
) -> tuple[Split, int]:
    """The split of a new run, and of how many clips it is that of the run before.

    Args:
        clips: keys in the order of the metadata, each once.
        training: shares and seed.
        before: of the checkpoint that the run begins with: what that one's run trained on, it has seen for good.
        files: name of each clip's recording, by key.
    """
    kept = kept_split(clips, training, before, files)
    if kept is None:
        return split(clips, training.validation_split, training.test_clips, training.seed), 0
    return kept, sum(_part_before(key, before, files) is not None for key in clips)


def kept_split(
    clips: Sequence[str], training: TrainingSettings, before: Background, files: Mapping[str, str]
) -> Split | None:
    """The split of the run that a checkpoint comes from, for the same clips; None when it is not known.

    The clips stay in its order, on which the order of the batches hangs. New clips are divided among themselves. A clip
    that was trained on never validates.
    """
    place = {key: number for number, key in enumerate(before.part_of_key)}
    ordered = sorted(clips, key=lambda key: place.get(key, len(place)))
    parts = {key: _part_before(key, before, files) for key in ordered}
    if not any(part == PARTS[0] for part in parts.values()):
        return None
    new = [key for key, part in parts.items() if part is None]
    added = split(new, training.validation_split, 0, training.seed) if len(new) > 1 else Split(tuple(new), (), ())
    kept = [tuple(key for key, part in parts.items() if part == name) for name in PARTS]
    return Split(kept[0] + added.train, kept[1] + added.validation, kept[2] + added.test)


def _part_before(key: str, before: Background, files: Mapping[str, str]) -> str | None:
    return before.part_of_key.get(key) or before.part_of_file.get(files.get(key, ""))
