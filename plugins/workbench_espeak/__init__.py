"""Phonemes by eSpeak NG, the system's or the one in the `espeakng-loader` package: works with every Python."""

from __future__ import annotations

import ctypes.util
import importlib.util
from collections.abc import Iterable

from core_vits.phonemes import ESPEAK_LANGUAGES
from workbench.api import PhonemizerSpec, Plugin, hookimpl


def available() -> str:
    """Empty when there is a library to load, else what to install."""
    if importlib.util.find_spec("espeakng_loader") or ctypes.util.find_library("espeak-ng"):
        return ""
    return "libespeak-ng is not installed. Install it: apt install libespeak-ng1, or pip install espeakng-loader."


class EspeakPlugin(Plugin):
    """Registers the backend; `workbench_espeak.backend` is imported only where phonemes are made."""

    requires_api = (1, 0)
    summary = "Phonemes by the system's eSpeak NG"

    @hookimpl
    def workbench_register_phonemizers(self) -> Iterable[PhonemizerSpec]:
        return (
            PhonemizerSpec(
                name="espeak",
                target="workbench_espeak.backend:create",
                languages=ESPEAK_LANGUAGES,
                summary="eSpeak NG from the system; the same rules as Piper, words by the installed dictionary",
                preference=10,
                available=available,
            ),
        )


plugin = EspeakPlugin()
