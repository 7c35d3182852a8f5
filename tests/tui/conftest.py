"""A fixed clock zone, recorded services, and golden screens."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tui.recorded import NOW, Recorded, add_checkpoint, add_curves, make_run

from workbench.jobs.rundir import FileLock
from workbench.tui.services import ScanResult, VoiceFile

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def one_time_zone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Times of day on the screen are the same everywhere, and logs go to a folder of the test."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """An empty workspace with a scan of 48 good utterances."""
    services = Recorded(tmp_path)
    services.scan_result = scan_of(48)
    return services


@pytest.fixture
def training(recorded: Recorded) -> Iterator[Recorded]:
    """A live run with three checkpoints and 400 batches of curves, and an exported voice."""
    folder = make_run(recorded.runs, "20270115-090000-aelita")
    add_curves(folder, range(0, 400, 4))
    for epoch, step, val_mel in ((1, 120, 26.5), (2, 240, 25.1), (3, 360, 25.4)):
        add_checkpoint(folder, epoch, step, val_mel=val_mel, seconds_ago=4000 - 10 * step)
    onnx = recorded.root / "voices" / "ru-aelita-tiny.onnx"
    recorded.voices = [VoiceFile(onnx=onnx, bytes=6_300_000, time=NOW - 300, has_config=True)]
    recorded.lock = FileLock(folder / "run.lock")
    recorded.lock.acquire()
    yield recorded
    recorded.lock.release()


def scan_of(rows: int) -> ScanResult:
    """A scan with a missing recording, two rows with numerals and one finding about the whole."""
    utterances = [
        {
            "row": row,
            "file": f"utt_{row:05d}.wav",
            "text": f"Предложение номер {row}, достаточно длинное для проверки.",
            "seconds": 1.0 + row % 9 * 0.7,
            "sample_rate": 16000,
            "path": f"/recordings/utt_{row:05d}.wav",
        }
        for row in range(1, rows + 1)
    ]
    utterances[2].update(seconds=None, sample_rate=None, path=None)
    findings = [
        {"rule": "text.digits", "severity": "warns", "subject": f"metadata.csv:{row}", "message": "digits"}
        for row in (5, 7)
    ]
    findings.append(
        {
            "rule": "audio.missing",
            "severity": "drops",
            "subject": "metadata.csv:3",
            "message": "metadata.csv:3: 'utt_00003.wav' not found in wavs/. Rename the file or fix the row.",
        }
    )
    findings.append(
        {"rule": "audio.rates", "severity": "info", "subject": "wavs", "message": "all recordings have 16000 Hz"}
    )
    return ScanResult(findings=findings, utterances=utterances)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Compare a screen with the file of the test's name; WRITE_GOLDEN=1 writes the file instead."""

    def compare(text: str) -> None:
        name = request.node.name.removeprefix("test_").replace("[", "-").replace("]", "")
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("WRITE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing; look at the screen, then write it with WRITE_GOLDEN=1\n{text}"
        assert text == path.read_text(encoding="utf-8")

    return compare
