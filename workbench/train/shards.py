"""What `workbench prepare` does in its worker: clips without a run, a shard of them, or a look at what is missing."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core_vits.cache import CacheError, CacheReader, Shard, cache_folder, shards_of
from core_vits.manifest import ManifestError
from workbench.config import Workspace, load_workspace
from workbench.errors import DatasetError
from workbench.host import Host
from workbench.jobs.checks import refuse_too_few
from workbench.jobs.dataset import read_table
from workbench.train.clips import PREPARED, ClipBuild, Lookup
from workbench.workers.targets.frontend import FrontEnd, cache_settings, front_end, known_recordings

Progress = Callable[[float, float, str], None]

NOT_BEGUN, NOT_FINISHED, CHANGED = "not begun", "not finished", "changed since"
"""Why rows of a shard have no clip."""


def prepare_clips(
    workspace_file: str,
    shard: tuple[int, int] | None,
    verify: bool,
    progress: Progress,
    executor_name: str = "auto",
) -> dict[str, Any]:
    """Make the clips of a workspace's dataset, or of a shard of it.

    Args:
        workspace_file: `workbench.toml` or its folder.
        shard: number from 1, and how many there are; None: everything.
        verify: read recordings and prepared audio again, whatever is known of them.
        progress: called with clips done, clips in all, and what is done.
        executor_name: where recordings are cut; see `workbench.executors.NAMES`.

    Returns:
        `cache`, `shard`, `rows`, `clips`, `made`, `reused`, `seconds`, and `dropped` (`line`, `file`, `reason`).

    Raises:
        WorkbenchError: settings, plugins, dataset or cache can't be used.
    """
    workspace = load_workspace(Path(workspace_file))
    part = Shard(*shard) if shard is not None else None

    def tell(done: int, total: int, what: str, left: float | None) -> None:
        progress(done, total, what if left is None else f"{what}, {_duration(left)} left")

    # Machines of an array must not write to one file of phonemes; theirs stand in the clips.
    with _front(workspace, remember=part is None) as front, _errors():
        clips = ClipBuild(workspace, front, tell, shard=part, verify=verify, executor_name=executor_name).run()
    dropped = [asdict(item) for item in clips.dropped]
    if part is None:
        refuse_too_few(workspace, len(clips.rows), [(item.line, item.file, item.reason) for item in clips.dropped])
    return {
        "cache": str(clips.folder),
        "shard": None if part is None else str(part),
        "rows": len(clips.rows) + len(dropped),
        "clips": len(clips.rows),
        "made": clips.made,
        "reused": len(clips.rows) - clips.made,
        "seconds": round(sum(entry.samples for entry in clips.entries) / workspace.audio.sample_rate, 3),
        "dropped": dropped,
    }


def missing_clips(workspace_file: str, progress: Progress) -> dict[str, Any]:
    """Look which rows have no clip yet, and whose work they are; nothing is made.

    Args:
        workspace_file: `workbench.toml` or its folder.
        progress: called with rows done, rows in all, and what is done.

    Returns:
        `cache`, `rows`, `clips`, `missing`, and `shards`: `shard`, `rows` and `state` of each that is missing some.

    Raises:
        WorkbenchError: settings, plugins, dataset or cache can't be used.
    """
    workspace = load_workspace(Path(workspace_file))
    with _front(workspace, remember=False) as front, _errors():
        settings = cache_settings(workspace, front)
        rows = read_table(workspace).rows
        folder = cache_folder(workspace.cache, settings)
        there = CacheReader(folder).entries if folder.exists() else {}
        lookup = Lookup(workspace, settings, lambda done, total, what, _: progress(done, total, what))
        plan = lookup.run(rows, known_recordings(workspace, settings), there.__contains__)
    tried = _tried(folder)
    missing = {new.row.line for new in plan.todo if plan.keys[new.row.line] not in tried}
    return {
        "cache": str(folder),
        "rows": len(rows),
        "clips": len(plan.keys) - len(plan.todo),
        "missing": len(missing),
        "shards": _whose(folder, [place for place, row in enumerate(rows) if row.line in missing]),
    }


def _tried(folder: Path) -> set[str]:
    """Keys of clips that could not be made."""
    tried: set[str] = set()
    for file in (folder / PREPARED, *folder.glob(f"shard-*/{PREPARED}")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            tried.update(json.loads(file.read_bytes())["failed"])
    return tried


def _whose(folder: Path, places: list[int]) -> list[dict[str, Any]]:
    """Which shards rows at these places belong to, by the division that was begun last."""
    begun = shards_of(folder)
    if not begun or not places:
        return []
    of = max(begun, key=lambda shard: (folder / shard.folder).stat().st_mtime).of
    rows = Counter(place % of + 1 for place in places)
    shards = [Shard(number, of) for number in sorted(rows)]
    return [
        {"shard": str(shard), "rows": rows[shard.number], "state": _state(folder / shard.folder)} for shard in shards
    ]


def _state(folder: Path) -> str:
    if not folder.exists():
        return NOT_BEGUN
    return CHANGED if (folder / PREPARED).exists() else NOT_FINISHED


@contextlib.contextmanager
def _front(workspace: Workspace, *, remember: bool) -> Iterator[FrontEnd]:
    front = front_end(workspace, Host.load(workspace), remember=remember)
    try:
        yield front
    finally:
        front.close()


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """The library's errors as those of the workbench, which travel from a worker as they are."""
    try:
        yield
    except (CacheError, ManifestError) as error:
        raise DatasetError(str(error)) from None


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(10, round(seconds, -1)):.0f} s"
