"""The demo voice, to plant defects into."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from planted.dataset import Source


@pytest.fixture(scope="module")
def source(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """The demo voice as 16-bit WAVs."""
    folder = tmp_path_factory.mktemp("demo")
    rows = []
    for line in (repo / "workbench/demo/metadata.csv").read_text("utf-8").splitlines():
        file, text = line.split("|")
        samples, rate = soundfile.read(repo / "workbench/demo/wavs" / file, dtype="int16")
        name = Path(file).with_suffix(".wav").name
        soundfile.write(folder / name, samples, rate)
        rows.append((name, text))
    return Source(tuple(rows), folder, 16_000)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all scans remember, so that each text is phonemized once."""
    return tmp_path_factory.mktemp("cache")
