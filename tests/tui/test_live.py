"""The real services, as far as they need no worker: who speaks, and what is said."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tui.recorded import add_checkpoint, make_run

from core_vits.file_stamp import stamp_of
from workbench.config import load_workspace
from workbench.host import Host
from workbench.jobs.rundir import append_line
from workbench.jobs.runs import read_run
from workbench.mismatch.kept import HEARD, Judged, keep
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
    noise = {"rule": "signal.noise", "severity": "warns", "subject": "metadata.csv:2", "message": "noisy"}
    words = {"summary": "шумно", "effect": "Голос выучит шум.", "fix": "Запишите заново.", "facts": []}
    services.write_report(
        ScanResult(
            summary=summary, findings=[noise], utterances=[{}] * 3, kinds={"signal.noise": {"words": {"ru": words}}}
        )
    )
    assert "metadata.csv:2: шумно. Голос выучит шум. Запишите заново." in file.read_text("utf-8")


def noted(folder: Path, epoch: int, voice: Path, time: float, exporter: str = "onnx") -> None:
    note = {"checkpoint": f"epoch={epoch}-step=2.ckpt", "files": [str(voice)], "time": time, "accepted": True}
    append_line(folder / "exports.jsonl", note | {"exporter": exporter, "largest_difference": 1e-6, "message": "equal"})


def test_an_export_whose_voice_was_written_again_or_is_gone_is_not_called_one(
    services: LiveServices, tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "runs", "20270115-090000-a")
    voice, other, half = (tmp_path / name for name in ("a.onnx", "gone.onnx", "a-half.onnx"))
    for file, written in ((voice, 2000.0), (half, 1500.0)):
        file.touch()
        os.utime(file, (written, written))
    noted(folder, 1, voice, 1000.0)
    noted(folder, 2, other, 1100.0)
    noted(folder, 3, voice, 2000.5)
    noted(folder, 4, half, 1500.5, "onnx-half")
    noted(folder, 4, voice, 1900.0)
    run = read_run(folder)
    exports = services.list_exports(run)
    replaced = {path.name: export.replaced for path, export in exports.items()}
    assert replaced == {
        "epoch=1-step=2.ckpt": True,
        "epoch=2-step=2.ckpt": True,
        "epoch=3-step=2.ckpt": False,
        "epoch=4-step=2.ckpt": False,
    }
    assert exports[folder / "checkpoints" / "epoch=4-step=2.ckpt"].exporter == "onnx-half"


def test_notes_without_a_time_or_an_exporter_break_nothing(services: LiveServices, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "runs", "20270115-090000-a")
    append_line(folder / "exports.jsonl", {"checkpoint": "a", "files": [str(tmp_path)], "accepted": True})
    rejected = {"checkpoint": "b.ckpt", "files": [], "accepted": False, "largest_difference": 1, "message": "differs"}
    append_line(folder / "exports.jsonl", rejected)
    (found,) = services.list_exports(read_run(folder)).values()
    assert (found.accepted, found.replaced, found.exporter) == (False, False, "")


def test_a_voice_in_two_parts_is_one_voice_with_the_size_of_both(services: LiveServices, tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    folder.mkdir()
    for name, size in (("ru-a.encoder.onnx", 10), ("ru-a.decoder.onnx", 30), ("ru-b.onnx", 5)):
        (folder / name).write_bytes(b"x" * size)
    voices = {voice.label: voice.bytes for voice in services.list_voices()}
    assert voices == {"ru-a  (streamed: 2 parts)": 40, "ru-b.onnx": 5}


def test_the_usual_format_comes_first(services: LiveServices) -> None:
    names = [item.exporter for item in services.formats()]
    assert names[0] == "onnx"
    assert {"onnx-half", "onnx-stream"} < set(names)


def test_judges_are_recognisers_and_the_best_checkpoints_of_prepared_runs(
    services: LiveServices, tmp_path: Path
) -> None:
    for day, prepared in (("14", True), ("15", False)):
        folder = make_run(tmp_path / "runs", f"202701{day}-090000-a", state="completed")
        for epoch, mel in ((1, 20.0), (2, 25.0)):
            add_checkpoint(folder, epoch, 10 * epoch, val_mel=mel)
        if prepared:
            (folder / "prepare.json").write_text("{}")
    judges = services.judges()
    assert judges[0].name == "hama"
    assert [judge.name for judge in judges if judge.checkpoint] == ["epoch 1 of 20270114-090000-a"]


def test_what_was_found_is_compared_with_the_rows_of_the_scan(services: LiveServices, tmp_path: Path) -> None:
    recordings = [tmp_path / f"{name}.wav" for name in "ab"]
    for file in recordings:
        file.write_bytes(b"x")
    finding = {"rule": "mismatch.text", "severity": "warns", "subject": "metadata.csv:2", "message": "", "evidence": {}}
    judged = [
        Judged(row=row, file=file.name, text=f"t{row}", stamp=stamp_of(file.stat()), suspicion=row / 2)
        for row, file in enumerate(recordings, start=1)
    ]
    keep(tmp_path / ".cache", HEARD, "hama 1", [finding], judged, read=1.0)
    items = [
        {"row": row, "file": file.name, "path": str(file), "text": f"t{row}", "verdict": "ok"}
        for row, file in enumerate(recordings, start=1)
    ]
    found = services.compared(ScanResult(utterances=items))
    assert (list(found.findings), dict(found.suspicion)) == ([finding], {1: 0.0, 2: 1.0})
    can_not_tell = {**finding, "rule": "mismatch.unusable", "severity": "info", "subject": "metadata.csv"}
    keep(tmp_path / ".cache", HEARD, "hama 1", [can_not_tell], judged, read=1.0)
    found = services.compared(ScanResult(utterances=items))
    assert (list(found.findings), dict(found.suspicion)) == ([can_not_tell], {})
    keep(tmp_path / ".cache", HEARD, "hama 1", [finding], judged, read=1.0)
    items[1]["verdict"] = "excluded"
    assert services.compared(ScanResult(utterances=items)).findings == []
    assert services.compared(ScanResult(utterances=[])).findings == []
