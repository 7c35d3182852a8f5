"""The project of the story: 8,397 clips, two GPUs, seven runs, a script, voices."""

from __future__ import annotations

from pathlib import Path

import pytest
from piper_project import CHECKPOINT, fingerprint, make_dataset, make_project

from workbench.adopt import Adoption, adopt
from workbench.adopt.report import as_json, lines, toml
from workbench.config import load_workspace, write_workspace

CLIPS = 8397
# What the workspace file must say; everything else has its default.
SETTINGS = {
    "voice": {"name": "felix_mirage", "language": "ru", "quality": "medium"},
    "dataset": {"quoting": True, "delimiter": "|", "multi_speaker": False, "type": "text"},
    "text": {"phonemizer": "auto", "espeak_voice": ""},
    "audio": {"sample_rate": 22_050, "trim_silence": True},
    "training": {
        "epochs": 10_000, "batch_size": 16, "devices": 2, "launcher": "ddp", "accelerator": "cuda",
        "precision": "32-true", "validate_every_epochs": 1, "validation_split": 0.1, "test_clips": 5,
        "learning_rate": 2e-4, "learning_rate_d": 1e-4, "mel_weight": 45.0, "max_steps": 0,
    },
    "start": {
        "checkpoint": f"lightning_logs/version_2/checkpoints/{CHECKPOINT}", "mode": "resume",
        "learning_rate": "continue", "optimizer": "keep",
    },
    "paths": {"runs": "runs", "voices": "voices", "cache": ".workbench/cache", "piper_runs": "lightning_logs"},
}  # fmt: skip


@pytest.fixture(scope="module")
def one_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Project and dataset in one folder, copied away from where the script says."""
    folder = tmp_path_factory.mktemp("story") / "felix"
    folder.mkdir()
    make_dataset(folder, CLIPS)
    make_project(folder)
    return folder


@pytest.fixture(scope="module")
def adopted(one_folder: Path) -> Adoption:
    return adopt([str(one_folder)])


def check_settings(file: Path) -> None:
    workspace = load_workspace(file)
    for table, settings in SETTINGS.items():
        for key, value in settings.items():
            assert getattr(getattr(workspace, table), key) == value, f"{table}.{key}"


def test_the_whole_project_is_adopted_and_nothing_of_it_changes(one_folder: Path, adopted: Adoption) -> None:
    before = fingerprint(one_folder)
    file = write_workspace(adopt([str(one_folder)]).workspace, toml(adopted))
    try:
        after = fingerprint(one_folder)
        assert after.pop("workbench.toml")
        assert after == before
        check_settings(file)
        workspace = load_workspace(file)
        assert (workspace.dataset.metadata, workspace.dataset.audio) == ("metadata_2col.csv", "wavs")
        assert workspace.start_checkpoint is not None
        assert workspace.start_checkpoint.is_file()
        assert workspace.cache != one_folder / ".cache"
    finally:
        file.unlink()


def test_project_and_dataset_beside_each_other_are_found_where_they_were_moved(tmp_path: Path) -> None:
    dataset, project = tmp_path / "datasets" / "felix_mirage", tmp_path / "piper1-gpl"
    dataset.mkdir(parents=True)
    make_dataset(dataset, 20)
    make_project(project)
    adoption = adopt([str(project)])
    assert adoption.workspace.dataset.metadata == str(dataset / "metadata_2col.csv")
    assert adoption.workspace.dataset.audio == str(dataset / "wavs")
    assert adoption.moved["/workspace/datasets/felix_mirage/wavs"] == dataset / "wavs"
    assert f"/workspace is {tmp_path} here" in "\n".join(lines(adoption))
    check_settings(write_workspace(adoption.workspace, toml(adoption)))


def test_the_counters_of_the_checkpoint_fit_clips_batch_and_gpus(adopted: Adoption) -> None:
    assert adopted.clips is not None
    assert (adopted.clips.rows, adopted.clips.with_recording, adopted.clips.recordings) == (CLIPS, CLIPS, CLIPS)
    verdict = adopted.start.verdict
    assert verdict is not None
    assert (verdict.fits, verdict.batches) == (("kept",), 237)
    assert (
        "epoch=426-step=202398 fits 8,397 clips, batch 16, 2 GPUs: 7,553 training clips, 237 batches a GPU, "
        "x 2 optimizers x 427 epochs = 202,398." in verdict.message
    )
    assert "201,544" in verdict.message


def test_the_voice_that_is_newer_than_the_checkpoint_is_told(adopted: Adoption) -> None:
    told = "\n".join(adopted.checks)
    assert "the checkpoint (epoch 426) is older than the voice felix_mirage_epoch649.onnx" in told
    assert [voice.epoch for voice in adopted.start.voices] == [426, 649]
    assert adopted.versions == 7


def test_the_report_tells_what_was_read_what_became_of_it_and_what_does_nothing(adopted: Adoption) -> None:
    text = "\n".join(lines(adopted))
    assert "train_resume.sh:14: piper.train fit, 14 options" in text
    assert "lines 15, 16, 17, 18, 20 … were read as one command" in text
    assert "of version_2, written by Piper 1.3 to 1.4" in text
    assert '[training] launcher = "ddp"' in text
    assert "8 KB) is left alone; ours will be .workbench/cache, at most" in text
    effect = text.partition("no effect here")[2].partition("look at")[0]
    assert "--data.config_path" in effect
    assert effect.count("--") == 1
    assert [item["flag"] for item in as_json(adopted, written=None)["no_effect"]] == ["--data.config_path"]


def test_the_workspace_file_says_where_each_setting_comes_from(adopted: Adoption) -> None:
    text = toml(adopted)
    assert "# Piper: --trainer.max_epochs 10000\nepochs = 10000\n" in text
    assert "Taken over from a Piper project by `workbench adopt`: train_resume.sh:14." in text


def test_the_dataset_alone_is_adopted_by_its_config_json(tmp_path: Path) -> None:
    make_dataset(tmp_path, 10)
    adoption = adopt([str(tmp_path)])
    assert (adoption.workspace.voice.language, adoption.workspace.audio.sample_rate) == ("ru", 22_050)
    assert adoption.workspace.dataset.metadata == "metadata.csv"
    assert adoption.workspace.training.batch_size == 32
    assert any("no script and no run says how it was trained" in line for line in adoption.checks)


def test_without_a_script_the_newest_run_that_wrote_its_settings_down_is_read(tmp_path: Path) -> None:
    make_dataset(tmp_path, 10)
    make_project(tmp_path)
    (tmp_path / "train_resume.sh").unlink()
    (tmp_path / "lightning_logs" / "version_6" / "config.yaml").write_text("trainer: [\n")
    adoption = adopt([str(tmp_path)])
    assert adoption.source.record == tmp_path / "lightning_logs" / "version_5" / "config.yaml"
    check_settings(write_workspace(adoption.workspace, toml(adoption)))


def test_a_run_that_has_checkpoints_of_its_own_goes_on_from_there(tmp_path: Path) -> None:
    make_dataset(tmp_path, 10)
    make_project(tmp_path)
    own = tmp_path / "lightning_logs" / "version_6" / "checkpoints" / "epoch=500-step=237474.ckpt"
    own.parent.mkdir()
    own.write_bytes(b"")
    adoption = adopt([str(tmp_path / "lightning_logs" / "version_6" / "config.yaml")])
    assert adoption.start.checkpoint == own
    by_script = adopt([str(tmp_path / "train_resume.sh")])
    assert by_script.start.checkpoint is not None
    assert by_script.start.checkpoint.name == CHECKPOINT
    assert any("(epoch 426) is not the furthest" in line and own.name in line for line in by_script.checks)
