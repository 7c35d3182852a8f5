"""A small workspace and its runs, for tests of what the preparation makes of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import tomli_w

from workbench.jobs import rundir
from workbench.train.prepare import main

RATE = 16_000


class Project:
    """A workspace of 16 kHz noise bursts with Russian texts, and runs of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wavs = root / "wavs"
        self.wavs.mkdir(parents=True)
        self.rows: list[tuple[str, str]] = []
        self.runs = 0

    def clip(self, name: str, text: str, seconds: float = 2.0, seed: int = 1) -> None:
        """Add a row and its recording."""
        samples = np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).clip(-0.9, 0.9)
        soundfile.write(self.wavs / f"{name}.wav", samples, RATE)
        self.rows.append((name, text))

    def run(self, **tables: Mapping[str, object]) -> Path:
        """A new run directory with its settings."""
        (self.root / "metadata.csv").write_text("".join(f"{file}|{text}\n" for file, text in self.rows), "utf-8")
        self.runs += 1
        run = self.root / "runs" / str(self.runs)
        run.mkdir(parents=True)
        settings: dict[str, Any] = {
            "voice": {"name": "probe", "language": "ru", "quality": "tiny"},
            "text": {"phonemizer": "espeak"},
            "audio": {"sample_rate": RATE, "trim_silence": False},
            "training": {"test_clips": 1},
            "workspace": {"root": str(self.root), "file": str(self.root / "workbench.toml")},
        }
        for name, table in tables.items():
            settings[name] = {**settings.get(name, {}), **table}
        (run / "run.toml").write_text(tomli_w.dumps(settings), "utf-8")
        (run / "run.json").write_text("{}", "utf-8")
        return run


def prepared(run: Path) -> dict[str, Any]:
    assert main([str(run)]) == 0
    return rundir.read_json(run / "prepare.json")
