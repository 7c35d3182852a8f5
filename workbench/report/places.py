"""How a report names files."""

from __future__ import annotations

from pathlib import Path

from workbench.config import shown


def named(path: Path) -> str:
    """As a user wants to read it; the current folder is `./`, which also stands out at the end of a sentence."""
    text = shown(path)
    return "./" if text == "." else text
