"""`workbench report`, as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from piper_project import fingerprint
from report_story import make_story

from .conftest import HEAD, Command, copy_demo, program


@pytest.fixture
def demo(folder: Path, repo: Path) -> Path:
    """A workspace of the demo's clips in the current folder."""
    copy_demo(repo, folder, 48)
    (folder / "workbench.toml").write_text(f'{HEAD}[audio]\nsample_rate = 16000\n[training]\naccelerator = "cpu"\n')
    return folder


def test_a_healthy_workspace_is_ready(workbench: Command, demo: Path) -> None:
    outcome = workbench("report", "--json", "--language", "en")
    assert outcome.code == 0, outcome.json["reasons"]
    answer = outcome.json
    assert (answer["ready"], answer["scanned"], answer["adopted"], answer["reasons"]) == (True, True, True, [])
    assert answer["answer"].startswith("READY: nothing stands against a training")
    verdicts = {section["name"]: section["verdict"] for section in answer["sections"]}
    assert verdicts["dataset"] == "ok"
    facts = {fact["name"]: fact["value"] for fact in answer["sections"][0]["facts"]}
    assert (facts["rows"], facts["recorded"], facts["usable"], facts["rate"]) == (48, 48, 48, 16_000)


def test_a_broken_row_is_in_the_report_and_a_lost_table_ends_in_one(workbench: Command, demo: Path) -> None:
    next((demo / "wavs").iterdir()).write_bytes(b"no recording")
    outcome = workbench("report", "--language", "en")
    assert outcome.code == 0
    assert "▲ Not trained, 1 finding of audio." in outcome.out
    (demo / "metadata.csv").unlink()
    outcome = workbench("report", "--language", "en")
    assert outcome.code == 1
    assert outcome.out.rstrip().splitlines()[-1].startswith("- ")
    assert "✗ The table can't be read" in outcome.out


def test_without_a_look_at_the_recordings_it_is_not_known(workbench: Command, demo: Path) -> None:
    outcome = workbench("report", "--quick", "--language", "ru")
    assert outcome.code == 1
    assert "НЕИЗВЕСТНО, готово ли, потому что:" in outcome.out
    assert "looking at the dataset" not in outcome.out


def test_a_piper_project_that_was_not_adopted_is_reported_on_and_left_as_it_is(
    workbench: Command, folder: Path
) -> None:
    project = make_story(folder / "felix", clips=6)
    before = fingerprint(project)
    outcome = workbench("report", "felix", "--json")
    assert outcome.code == 1
    assert (outcome.json["adopted"], outcome.json["scanned"]) == (False, True)
    assert fingerprint(project) == before
    rules = [item["values"].get("rule") for item in outcome.json["sections"][0]["statements"]]
    assert "audio.silent" in rules  # the recordings were decoded, and they are a hole
    by_option = workbench("report", "-C", "felix", "--json", "--quick").json
    assert by_option["folder"] == str(project)


def test_markdown_goes_to_a_file_and_never_over_one_that_is_none(workbench: Command, demo: Path) -> None:
    outcome = workbench("report", "--quick", "--output", "report.md", "--language", "ru")
    assert outcome.out == "wrote report.md\n"
    assert (demo / "report.md").read_text(encoding="utf-8").startswith("# Отчёт о готовности: голос probe\n")
    assert workbench("report", "--quick", "--output", "report.md").code == 1
    table = (demo / "metadata.csv").read_bytes()
    refused = workbench("report", "--quick", "--output", "metadata.csv")
    assert (refused.code, (demo / "metadata.csv").read_bytes()) == (2, table)
    assert refused.error.startswith("metadata.csv: is there already and no .md file")
    assert workbench("report", "--output", "no/report.md").error.startswith("no/report.md: there is no such folder")


def test_a_folder_that_is_none_and_one_with_nothing_in_it_are_one_line(workbench: Command, folder: Path) -> None:
    assert workbench("report", "nowhere").error.startswith("nowhere: there is no such folder")
    assert workbench("report").error.startswith(".: nothing of Piper here")


@pytest.mark.parametrize(("locale", "begin"), [("ru_RU.UTF-8", "Отчёт"), ("en_US.UTF-8", "Readiness"), ("C", "Отчёт")])
def test_the_locale_chooses_the_language_and_in_a_container_the_voice(locale: str, begin: str, demo: Path) -> None:
    outcome = program(demo, "report", "--quick", LC_ALL=locale)
    assert outcome.code == 1
    assert outcome.out.startswith(begin)
