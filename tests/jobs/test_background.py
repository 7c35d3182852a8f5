"""What is found around a checkpoint, and that nothing damaged is believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.jobs.background import Background, background_of, run_of
from workbench.jobs.rundir import write_json

MAP = {"_": [0], "^": [1], "$": [2], "a": [14]}


def our_run(folder: Path) -> Path:
    """A run of ours with a checkpoint; returns the checkpoint."""
    (folder / "checkpoints").mkdir(parents=True)
    write_json(folder / "run.json", {"format": 1})
    write_json(folder / "split.json", {"train": ["k1", "k2"], "validation": ["k3"], "test": []})
    write_json(
        folder / "prepare.json",
        {
            "phonemizer": {"name": "espeak", "version": "1.51 abc", "language": "ru"},
            "trained": [{"key": key, "file": f"{key}.wav"} for key in ("k1", "k2", "k3")],
        },
    )
    write_json(folder / "config.json", {"phoneme_id_map": MAP, "speaker_id_map": {"anna": 0}, "piper_version": "1.5.0"})
    path = folder / "checkpoints" / "epoch=0-step=2.ckpt"
    path.touch()
    return path


def test_a_checkpoint_of_ours_knows_its_run(tmp_path: Path) -> None:
    found = background_of(our_run(tmp_path / "runs" / "one"))
    assert found.run == tmp_path / "runs" / "one"
    assert found.phonemizer == "espeak 1.51 abc ru"
    assert found.part_of_key == {"k1": "train", "k2": "train", "k3": "validation"}
    assert found.part_of_file["k3.wav"] == "validation"
    assert (found.symbols, found.speakers) == (MAP, {"anna": 0})


def test_the_configuration_of_a_piper_checkpoint_stands_beside_or_above_it(tmp_path: Path) -> None:
    path = tmp_path / "lightning_logs" / "version_2" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    path.touch()
    assert background_of(path) == Background()
    config = {"phoneme_id_map": MAP, "piper_version": "1.5.0", "espeak": {"voice": "ru"}, "speaker_id_map": {}}
    write_json(tmp_path / "config.json", config)
    found = background_of(path)
    assert (found.run, found.config_file) == (None, tmp_path / "config.json")
    assert (found.symbols, found.speakers, found.piper_version, found.espeak_voice) == (MAP, None, "1.5.0", "ru")
    write_json(path.parent / "config.json", {**config, "piper_version": "1.8.0"})
    assert background_of(path).piper_version == "1.8.0", "the nearest counts"


def test_a_configuration_of_something_else_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a" / "last.ckpt"
    path.parent.mkdir()
    write_json(path.parent / "config.json", {"name": "of another program"})
    write_json(tmp_path / "config.json", {"phoneme_id_map": MAP})
    assert background_of(path).config_file == tmp_path / "config.json"


def test_a_file_of_ours_that_was_moved_out_of_its_run_has_none(tmp_path: Path) -> None:
    path = our_run(tmp_path / "one")
    moved = path.rename(tmp_path / path.name)
    assert run_of(moved) is None
    assert background_of(moved).part_of_key == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"train": 3}', '{"trained": [3, {"key": 1}], "phonemizer": 5}', "\xff"]
)
@pytest.mark.parametrize("name", ["split.json", "prepare.json", "config.json"])
def test_what_is_damaged_is_unknown(tmp_path: Path, name: str, text: str) -> None:
    path = our_run(tmp_path / "one")
    (tmp_path / "one" / name).write_text(text, encoding="latin-1")
    found = background_of(path)
    assert found.run is not None
    assert set(found.part_of_file.values()) <= {"train", "validation"}


@pytest.mark.parametrize("odd", [{"a": 14}, {"a": []}, {"a": ["x"]}, {"a": [True]}, [], "a", None])
def test_a_map_that_is_none_is_unknown(tmp_path: Path, odd: object) -> None:
    path = our_run(tmp_path / "one")
    (tmp_path / "one" / "config.json").write_text(json.dumps({"phoneme_id_map": odd, "speaker_id_map": odd}))
    assert background_of(path).symbols is None


def test_a_recording_in_two_parts_counts_as_trained(tmp_path: Path) -> None:
    path = our_run(tmp_path / "one")
    write_json(tmp_path / "one" / "prepare.json", {"trained": [{"key": "k3", "file": "a"}, {"key": "k1", "file": "a"}]})
    assert background_of(path).part_of_file == {"a": "train"}
