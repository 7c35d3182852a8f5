"""The report tells what a comparison of recordings with their texts found, and how to make one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from piper_project import fingerprint
from piper_tree import checkpoint_bytes
from report_story import make_story

from workbench.adopt import adopt
from workbench.api import Finding, Severity
from workbench.config import load_workspace, write_workspace
from workbench.errors import PluginError
from workbench.host import Host
from workbench.jobs.dataset import read_table
from workbench.mismatch.kept import ASKED, HEARD, Judged, keep, stamp_before
from workbench.report import Report
from workbench.report.languages import language
from workbench.report.plain import plain_lines
from workbench.report.records import Verdict

from .conftest import Make, keys, section, statement

ENGLISH, RUSSIAN = language("en"), language("ru")
MADE = 1_800_000_000.0
READ = 4_000_000_000.0
"""Long after the recordings were written, so that their stamps can be told from later ones."""


@pytest.fixture
def adopted(tmp_path: Path) -> Path:
    """A project with a workspace file."""
    folder = make_story(tmp_path / "felix", clips=20, generations=1, voices=False)
    write_workspace(adopt([str(folder)]).workspace)
    return folder


def found(rule: str, row: int, severity: Severity = Severity.WARNS, **evidence: Any) -> dict[str, object]:
    subject = f"metadata_2col.csv:{row}" if row else "metadata_2col.csv"
    message = f"{rule} says so of {row}"
    return Finding(rule=rule, severity=severity, subject=subject, message=message, evidence=evidence).as_json()


TEXT = {"distance": 0.91, "threshold": 0.7, "heard": "a b", "expected": "c d"}


def compare(folder: Path, *findings: dict[str, object], kind: str = HEARD, by: str = "hama 1.7.0") -> None:
    workspace = load_workspace(folder)
    judged = [
        Judged(
            row=row.line, file=row.file, text=row.text, suspicion=0.5,
            stamp=stamp_before(workspace.audio_folder / row.file, READ),
        )
        for row in read_table(workspace).rows
    ]  # fmt: skip
    keep(workspace.cache, kind, by, findings, judged, read=MADE)


def commands(report: Report) -> dict[str, str]:
    return {item.line: ENGLISH.text(item.why) for item in section(report, "recommendations").commands}


def fact(report: Report, name: str) -> tuple[str, str]:
    (one,) = [item for item in section(report, "dataset").facts if item.name == name]
    return ENGLISH.quantity(one.quantity), ENGLISH.text(one.evidence)


def test_findings_stand_in_the_dataset_s_section_with_lines_measures_judge_and_time(make: Make, adopted: Path) -> None:
    rows = [found("mismatch.text", 3, **TEXT), found("mismatch.text", 4, **TEXT), found("mismatch.text", 9, **TEXT)]
    compare(adopted, *rows, found("mismatch.doubtful", 7, Severity.INFO))
    report = make(adopted)
    told = statement(report, "compared.warns")
    assert (told.verdict, told.text.values["lines"], told.text.values["count"]) == (Verdict.WARNING, "3-4 9", 3)
    assert ENGLISH.text(told.text) == (
        "To look at, 3 findings of mismatch.text (lines 3-4 9), for instance metadata_2col.csv:3: mismatch.text says "
        "so of 3"
    )
    assert "расстояние 0,91, порог 0,7; слышно «a b», по тексту «c d»" in RUSSIAN.text(told.text)
    assert ENGLISH.text(told.evidence).startswith("hama 1.7.0, 2027-01-1")
    value, since = fact(report, "heard")
    assert (value, since[:20]) == ("20 rows by hama 1.7.0", "kept since 2027-01-1")
    assert "workbench mismatch" not in commands(report)
    assert any("mismatch.text (lines 3-4 9)" in line for line in plain_lines(report, ENGLISH))


def test_lines_of_swaps_and_blocks_are_all_lines_that_are_wrong(make: Make, adopted: Path) -> None:
    compare(
        adopted,
        found("mismatch.swapped", 2, best_line=6),
        found("mismatch.shifted", 10, first_line=10, last_line=14, offset=1),
        found("mismatch.other-line", 17, best_line=1),
    )
    told = [item for item in section(make(adopted), "dataset").statements if item.text.key == "compared.warns"]
    assert {item.text.values["rule"]: item.text.values["lines"] for item in told} == {
        "mismatch.swapped": "2 6", "mismatch.shifted": "10-14", "mismatch.other-line": "17",
    }  # fmt: skip


def test_what_was_found_of_a_row_dies_with_it_and_the_next_comparison_is_recommended(make: Make, adopted: Path) -> None:
    compare(adopted, found("mismatch.text", 3, **TEXT), found("mismatch.text", 5, **TEXT))
    table = adopted / "metadata_2col.csv"
    lines = table.read_text("utf-8").splitlines()
    lines[2] += " Исправлено."
    table.write_text("\n".join(lines), "utf-8")
    report = make(adopted)
    assert statement(report, "compared.warns").text.values["lines"] == "5"
    assert statement(report, "compared.outdated").text.values["count"] == 1
    assert commands(report)["workbench mismatch"] == (
        "hear what is new or has changed since recordings and texts were compared: 1 row"
    )
    recording = load_workspace(adopted).audio_folder / "felix_000004.wav"
    recording.unlink()
    recording.write_bytes(b"another")
    assert not {"compared.warns", "compared.clean"} & keys(make(adopted))


def test_one_row_of_a_swap_is_not_cleared_by_a_change_of_the_other(make: Make, adopted: Path) -> None:
    compare(adopted, found("mismatch.swapped", 2, best_line=6))
    (adopted / "curation").mkdir()
    (adopted / "curation" / "excluded.csv").write_text("felix_000001.wav|wrong|\n", "utf-8")
    report = make(adopted)
    assert statement(report, "compared.outdated").verdict == Verdict.UNKNOWN
    assert "compared.clean" not in keys(report)
    assert "workbench mismatch" in commands(report)


def test_recordings_that_say_their_texts_are_told_as_well(make: Make, adopted: Path) -> None:
    compare(adopted)
    compare(adopted, kind=ASKED, by="epoch=3-step=9.ckpt of run")
    report = make(adopted)
    clean = [item for item in section(report, "dataset").statements if item.text.key == "compared.clean"]
    assert [ENGLISH.text(item.evidence).partition(",")[0] for item in clean] == [
        "hama 1.7.0", "epoch=3-step=9.ckpt of run",
    ]  # fmt: skip
    assert {item.verdict for item in clean} == {Verdict.OK}
    assert fact(report, "asked")[0] == "20 rows by epoch=3-step=9.ckpt of run"


def test_a_judge_that_could_not_tell_is_no_good_news(make: Make, adopted: Path) -> None:
    compare(adopted, found("mismatch.unusable", 0, Severity.INFO, median=1.0))
    told = statement(make(adopted), "compared.unusable")
    assert (told.verdict, told.decisive) == (Verdict.UNKNOWN, False)
    assert "compared.clean" not in keys(make(adopted))


def test_where_nobody_compared_it_is_not_known_and_recommended(make: Make, adopted: Path) -> None:
    report = make(adopted)
    assert fact(report, "heard") == ("unknown", "`workbench mismatch` would tell")
    assert "in the data pane: m" in commands(report)["workbench mismatch"]


def test_a_project_that_was_not_adopted_is_told_to_be_adopted_first(make: Make, tmp_path: Path) -> None:
    folder = make_story(tmp_path / "felix", clips=20, generations=1, voices=False)
    before = fingerprint(folder)
    lines = list(commands(make(folder)))
    assert lines.index("workbench adopt") < lines.index("workbench mismatch")
    assert fingerprint(folder) == before


def test_without_a_recogniser_a_voice_is_asked_or_it_is_said_what_is_missing(
    make: Make, adopted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_here(self: Host, name: str = "auto") -> Any:
        raise PluginError("no ears here. Install them")

    monkeypatch.setattr(Host, "recognizer", none_here)
    assert commands(make(adopted))["workbench mismatch"].endswith("before that: no ears here. Install them")
    run = load_workspace(adopted).runs / "20270101-000000-felix"
    (run / "checkpoints").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    (run / "prepare.json").write_text("{}")
    (run / "checkpoints" / "epoch=3-step=9.ckpt").write_bytes(checkpoint_bytes(3, 9))
    line = '{"file": "epoch=3-step=9.ckpt", "epoch": 3, "step": 9, "val_mel": 1.0, "time": 1}\n'
    (run / "checkpoints.jsonl").write_text(line)
    named = os.path.relpath(run / "checkpoints" / "epoch=3-step=9.ckpt", adopted)
    assert f"workbench mismatch --checkpoint {named}" in commands(make(adopted))
