"""A phone recogniser for tests: recordings that hold a number, and a table that says which phones that is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 16_000
TABLE = "IPA_RECOGNIZER_TABLE"
"""Environment variable that names a JSON file: phones by number. What is missing in it makes the recogniser fail."""


def create(_settings: object = None) -> IpaRecognizer:
    """The recogniser."""
    return IpaRecognizer()


class IpaRecognizer:
    """Implements `workbench.api.PhoneRecognizer`."""

    version = "1"
    sample_rate = RATE

    def hear(self, samples: Any) -> list[str]:
        """The phones of the number that the recording holds; each hearing leaves a line beside the table."""
        table = Path(os.environ[TABLE])
        number = str(round(float(np.median(samples)) * 1000))
        with table.with_suffix(".log").open("a") as log:
            log.write(f"{number}\n")
        return list(json.loads(table.read_text("utf-8"))[number])

    def close(self) -> None:
        """Nothing is held."""


def write_recording(path: Path, number: int, seconds: float = 0.2) -> None:
    """A recording that holds a number."""
    soundfile.write(path, np.full(int(seconds * RATE), number / 1000), RATE, subtype="PCM_24")
