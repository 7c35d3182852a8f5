"""The phonemizer of this process: loaded when the first text comes, and kept, whoever sends the texts.

A scan and a preparation may run in many processes and on other machines, which load a workspace's phonemizer each for
itself and send back what it made. Only whoever reads the table tells the user why there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.config import Workspace
from workbench.errors import WorkbenchError
from workbench.host import Host
from workbench.workers.targets.frontend import FrontEnd, TextFrontEnd
from workbench.workers.targets.phoneme_memo import Sentences


@dataclass(frozen=True, slots=True)
class PhonemeSettings:
    """Whose phonemes are wanted."""

    workspace: Workspace
    """Says how texts are phonemized."""
    decides: Mapping[str, Any]
    """See `FrontEnd.decides`, of the one who asks."""


def phoneme_settings(workspace: Workspace, front: FrontEnd | None) -> PhonemeSettings | None:
    """Those of a front end; None where no other process is to phonemize for it."""
    return PhonemeSettings(workspace, front.decides) if front is not None and front.spreads else None


class _Here:
    """What this process has loaded."""

    given: TextFrontEnd | None = None
    settings: PhonemeSettings | None = None
    front: TextFrontEnd | None = None


def use_front(front: FrontEnd | None) -> None:
    """Let texts that are phonemized in this process use what is loaded already; None: no longer."""
    _Here.given = front if isinstance(front, TextFrontEnd) else None


def phonemes_here(settings: PhonemeSettings | None, texts: Sequence[str]) -> dict[str, Sentences]:
    """Phonemes of each text; of none that can't be phonemized here as by the one who asks, who then does it."""
    if settings is None or not texts:
        return {}
    front = _Here.given or _loaded(settings)
    return front.phonemes(texts) if front is not None else {}


def load_front(settings: PhonemeSettings) -> None:
    """Load it before there is a text."""
    if _Here.given is None:
        _loaded(settings)


def _loaded(settings: PhonemeSettings) -> TextFrontEnd | None:
    if _Here.settings != settings:
        if _Here.front is not None:
            _Here.front.close()
        _Here.settings, _Here.front = settings, _load(settings)
    return _Here.front


def _load(settings: PhonemeSettings) -> TextFrontEnd | None:
    try:
        front = TextFrontEnd(settings.workspace, Host.load(settings.workspace), remember=False)
    except WorkbenchError:
        return None
    # Another machine may have another version of the engine: its phonemes must not stand beside ours under one name.
    if front.decides != settings.decides:
        front.close()
        return None
    return front
