"""What the last comparisons say of rows as they are now, and how the health check tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core_vits.file_stamp import stamp_of
from workbench.api import Finding, Severity
from workbench.mismatch.kept import ASKED, HEARD, Judged, keep
from workbench.mismatch.known import Known, known_of, rows_of_scan, stamp_now, with_comparisons


@pytest.fixture
def items(tmp_path: Path) -> list[dict[str, Any]]:
    """Utterances of a scan, each with its recording."""
    for row in (1, 2, 3):
        (tmp_path / f"{row}.wav").write_bytes(b"x")
    return [
        {"row": row, "file": f"{row}.wav", "path": str(tmp_path / f"{row}.wav"), "text": f"t{row}", "verdict": "ok"}
        for row in (1, 2, 3)
    ]


def finding(row: int, rule: str = "mismatch.text", severity: Severity = Severity.WARNS) -> dict[str, object]:
    return Finding(
        rule=rule, severity=severity, subject=f"m.csv:{row}", message=f"{rule} {row}", evidence={"distance": 0.9}
    ).as_json()


def keep_all(cache: Path, items: list[dict[str, Any]], kind: str, *found: dict[str, object]) -> None:
    judged = [
        Judged(
            row=item["row"], file=item["file"], text=item["text"], stamp=stamp_now(Path(item["path"])), suspicion=0.5
        )
        for item in items
    ]
    keep(cache, kind, f"{kind} 1", found, judged, read=1_800_000_000.0)


def known(cache: Path, items: list[dict[str, Any]]) -> list[Known]:
    return known_of(cache, "m.csv", rows_of_scan(items))


def test_both_judges_are_told_with_who_and_when(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    assert known(tmp_path, items) == []
    keep_all(tmp_path, items, ASKED, finding(1, "mismatch.unlikely"))
    keep_all(tmp_path, items[:2], HEARD, finding(2))
    heard, asked = known(tmp_path, items)
    assert heard.as_json() == {
        "judge": "recognizer", "by": "heard 1", "time": 1_800_000_000.0, "rows": 2, "changed": 1, "outdated": 0,
    }  # fmt: skip
    assert asked.as_json()["judge"] == "voice"
    assert [item["rule"] for item in heard.findings] == ["mismatch.text", "mismatch.changed"]
    assert [item["subject"] for item in asked.findings] == ["m.csv:1"]


def test_findings_die_with_the_row_that_they_speak_of(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    keep_all(tmp_path, items, HEARD, finding(1), finding(2), finding(3))
    items[0]["text"] = "corrected"
    items[1]["verdict"] = "excluded"
    (heard,) = known(tmp_path, items)
    assert [item["subject"] for item in heard.findings] == ["m.csv:3", "m.csv"]
    assert heard.outdated == 1  # that of the excluded row asks for nothing
    (tmp_path / "3.wav").unlink()
    (heard,) = known(tmp_path, items)
    assert [item["rule"] for item in heard.findings] == ["mismatch.changed"]
    assert (heard.clips, heard.changed) == (0, 1)


def test_a_recording_is_the_same_by_its_stamp(tmp_path: Path, items: list[dict[str, Any]]) -> None:
    (row, *_) = rows_of_scan(items)
    assert row.stamp == stamp_of((tmp_path / "1.wav").stat())
    items[0]["path"] = None
    assert next(iter(rows_of_scan(items))).stamp is None


def test_the_health_check_tells_them_by_severity_with_level_kind_and_judge(
    tmp_path: Path, items: list[dict[str, Any]]
) -> None:
    keep_all(tmp_path, items, HEARD, finding(2), finding(3, "mismatch.doubtful", Severity.INFO))
    own = [
        {"rule": "audio.silent", "severity": "drops", "subject": "m.csv:9", "level": "error"},
        {"rule": "text.short", "severity": "info", "subject": "m.csv:9", "level": "note"},
    ]
    report = {"findings": own, "kinds": {"audio.silent": {"level": "error"}}, "utterances": items}
    whole = with_comparisons(report, known(tmp_path, items))
    assert [(item["rule"], item["level"]) for item in whole["findings"]] == [
        ("audio.silent", "error"), ("mismatch.text", "warning"), ("text.short", "note"), ("mismatch.doubtful", "note"),
    ]  # fmt: skip
    assert {"audio.silent", "mismatch.text"} <= set(whole["kinds"])
    assert whole["kinds"]["mismatch.text"]["words"]["ru"]["fix"].startswith("Прослушайте")
    assert [one["by"] for one in whole["comparisons"]] == ["heard 1"]
    assert report["findings"] == own
    assert with_comparisons(report, [])["comparisons"] == []
