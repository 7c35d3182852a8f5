"""The part of a scan that can be done anywhere: recordings measured and texts phonemized, a block of rows at a time."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.config import Workspace, load_workspace, workspace_from_dict
from workbench.errors import WorkbenchError
from workbench.executors import Processes
from workbench.host import Host
from workbench.scan.decoding import Examined, examine_all, lost
from workbench.workers.targets.frontend import TextFrontEnd
from workbench.workers.targets.phoneme_memo import Sentences

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
    workspace_file: str
    settings: Mapping[str, Any] | None = None

    def __call__(self, block: Block) -> Done:
        """Measure and phonemize."""
        examined = dict(zip(block.names, examine_all(self.root, block.names), strict=True))
        return Done(examined, self._front().phonemes(block.texts) if block.texts else {})

    def lost(self, block: Block) -> Done:
        """What is left of a block that ended its process: all but the recording that did it."""
        alone = Processes(1)
        singles = [Block(names=(name,)) for name in block.names]
        try:
            # The first piece of a run is done here, so it must be a harmless one.
            done = list(alone.run(self, [Block(), *singles], lambda single: Done({single.names[0]: lost()}, {})))
        finally:
            alone.close()
        return Done({name: item for single in done for name, item in single.examined.items()}, {})

    def _front(self) -> TextFrontEnd | _Nothing:
        return _Here.front or _load_front(self)

    def __hash__(self) -> int:
        return hash((self.root, self.workspace_file))


class _Here:
    """The phonemizer of the process that judges: the first block is done there."""

    front: TextFrontEnd | None = None


def use_front(front: TextFrontEnd | None) -> None:
    """Let blocks that are done in this process use a phonemizer that is loaded already."""
    _Here.front = front


class _Nothing:
    """Where no phonemizer can be loaded; whoever judges tells why."""

    def phonemes(self, texts: object) -> dict[str, Sentences]:
        return {}


@functools.lru_cache(maxsize=1)
def _load_front(work: Work) -> TextFrontEnd | _Nothing:
    workspace = open_workspace(work.workspace_file, work.settings)
    try:
        return TextFrontEnd(workspace, Host.load(workspace), remember=False)
    except WorkbenchError:
        return _Nothing()


def open_workspace(workspace_file: str, settings: Mapping[str, Any] | None) -> Workspace:
    """The workspace of a file, or one that was only proposed.

    Raises:
        ConfigError: it is wrong, or there is none.
    """
    if settings is None:
        return load_workspace(Path(workspace_file))
    return workspace_from_dict(settings, Path(workspace_file))
