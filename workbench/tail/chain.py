"""Which Lightning runs belong together: a resume makes `version_N+1` and names the checkpoint it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from workbench.tail.lightning import CONFIG, HYPERPARAMETERS, read_settings, value_of

CHECKPOINTS = "checkpoints"
_CHAIN_LIMIT = 1000
"""Resumes followed; a circle of configurations must end too."""
_FOLDERS_UP = 5
"""Folders above a run that a path in its settings may start from."""


def checkpoint_resumed(version_dir: Path) -> str | None:
    """Give the checkpoint that a Lightning run was resumed from, as its settings name it.

    `config.yaml` is written by the command line of today; the first Piper's options all stand in `hparams.yaml`.

    Returns:
        None if the run was not resumed or its settings can't be read.
    """
    for name, key in ((CONFIG, "ckpt_path"), (HYPERPARAMETERS, "resume_from_checkpoint")):
        try:
            written = value_of(read_settings(version_dir / name), key)
        except OSError:
            continue
        if written:
            return written
    return None


def resumed_from(version_dir: Path) -> Path | None:
    """Give the version directory whose checkpoint a Lightning run was resumed from.

    The path is as it was typed, relative to the directory of the launch or on another machine: if it leads nowhere
    from here, the directory of that name beside this one is meant. A checkpoint of another family of runs is where a
    fine-tuning began, not its history.

    Returns:
        None if the run was not resumed, says nothing of it, or the other directory is gone.
    """
    written = checkpoint_resumed(version_dir)
    if written is None:
        return None
    checkpoint = Path(written)
    folder = checkpoint.parent.parent if checkpoint.parent.name == CHECKPOINTS else checkpoint.parent
    here = version_dir.resolve()
    candidate = next((place.resolve() for place in places(folder, here) if is_folder(place)), here.parent / folder.name)
    is_sibling = candidate.parent == here.parent and candidate != here
    return candidate if is_sibling and is_folder(candidate) else None


def places(path: Path, version_dir: Path) -> list[Path]:
    """Give the places that a path in a run's settings may mean: where it was typed is not known."""
    return [path] if path.is_absolute() else [folder / path for folder in [*version_dir.parents][:_FOLDERS_UP]]


def is_folder(path: Path) -> bool:
    """Whether it is a folder that we may look at."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def version_chain(version_dir: Path) -> tuple[Path, ...]:
    """Give the directories a run was resumed from, oldest first, without itself: `RunFollower(dir, earlier=...)`."""
    chain: list[Path] = []
    seen = {version_dir.resolve()}
    current = resumed_from(version_dir)
    while current is not None and current not in seen and len(chain) < _CHAIN_LIMIT:
        chain.append(current)
        seen.add(current)
        current = resumed_from(current)
    return tuple(reversed(chain))


def chains(parents: Mapping[Path, Path | None], barren: Iterable[Path] = ()) -> list[tuple[Path, ...]]:
    """Arrange runs in chains, each from its oldest to its newest run.

    Args:
        parents: runs, oldest first, each with the one it was resumed from.
        barren: runs that wrote nothing. Where a run was resumed several times, those are left out: they are starts
            that failed.

    Returns:
        A chain for each run that nobody resumed, in the order of these; every other run is part of one. Where two went
        on from the same run, both chains have it.
    """
    nothing = {*barren}
    children: dict[Path, list[Path]] = {run: [] for run in parents}
    for run, parent in parents.items():
        if parent in children and parent != run:
            children[parent].append(run)
    left_out: set[Path] = set()
    for offspring in children.values():
        failed = [run for run in offspring if run in nothing and not children[run]]
        # One stays if there is nothing but failed starts: that it was tried is part of the history.
        left_out.update(failed if len(failed) < len(offspring) else failed[:-1])
    ends = [run for run in parents if run not in left_out and not set(children[run]) - left_out]
    made = [_back_from(end, parents) for end in ends]
    reached = {run for chain in made for run in chain} | left_out
    # A circle has no end: its newest run is taken for one.
    for run in reversed([*parents]):
        if run not in reached:
            made.append(_back_from(run, parents))
            reached.update(made[-1])
    return made


def _back_from(end: Path, parents: Mapping[Path, Path | None]) -> tuple[Path, ...]:
    chain = [end]
    parent = parents[end]
    while parent is not None and parent in parents and parent not in chain and len(chain) < _CHAIN_LIMIT:
        chain.append(parent)
        parent = parents[parent]
    return tuple(reversed(chain))
