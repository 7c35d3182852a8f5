"""The real services, as far as they need no worker: who speaks, and what is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tui.recorded import make_run

from workbench.config import load_workspace
from workbench.host import Host
from workbench.jobs.runs import read_run
from workbench.tui.live import LiveServices
from workbench.tui.services import ScanResult

SPEAKERS = {"num_speakers": 2, "speaker_id_map": {"tom": 1, "mia": 0}}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[LiveServices]:
    """A workspace of phonemes with two speakers."""
    (tmp_path / "metadata.csv").write_text("a|mia|dˈa\nb|tom|nʲˈet\nc|tom|nˈu\n", "utf-8")
    (tmp_path / "workbench.toml").write_text(
        '[voice]\nname = "a"\nlanguage = "ru"\nquality = "tiny"\n[dataset]\nmulti_speaker = true\n'
        '[text]\nphonemizer = "text"\n',
        "utf-8",
    )
    workspace = load_workspace(tmp_path)
    made = LiveServices(workspace, Host.load(workspace))
    yield made
    made.close()


def test_the_speakers_of_runs_and_voices_are_those_of_their_configurations(
    services: LiveServices, tmp_path: Path
) -> None:
    run = read_run(make_run(tmp_path / "runs", "20270115-090000-a"))
    assert services.list_speakers(run) == ()
    (run.folder / "config.json").write_text(json.dumps(SPEAKERS))
    assert services.list_speakers(run) == ("mia", "tom")
    (tmp_path / "voices").mkdir()
    for name in ("bare.onnx", "pair.onnx"):
        (tmp_path / "voices" / name).touch()
    (tmp_path / "voices" / "pair.onnx.json").write_text(json.dumps(SPEAKERS))
    assert {voice.onnx.name: voice.speakers for voice in services.list_voices()} == {
        "bare.onnx": (),
        "pair.onnx": ("mia", "tom"),
    }


def test_what_a_training_would_do_names_the_number_of_speakers(services: LiveServices) -> None:
    assert services.training_facts().startswith("3 clips by 2 speakers of metadata.csv")


def test_a_voice_of_phonemes_proposes_a_text_of_its_table(services: LiveServices, tmp_path: Path) -> None:
    assert services.default_sentence() == "dˈa"
    (tmp_path / "metadata.csv").unlink()
    assert services.default_sentence() == "Добрый день, это новый голос."


def test_the_report_is_written_beside_the_workspace_file_with_the_scan_that_was_made(
    services: LiveServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    lengths = {"median": 1.0, "max": 1.0}
    summary = {"hours": 0.1, "usable": 3, "speakers": 2, "lengths": lengths}
    file = services.write_report(ScanResult(summary=summary, findings=[], utterances=[{}] * 3))
    assert file == tmp_path / "readiness-report.md"
    text = file.read_text("utf-8")
    assert text.startswith("# Отчёт о готовности: голос a\n")
    assert "Декодировано и прочитано без замечаний: 3 записи." in text
