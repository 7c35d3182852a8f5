"""Whatever stands in a file, it is told in one line: no crash, no hang, no memory; `bench/fuzz_health.py` does more."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from health_fuzz import broken_table, check_recording, check_table, whole_recordings
from scan_sounds import speech, write

from workbench.workers.targets.health import scan

RECORDINGS, TABLES, SCANS = 500, 500, 5


@pytest.fixture(scope="module")
def whole() -> list[tuple[str, bytes]]:
    return whole_recordings(np.asarray(speech()[8_000:20_000]), 16_000)


def test_broken_recordings_are_told_in_one_line_each(tmp_path: Path, whole: list[tuple[str, bytes]]) -> None:
    tracemalloc.start()
    problems = [check_recording(tmp_path, number, whole) for number in range(RECORDINGS)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.1 * RECORDINGS < sum(map(bool, problems)) < 0.95 * RECORDINGS
    assert peak < 700 << 20  # a header that lies may take five minutes of samples, and no more


def test_no_line_of_a_broken_table_vanishes_untold(tmp_path: Path) -> None:
    assert sum(check_table(tmp_path, number) for number in range(TABLES)) > TABLES


@pytest.mark.parametrize("number", range(SCANS))
def test_a_scan_of_a_broken_table_ends_with_a_report(tmp_path: Path, number: int) -> None:
    write(tmp_path / "wavs" / "clip_001.wav", speech())
    (tmp_path / "metadata.csv").write_bytes(broken_table(number))
    (tmp_path / "workbench.toml").write_text('[voice]\nname = "probe"\nlanguage = "ru"\n')
    report = scan(str(tmp_path))
    assert report["findings"]
    for finding in report["findings"]:
        assert finding["message"] == finding["message"].strip()
        assert "\n" not in finding["message"]
