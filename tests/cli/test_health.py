"""The verb `health` on datasets of all layouts, and what CI systems take from it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from scan_sounds import speech, write

from core_vits.manifest import read_metadata
from workbench.api import Finding, Severity
from workbench.config import propose_workspace
from workbench.mismatch.kept import HEARD, Judged, keep, stamp_before

from .conftest import HEAD, Command, copy_demo

TEXTS = [f"Это предложение номер {word}." for word in ("один", "два", "три", "четыре", "пять", "шесть")]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def layout(folder: Path, rows: list[str], files: list[str], table: str = "metadata.csv") -> Path:
    for number, file in enumerate(files, 1):
        write(folder / file, speech(number))
    (folder / table).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return folder


WAVS = [f"wavs/{number}.wav" for number in range(1, 7)]
LAYOUTS: dict[str, tuple[list[str], list[str], str]] = {
    "two columns": ([f"{n}.wav|{text}" for n, text in enumerate(TEXTS, 1)], WAVS, "metadata.csv"),
    "without suffix": ([f"{n}|{text}" for n, text in enumerate(TEXTS, 1)], WAVS, "metadata.csv"),
    "LJSpeech": ([f"{n}|{text.replace('.', ' 1.')}|{text}" for n, text in enumerate(TEXTS, 1)], WAVS, "metadata.csv"),
    "speakers": ([f"{n}|{'ab'[n % 2]}|{text}" for n, text in enumerate(TEXTS, 1)], WAVS, "metadata.csv"),
    "ids": ([f"{n}|{text}|1 0 {n + 13} 0 2" for n, text in enumerate(TEXTS, 1)], WAVS, "metadata.csv"),
    "names with a folder": ([f"wavs/{n}.wav|{text}" for n, text in enumerate(TEXTS, 1)], WAVS, "metadata.csv"),
    "subfolders": (
        [f"day{n % 2}/{n}.wav|{text}" for n, text in enumerate(TEXTS, 1)],
        [f"wavs/day{n % 2}/{n}.wav" for n in range(1, 7)],
        "metadata.csv",
    ),
    "beside the table": (
        [f"{n}|{text}" for n, text in enumerate(TEXTS, 1)],
        [f"{n}.flac" for n in range(1, 7)],
        "metadata.csv",
    ),
    "tabs": ([f"{n}.wav\t{text}" for n, text in enumerate(TEXTS, 1)], WAVS, "train.tsv"),
    "a list of files": ([f"wavs/{n}.wav|{text}" for n, text in enumerate(TEXTS, 1)], WAVS, "filelist.txt"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_any_common_layout_is_checked_without_a_workspace(name: str, workbench: Command, folder: Path) -> None:
    rows, files, table = LAYOUTS[name]
    data = layout(folder / "data", rows, files, table)
    before = sorted(data.rglob("*"))
    outcome = workbench("health", "data", "--json")
    report = outcome.json
    assert report["summary"]["clips"] == 6, outcome.err
    assert [item["seconds"] for item in report["utterances"]] == [len(speech(n)) / 16_000 for n in range(1, 7)]
    assert report["summary"]["speakers"] == (2 if name == "speakers" else 0)
    assert not [item for item in report["findings"] if item["level"] == "error"]
    assert outcome.code == 0
    assert sorted(data.rglob("*")) == before
    assert workbench("health", f"data/{table}", "--json").json["utterances"] == report["utterances"]


def test_errors_end_with_1_and_warnings_only_if_strict(workbench: Command, folder: Path) -> None:
    rows, files, _ = LAYOUTS["two columns"]
    data = layout(folder / "data", rows, files)
    (data / "workbench.toml").write_text(
        HEAD + "[audio]\nsample_rate = 16000\n[training]\nbatch_size = 4\nvalidation_split = 0.2\n"
    )
    assert workbench("health", "data").code == 0
    assert workbench("health", "data", "--strict").code == 0
    warned = [*rows[:-1], rows[-1].replace("о", "o", 1)]  # a Latin letter
    (data / "metadata.csv").write_text("\n".join(warned), encoding="utf-8")
    assert workbench("health", "data").code == 0
    assert workbench("health", "data", "--strict").code == 1
    (data / "wavs" / "1.wav").unlink()
    assert workbench("health", "data").code == 1


def test_a_table_that_names_no_recording_is_checked_and_says_so(workbench: Command, folder: Path) -> None:
    rows, files, _ = LAYOUTS["two columns"]
    layout(folder / "data", [f"Clip{row}" for row in rows], files)
    outcome = workbench("health", "data", "--json")
    assert outcome.code == 1
    assert [item["rule"] for item in outcome.json["findings"]].count("recording.missing") == 6
    assert propose_workspace(folder / "data").workspace is None  # a training needs one that fits


@pytest.mark.parametrize(
    ("name", "says"),
    [("nowhere", "nowhere: there is no such folder"), ("empty", "empty: no metadata.csv here")],
)
def test_what_is_no_dataset_is_one_line(name: str, says: str, workbench: Command, folder: Path) -> None:
    (folder / "empty").mkdir()
    outcome = workbench("health", name)
    assert outcome.code == 2
    assert outcome.error.startswith(says)


def test_a_part_is_measured_and_nothing_judged(workbench: Command, folder: Path) -> None:
    rows, files, _ = LAYOUTS["two columns"]
    layout(folder / "data", rows, files)
    answers = [workbench("health", "data", "--shard", f"{part}/4", "--json").json for part in range(1, 5)]
    assert [answer["measured"] for answer in answers] == [2, 2, 1, 1]
    assert workbench("health", "data", "--shard", "5/4").code == 2
    assert workbench("health", "data", "--shard", "0/4").code == 2
    assert workbench("health", "data", "--shard", "2").code == 2


# --- what comparisons of recordings with their texts found ---


def keep_comparison(data: Path, cache: Path, *lines: int) -> None:
    found = [
        Finding(rule="mismatch.text", severity=Severity.WARNS, subject=f"metadata.csv:{line}", message="says another",
                evidence={"distance": 0.9, "threshold": 0.7, "heard": "a", "expected": "b"}).as_json()
        for line in lines
    ]  # fmt: skip
    judged = [
        Judged(row=row.line, file=row.file, text=row.text, stamp=stamp_before(data / "wavs" / row.file, 4e9),
               suspicion=0.5)
        for row in read_metadata(data / "metadata.csv").rows
    ]  # fmt: skip
    keep(cache, HEARD, "hama 1.7.0", found, judged, read=1.8e9)


def test_a_workspace_s_check_has_what_comparisons_found_of_rows_as_they_are(workbench: Command, folder: Path) -> None:
    rows, files, _ = LAYOUTS["two columns"]
    data = layout(folder / "data", rows, files)
    (data / "workbench.toml").write_text(
        HEAD + "[audio]\nsample_rate = 16000\n[training]\nbatch_size = 4\nvalidation_split = 0.2\n"
    )
    never = workbench("health", "data")
    assert "recordings and texts: not compared; `workbench mismatch` does" in never.out
    assert workbench("health", "data", "--strict").code == 0
    keep_comparison(data, data / ".cache", 2, 5)
    outcome = workbench("health", "data", "--strict", "--sarif", "found.sarif")
    assert outcome.code == 1
    assert "warns   metadata.csv:5: says another" in outcome.out
    assert "recordings and texts: 6 rows compared by hama 1.7.0, 2027-01-1" in outcome.out
    results = json.loads((folder / "found.sarif").read_bytes())["runs"][0]["results"]
    places = [item["locations"][0]["physicalLocation"] for item in results if item["ruleId"] == "mismatch.text"]
    assert [place["region"]["startLine"] for place in places] == [2, 5]
    russian = workbench("health", "data", "--language", "ru").out
    assert "metadata.csv:2: запись от своего текста так же далека, как от любого другого: расстояние 0,9" in russian
    write(data / "wavs" / "5.wav", speech(9))
    report = workbench("health", "data", "--json").json
    assert [item["subject"] for item in report["findings"] if item["rule"] == "mismatch.text"] == ["metadata.csv:2"]
    assert [(one["by"], one["rows"], one["changed"]) for one in report["comparisons"]] == [("hama 1.7.0", 5, 1)]


def test_a_plain_folder_has_no_comparisons(workbench: Command, folder: Path) -> None:
    rows, files, _ = LAYOUTS["two columns"]
    data = layout(folder / "data", rows, files)
    keep_comparison(data, data / ".cache", 2)
    outcome = workbench("health", "data", "--json")
    assert "comparisons" not in outcome.json
    assert not [item for item in outcome.json["findings"] if item["rule"].startswith("mismatch.")]
    assert "recordings and texts" not in workbench("health", "data").out


# --- SARIF ---


@pytest.fixture
def sarif(workbench: Command, folder: Path, repo: Path) -> dict[str, Any]:
    """The report of a dataset with faults of many kinds."""
    copy_demo(repo, folder, 8)
    (folder / "workbench.toml").write_text(HEAD + "[audio]\nsample_rate = 16000\n[health]\nnonsense = 1\n")
    with (folder / "metadata.csv").open("a", encoding="utf-8") as file:
        file.write("gone file.wav|Нет её.\n\nодно\n")
    outcome = workbench("health", "--sarif", "out.sarif", "--json")
    assert outcome.code == 1
    log = json.loads((folder / "out.sarif").read_bytes())
    assert len(log["runs"][0]["results"]) == len(outcome.json["findings"])
    return dict(log)


def test_sarif_names_file_line_and_kind_of_each_finding(sarif: dict[str, Any], folder: Path) -> None:
    (run,) = sarif["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert result["level"] in ("error", "warning", "note")
        if "ruleIndex" in result:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    at = {
        (result["ruleId"], place["artifactLocation"]["uri"], place.get("region", {}).get("startLine"))
        for result in run["results"]
        for place in [result["locations"][0]["physicalLocation"]]
    }
    assert {
        ("recording.missing", "metadata.csv", 9),
        ("metadata.blank", "metadata.csv", 10),
        ("metadata.columns", "metadata.csv", 11),
        ("health.limit", "workbench.toml", None),
    } <= at
    assert run["originalUriBaseIds"]["%SRCROOT%"]["uri"] == f"{folder.as_uri()}/"


def test_sarif_is_what_the_standard_says(sarif: dict[str, Any]) -> None:
    model = pytest.importorskip(
        "pydantic_sarif.model", reason="needs pydantic-sarif, which holds the standard's schema"
    )
    kind = model.StaticAnalysisResultsFormatSarifVersion210JsonSchema
    kind.model_validate(sarif)
    sarif["runs"][0]["results"][0]["level"] = "terrible"
    with pytest.raises(ValueError):
        kind.model_validate(sarif)


def test_a_sarif_file_that_can_t_be_written_is_one_line(workbench: Command, folder: Path) -> None:
    rows, files, _ = LAYOUTS["two columns"]
    layout(folder / "data", rows, files)
    outcome = workbench("health", "data", "--sarif", "no/such/folder.sarif")
    assert outcome.code == 2
    assert "no/such/folder.sarif: can't be written: No such file or directory" in outcome.err


def test_findings_are_english_unless_another_language_is_chosen(workbench: Command, folder: Path) -> None:
    data = layout(folder / "data", [f"{n}.wav|{text}" for n, text in enumerate(TEXTS, 1)], WAVS[:5])
    english = workbench("health", "data", "--sarif", "english.sarif", "--json")
    russian = workbench("health", "data", "--language", "ru", "--sarif", "russian.sarif", "--json")
    assert "'6.wav' not found in wavs/" in workbench("health", "data").out
    assert "записи нет. Строка не попадёт в обучение." in workbench("health", "data", "--language", "ru").out
    first, second = ({item["rule"]: item for item in outcome.json["findings"]} for outcome in (english, russian))
    assert {rule: item["evidence"] for rule, item in first.items()} == {
        rule: item["evidence"] for rule, item in second.items()
    }
    assert second["recording.missing"]["message"].startswith("записи нет")
    assert russian.json["kinds"]["recording.missing"]["fix"] == "Переименуйте файл или исправьте строку."
    assert english.code == russian.code == 1
    assert list(english.json["summary"]) == list(russian.json["summary"])
    assert english.json["summary"]["findings"] == russian.json["summary"]["findings"]
    printed = workbench("health", "data", "--language", "ru").out.splitlines()
    assert [line for line in printed if not re.search("[а-яё]", line.partition(": ")[0])] == []
    # What programs read stays as it is.
    assert (folder / "english.sarif").read_text() == (folder / "russian.sarif").read_text()
    assert data.is_dir()


def test_it_says_what_becomes_of_each_row(workbench: Command, folder: Path) -> None:
    rows = [f"{n}.wav|{text}" for n, text in enumerate(TEXTS, 1)] + ["1.wav", f"1.wav|{TEXTS[0]}"]
    layout(folder / "data", rows, WAVS[:5])
    report = workbench("health", "data", "--json").json
    becomes = {item["row"]: (item["becomes"], item["why"]) for item in report["utterances"]}
    assert becomes[5] == ("trained", "")
    assert becomes[6] == ("dropped", "there is no such recording in wavs")
    assert becomes[8] == ("dropped", "it is the same recording and text as line 1")
    assert [item["row"] for item in report["skipped"]] == [7]
    summary = report["summary"]
    assert (summary["rows"], summary["usable"], summary["dropped"], summary["excluded"]) == (8, 5, 3, 0)
