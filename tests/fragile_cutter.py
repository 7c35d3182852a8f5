"""Cutters that end their process, as a crash of a decoder or want of memory does."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from workbench.train.cutting import Cutter, Group, Made


@dataclass(frozen=True)
class TooLarge(Cutter):
    """Has memory for one recording at a time."""

    def __call__(self, group: Group) -> Made:
        if len(group.paths) > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return Cutter.__call__(self, group)


@dataclass(frozen=True)
class Crashing(Cutter):
    """Can't bear one recording."""

    name: str = ""

    def __call__(self, group: Group) -> Made:
        if any(path.name == self.name for path in group.paths):
            os.kill(os.getpid(), signal.SIGKILL)
        return Cutter.__call__(self, group)
