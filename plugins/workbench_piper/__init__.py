"""Phonemes as Piper makes them: by `piper-phonemize`, with which its published voices were made, or out of IPA."""

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
    """Registers the backends; their modules are imported only where phonemes are made."""

    requires_api = (1, 0)
    summary = "Phonemes by piper-phonemize, or as the text holds them"

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
            PhonemizerSpec(
                name="text",
                target="workbench_piper.text:create",
                languages=frozenset({"*"}),
                summary="for texts that hold phonemes (IPA) instead of words: each character is one",
                automatic=False,
                phoneme_type="text",
            ),
        )


plugin = PiperPlugin()
