"""Which Lightning runs belong together: a resume makes `version_N+1` and names the checkpoint it came from."""

from __future__ import annotations

import re
from pathlib import Path

_CKPT_PATH = re.compile(r"^ckpt_path:[ \t]*(?P<path>\S.*?)[ \t]*$", re.MULTILINE)
_CHAIN_LIMIT = 1000
"""Resumes followed; a circle of configurations must end too."""


def resumed_from(version_dir: Path) -> Path | None:
    """Give the version directory whose checkpoint a Lightning run was resumed from.

    `config.yaml` holds the path as it was typed, relative to the directory of the launch or on another machine: if it
    leads nowhere from here, the directory of that name beside this one is meant. A checkpoint of another family of
    runs is where a fine-tuning began, not its history.

    Returns:
        None if the run was not resumed, was not started from the command line, or the other directory is gone.
    """
    try:
        match = _CKPT_PATH.search((version_dir / "config.yaml").read_text("utf-8", "replace"))
    except OSError:
        return None
    written = match["path"].strip("'\"") if match else "null"
    if written in ("null", "~", ""):
        return None
    checkpoint = Path(written)
    folder = checkpoint.parent.parent if checkpoint.parent.name == "checkpoints" else checkpoint.parent
    here = version_dir.resolve()
    candidate = folder.resolve() if folder.is_dir() else here.parent / folder.name
    is_sibling = candidate.parent == here.parent and candidate != here
    return candidate if is_sibling and candidate.is_dir() else None


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
