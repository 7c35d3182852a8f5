"""What is kept of a comparison, and what of it still holds."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from core_vits.file_stamp import stamp_of
from workbench.mismatch.kept import (
    ASKED,
    HEARD,
    Current,
    Judged,
    Utterance,
    current,
    keep,
    lines_of,
    read_kept,
    stamp_before,
)
from workbench.mismatch.score_memo import ScoreMemo

FOUND: list[dict[str, Any]] = [
    {"rule": "mismatch.text", "severity": "warns", "subject": "m.csv:2", "message": "", "evidence": {"distance": 0.9}},
    {"rule": "mismatch.swapped", "severity": "warns", "subject": "m.csv:3", "message": "",
     "evidence": {"best_line": 4}},
    {"rule": "mismatch.short", "severity": "info", "subject": "m.csv", "message": "", "evidence": {}},
]  # fmt: skip
STAMP = (1, 2, 3, 4)


def judged(row: int, **changed: Any) -> Judged:
    return Judged(
        **{"row": row, "file": f"{row}.wav", "text": f"text {row}", "stamp": STAMP, "suspicion": row / 10} | changed
    )


def now(row: int, **changed: Any) -> Utterance:
    return Utterance(**{"row": row, "file": f"{row}.wav", "text": f"text {row}", "stamp": STAMP} | changed)


def what_holds(cache: Path, *rows: Utterance, kind: str = HEARD) -> Current:
    kept = read_kept(cache, kind)
    assert kept is not None
    return current(kind, kept, rows, "m.csv")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    keep(tmp_path, HEARD, "hama 1", FOUND, [judged(row) for row in (1, 2, 3, 4)], read=1_800_000_000.0)
    return tmp_path


def test_what_was_found_holds_after_a_restart_with_how_suspicious_each_row_is(cache: Path) -> None:
    held = what_holds(cache, *map(now, (1, 2, 3, 4)))
    assert held.findings == FOUND
    assert held.suspicion == {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
    assert held.changed == 0


@pytest.mark.parametrize("change", [{"text": "corrected"}, {"stamp": (9, 2, 3, 4)}, {"file": "other.wav"}])
def test_of_a_row_that_has_changed_nothing_is_said_but_that_it_has(cache: Path, change: dict[str, Any]) -> None:
    held = what_holds(cache, now(1), now(2, **change), now(3), now(4))
    assert [finding["rule"] for finding in held.findings] == ["mismatch.swapped", "mismatch.short", "mismatch.changed"]
    assert "1 row is new or changed since hama 1 listened" in held.findings[-1]["message"]
    assert 2 not in held.suspicion


def test_a_swap_holds_only_while_both_rows_are_as_they_were(cache: Path) -> None:
    held = what_holds(cache, now(1), now(2), now(3), now(4, text="corrected"))
    assert "mismatch.swapped" not in [finding["rule"] for finding in held.findings]


def test_an_excluded_row_and_one_without_recording_are_not_counted_as_changed(cache: Path) -> None:
    held = what_holds(cache, now(1), now(2), now(9, stamp=None))
    assert held.changed == 0
    assert [finding["rule"] for finding in held.findings] == ["mismatch.text", "mismatch.short"]


def test_a_voice_is_not_blamed_for_rows_that_its_run_never_had(tmp_path: Path) -> None:
    keep(tmp_path, ASKED, "a.ckpt of run", [], [judged(1)], read=1_800_000_000.0)
    held = what_holds(tmp_path, now(1), now(2), kind=ASKED)
    assert "not among the clips that a.ckpt of run was asked about" in held.findings[0]["message"]


def test_lines_of_a_block_are_its_ends() -> None:
    block = {"subject": "m.csv:7", "evidence": {"first_line": 7, "last_line": 12}}
    assert lines_of(block) == {7, 12}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 2}',
        '{"format": 1, "by": "x", "time": 1, "findings": 5}',
        '{"format": 1, "by": "x", "time": 1, "findings": [{"rule": "a", "severity": "odd", "subject": "m", '
        '"message": "", "evidence": {}}], "clips": {}}',
        '{"format": 1, "by": "x", "time": 1, "findings": [{"severity": "info"}], "clips": {}}',
    ],
)
def test_a_file_that_cannot_be_read_counts_as_absent(tmp_path: Path, content: str) -> None:
    (tmp_path / "mismatch").mkdir()
    (tmp_path / "mismatch" / "heard.json").write_text(content, "utf-8")
    assert read_kept(tmp_path, HEARD) is None


def test_a_disk_that_takes_nothing_stops_no_comparison(tmp_path: Path) -> None:
    (tmp_path / "mismatch").write_text("a file in the folder's place", "utf-8")
    keep(tmp_path, HEARD, "hama 1", FOUND, [judged(1)], read=1.0)
    assert read_kept(tmp_path, HEARD) is None


def test_a_recording_that_was_written_while_it_was_read_has_no_stamp(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"x")
    assert stamp_before(file, time.time()) is None
    assert stamp_before(file, time.time() + 5) == stamp_of(file.stat())
    assert stamp_before(tmp_path / "gone.wav", time.time()) is None
    assert stamp_before(None, time.time()) is None


def test_a_voice_is_asked_once_about_a_clip_and_another_file_in_its_place_is_another_voice(tmp_path: Path) -> None:
    checkpoint = tmp_path / "a.ckpt"
    checkpoint.write_bytes(b"weights")
    memo = ScoreMemo(tmp_path / "cache", checkpoint)
    memo.add({"one": (-1.5, -2.0), "two": (-1.0, float("nan"))})
    again = ScoreMemo(tmp_path / "cache", checkpoint)
    assert again.known["one"] == (-1.5, -2.0)
    assert again.known["two"][1] != again.known["two"][1]
    os.utime(checkpoint, (1, 1))
    assert ScoreMemo(tmp_path / "cache", checkpoint).known == {}


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    checkpoint = tmp_path / "a.ckpt"
    checkpoint.write_bytes(b"weights")
    ScoreMemo(tmp_path / "cache", checkpoint).add({"one": (1.0, 2.0)})
    (file,) = (tmp_path / "cache" / "asked").iterdir()
    file.write_bytes(file.read_bytes() + b'["two", 1.0\n' + json.dumps({"three": 3}).encode() + b"\nnull\n5\n")
    memo = ScoreMemo(tmp_path / "cache", checkpoint)
    assert memo.known == {"one": (1.0, 2.0)}
    memo.add({"four": (4.0, 4.0)})
    assert set(ScoreMemo(tmp_path / "cache", checkpoint).known) == {"one", "four"}
