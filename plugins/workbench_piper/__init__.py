"""Phonemes by `piper-phonemize`, the phonemizer that Piper's published voices were made with."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable

from core_vits.phonemes import ESPEAK_LANGUAGES
from workbench.api import PhonemizerSpec, Plugin, hookimpl


def available() -> str:
    """Empty when the package is installed, else what to do."""
    if importlib.util.find_spec("piper_phonemize"):
        return ""
    if sys.version_info >= (3, 12):
        return "piper-phonemize has no wheels for Python 3.12 and newer. Use the espeak backend, or Python 3.11."
    return "piper-phonemize is not installed. Install it: pip install piper-phonemize."


class PiperPlugin(Plugin):
    """Registers the backend; `workbench_piper.backend` is imported only where phonemes are made."""

    requires_api = (1, 0)
    summary = "Phonemes by piper-phonemize"

    @hookimpl
    def workbench_register_phonemizers(self) -> Iterable[PhonemizerSpec]:
        return (
            PhonemizerSpec(
                name="piper",
                target="workbench_piper.backend:create",
                languages=ESPEAK_LANGUAGES,
                summary="piper-phonemize with its own eSpeak NG: the same phonemes on every machine",
                preference=20,
                available=available,
            ),
        )


plugin = PiperPlugin()
