"""What was decided about single rows, as the health check sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from workbench.config import load_workspace
from workbench.jobs.curating import Curator
from workbench.jobs.dataset import read_table
from workbench.workers.targets.health import scan
from workbench.workers.targets.mend import mend

RATE = 16_000
TEXTS = ("Добрый день.", "Как дела сегодня?", "Сегодня 15 градусов.", "До свидания, друзья.")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four rows; the third has digits, the first an offset; and a recording that no row names."""
    (tmp_path / "workbench.toml").write_text(
        f'[voice]\nname = "probe"\nlanguage = "ru"\nquality = "tiny"\n[audio]\nsample_rate = {RATE}\n'
    )
    (tmp_path / "metadata.csv").write_text("".join(f"{n}|{text}\n" for n, text in enumerate(TEXTS, 1)), "utf-8")
    (tmp_path / "wavs").mkdir()
    for number in (1, 2, 3, 4, 9):
        noise = np.random.default_rng(number).normal(0, 0.1, 2 * RATE)
        soundfile.write(tmp_path / "wavs" / f"{number}.wav", noise + 0.2 * (number == 1), RATE)
    return tmp_path


def by_row(report: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {item["row"]: item for item in report["utterances"]}


def rules(report: dict[str, Any], row: int) -> set[str]:
    return {item["rule"] for item in report["findings"] if item["subject"] == f"metadata.csv:{row}"}


def test_an_excluded_row_is_shown_but_no_rule_is_asked_about_it_and_it_counts_for_nothing(root: Path) -> None:
    before = scan(str(root))
    assert "text.numbers" in rules(before, 3)
    Curator(root / "curation").exclude([read_table(load_workspace(root)).rows[2]], "numbers")
    after = scan(str(root))
    assert by_row(after)[3]["verdict"] == "excluded"
    assert rules(after, 3) == {"metadata.excluded"}
    assert (after["summary"]["usable"], after["summary"]["excluded"]) == (3, 1)
    assert set(after["kinds"]) >= {item["rule"] for item in after["findings"]}


def test_a_corrected_text_is_the_one_that_is_judged(root: Path) -> None:
    Curator(root / "curation").correct(read_table(load_workspace(root)).rows[2], "Сегодня пятнадцать градусов.")
    report = scan(str(root))
    assert by_row(report)[3]["text"] == "Сегодня пятнадцать градусов."
    assert "text.numbers" not in rules(report, 3)


def test_a_mended_copy_is_the_one_that_is_measured_and_its_original_no_orphan(root: Path) -> None:
    orphans = [item["message"] for item in scan(str(root))["findings"] if "orphan" in item["rule"]]
    made = mend(str(root), ["1"], ["dc"])
    Curator(root / "curation").take({"1": tuple(made["takes"]["1"])}, "mended")
    for _ in range(2):  # measured, then remembered
        report = scan(str(root))
        mended = by_row(report)[1]
        assert mended["path"] == str(root / "curation" / made["takes"]["1"][0])
        assert abs(mended["measures"]["dc"]) < 1e-3
    assert [item["message"] for item in report["findings"] if "orphan" in item["rule"]] == orphans


def test_a_decision_about_no_row_is_told(root: Path) -> None:
    (root / "curation").mkdir()
    (root / "curation" / "excluded.csv").write_text("file|why|text\n77|?|\n|x|\n")
    found = {item["subject"]: item for item in scan(str(root))["findings"] if item["rule"] == "curation.line"}
    assert set(found) == {"curation/excluded.csv", "curation/excluded.csv:3"}
    assert "'77'" in found["curation/excluded.csv"]["message"]
