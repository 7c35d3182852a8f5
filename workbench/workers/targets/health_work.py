"""The part of a scan that can be done anywhere: recordings measured and texts phonemized, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.config import Workspace, load_workspace, workspace_from_dict
from workbench.executors import one_by_one
from workbench.scan.decoding import Examined, examine_all, lost
from workbench.workers.targets.phoneme_memo import Sentences
from workbench.workers.targets.process_front import PhonemeSettings, phonemes_here

ROWS_IN_A_BLOCK = 32


@dataclass(frozen=True, slots=True)
class Block:
    """What is not known yet of a few rows."""

    names: tuple[str, ...] = ()
    """Recordings, relative to the folder."""
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """A block that was worked on."""

    examined: Mapping[str, Examined]
    sentences: Mapping[str, Sentences]


@dataclass(frozen=True)
class Work:
    """Does a block; small, so that it can be sent to another process."""

    root: str
    """The real path of the folder of recordings."""
    phonemes: PhonemeSettings | None = None
    """None: texts stay as they are."""

    def __call__(self, block: Block) -> Done:
        """Measure and phonemize."""
        examined = dict(zip(block.names, examine_all(self.root, block.names), strict=True))
        return Done(examined, phonemes_here(self.phonemes, block.texts))

    def lost(self, block: Block) -> Done:
        """What is left of a block that ended its process: all but the recording that did it."""
        singles = [Block(names=(name,)) for name in block.names]
        done = one_by_one(self, singles, lambda single: Done({single.names[0]: lost()}, {}))
        return Done({name: item for single in done for name, item in single.examined.items()}, {})


def open_workspace(workspace_file: str, settings: Mapping[str, Any] | None) -> Workspace:
    """The workspace of a file, or one that was only proposed.

    Raises:
        ConfigError: it is wrong, or there is none.
    """
    if settings is None:
        return load_workspace(Path(workspace_file))
    return workspace_from_dict(settings, Path(workspace_file))
