"""The mistakes of the story's own report, caught with both numbers in one sentence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from piper_project import CHECKPOINT, fingerprint
from piper_tree import checkpoint_bytes
from report_story import make_recordings, make_story

from workbench.report.languages import language
from workbench.report.records import Verdict

from .conftest import Make, keys, section, statement

ENGLISH = language("en")


def test_eighteen_gigabytes_are_not_said_to_be_eight_hours(make: Make, story: Path) -> None:
    report = make(story)
    folder = ENGLISH.text(statement(report, "arithmetic.folder").text)
    assert folder == (
        "Recordings and caches together have 17.5 GB, which as sound would be 110 h (47.4 s a clip). It is not: only "
        "1.35 GB is sound, 8.5 h; 16.2 GB is cache."
    )
    fits = ENGLISH.text(statement(report, "arithmetic.fits").text)
    assert fits.startswith("Bytes and hours fit: 8.5 h × 22,050 Hz × 2 B × 1 channel = 1.35 GB")


def test_recordings_with_more_bytes_than_their_headers_promise_are_an_error(make: Make, tmp_path: Path) -> None:
    folder = make_story(tmp_path / "felix", clips=200, generations=1)
    make_recordings(folder, 200, seconds=3.644, extra=2_000_000)
    report = make(folder)
    found = statement(report, "arithmetic.larger")
    assert found.verdict == Verdict.ERROR
    assert ENGLISH.text(found.text).startswith(
        "The recordings have 432 MB, which as sound is 2.7 h (49.0 s a clip); their headers promise 12 min, which is "
        "32 MB."
    )
    assert report.ready is False


def test_recordings_that_are_cut_off_are_an_error(make: Make, tmp_path: Path) -> None:
    folder = make_story(tmp_path / "felix", clips=20, generations=1)
    os.truncate(folder / "wavs" / "felix_000000.wav", 30_000)
    assert statement(make(folder), "arithmetic.smaller").verdict == Verdict.ERROR


def test_a_checkpoint_older_than_the_exported_voice_stands_against_training(make: Make, story: Path) -> None:
    report = make(story)
    found = statement(report, "order.voice")
    text = ENGLISH.text(found.text)
    assert "felix_mirage_epoch649.onnx is of epoch 649" in text
    assert f"{CHECKPOINT}, is of epoch 426. Training would repeat 223 epochs" in text
    assert found in report.reasons
    assert report.ready is False
    lines = [command.line for command in section(report, "recommendations").commands]
    assert lines[0] == "workbench adopt"
    assert any(line.startswith("find / -name 'epoch=649-*.ckpt'") for line in lines)
    assert "mv felix_mirage_epoch649.onnx felix_mirage_epoch649.onnx.old" in lines


def test_a_voice_of_another_name_is_only_something_to_look_at(make: Make, tmp_path: Path) -> None:
    folder = make_story(tmp_path / "felix", clips=20, generations=1, voices=False)
    (folder / "irina_epoch900.onnx").write_bytes(b"")
    assert statement(make(folder), "order.voice").verdict == Verdict.WARNING


def test_a_later_checkpoint_than_the_one_that_is_named_is_told(make: Make, tmp_path: Path) -> None:
    folder = make_story(tmp_path / "felix", clips=20, generations=1)
    later = folder / "lightning_logs" / "version_5" / "checkpoints" / "epoch=700-step=332274.ckpt"
    later.parent.mkdir()
    later.write_bytes(checkpoint_bytes(700, 332_274))
    report = make(folder)
    text = ENGLISH.text(statement(report, "order.start").text)
    assert "epoch 426, though lightning_logs/version_5/checkpoints/epoch=700-step=332274.ckpt is of epoch 700" in text
    assert "274 epochs would be trained again" in text
    assert "order.voice" not in keys(report)
    lines = [command.line for command in section(report, "recommendations").commands]
    named = "--from 'lightning_logs/version_5/checkpoints/epoch=700-step=332274.ckpt'"
    assert any(named.replace("'", "") in line.replace("'", "") for line in lines)


def test_a_cache_of_two_generations_is_told_with_what_of_it_is_stale(make: Make, story: Path) -> None:
    found = statement(make(story), "cache.generations")
    assert ENGLISH.text(found.text) == (
        ".cache: 16.2 GB, 12.0 times the recordings (1.35 GB); one generation of Piper's cache is about 6.0 times. It "
        "holds 16,794 entries for 8,397 rows, about 2 generations: 8,397 entries (8.10 GB) belong to no row of today's "
        "table. Piper removes none by itself."
    )


def test_a_cache_of_one_generation_is_nothing_to_look_at(make: Make, tmp_path: Path) -> None:
    report = make(make_story(tmp_path / "felix", clips=20, generations=1))
    assert {key for key in keys(report) if key.startswith("cache.")} == set()


def test_counters_are_compared_with_clips_batch_and_gpus(make: Make, story: Path, tmp_path: Path) -> None:
    text = ENGLISH.text(statement(make(story), "counters.fit").text)
    assert text == (
        "epoch=426-step=202398 fits 8,397 clips, batch 16 on 2 devices: 7,553 for training, 237 batches × 2 optimizers "
        "× 427 epochs = 202,398."
    )
    other = make(make_story(tmp_path / "felix", clips=20, generations=1))
    assert "= 854, not 202,398" in ENGLISH.text(statement(other, "counters.other").text)


def test_the_version_in_the_configuration_is_not_taken_for_an_installed_one(make: Make, story: Path) -> None:
    text = ENGLISH.text(statement(make(story), "packages.piper_absent").text)
    assert text.startswith("piper_version 1.3.0 in config.json is written into every file by a generation of Piper")


def test_a_script_whose_lines_a_shell_would_cut_off_is_told(make: Make, story: Path) -> None:
    found = statement(make(story), "scripts.loose")
    assert found.evidence == "train_resume.sh:15"
    paths = section(make(story), "scripts").tables[0]
    assert [row[0].value for row in paths.rows] == [
        "--data.csv_path", "--data.audio_dir", "--data.config_path", "--ckpt_path", "--data.cache_dir",
    ]  # fmt: skip


def test_what_was_not_looked_at_is_not_called_good(make: Make, tmp_path: Path) -> None:
    folder = make_story(tmp_path / "felix", clips=20, generations=1, voices=False)
    shutil.rmtree(folder / "lightning_logs")
    script = (folder / "train_resume.sh").read_text()
    (folder / "train_resume.sh").write_text(script.replace('--ckpt_path="$CHECKPOINT"', "--data.num_workers=0"))
    report = make(folder)
    assert [reason.text.key for reason in report.reasons] == ["dataset.not_scanned"]
    assert report.ready is None
    assert section(report, "dataset").verdict == Verdict.UNKNOWN


def test_nothing_of_the_project_changes(make: Make, tmp_path: Path) -> None:
    folder = make_story(tmp_path / "felix", clips=20)
    before = fingerprint(folder)
    make(folder)
    assert fingerprint(folder) == before
