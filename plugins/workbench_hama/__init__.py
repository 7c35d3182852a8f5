"""Hears the phones of recordings with `hama`, a small phone recogniser that runs offline."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from workbench.api import PhoneRecognizerSpec, Plugin, hookimpl


def available() -> str:
    """Empty when the package is installed, else what to do."""
    if importlib.util.find_spec("hama"):
        return ""
    return "the package hama is not installed. Install it: pip install hama==1.7.0"


class HamaPlugin(Plugin):
    """Registers the recogniser; its module is imported only where recordings are heard."""

    requires_api = (1, 0)
    summary = "hears the phones of recordings, to compare them with the texts (needs the package hama)"

    @hookimpl
    def workbench_register_recognizers(self) -> Iterable[PhoneRecognizerSpec]:
        return (
            PhoneRecognizerSpec(
                name="hama",
                target="workbench_hama.recognizer:create",
                preference=10,
                summary="hama's English phone recogniser, 5 MB, offline, one thread",
                available=available,
            ),
        )


plugin = HamaPlugin()
