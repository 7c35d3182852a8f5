"""Which configuration belongs to a checkpoint or a voice, and who speaks in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.jobs.voice_files import find_voice_config, speaker_map, speaker_names


def write(path: Path, **content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_the_configuration_of_a_checkpoint_lies_in_its_run_or_above_it(tmp_path: Path) -> None:
    ours = write(tmp_path / "runs" / "one" / "config.json")
    pipers = write(tmp_path / "train" / "config.json")
    checkpoint = tmp_path / "runs" / "one" / "checkpoints" / "a.ckpt"
    deep = tmp_path / "train" / "lightning_logs" / "version_2" / "checkpoints" / "a.ckpt"
    assert find_voice_config(checkpoint) == ours
    assert find_voice_config(deep) == pipers
    assert find_voice_config(deep, tmp_path / "runs" / "one") == ours
    assert find_voice_config(deep.parent / "much" / "deeper" / "a.ckpt") is None
    assert find_voice_config(checkpoint, tmp_path) is None


def test_the_configuration_of_another_program_is_passed_over_unless_it_is_the_only_one(tmp_path: Path) -> None:
    other = write(tmp_path / "a" / "config.json", name="of another program")
    assert find_voice_config(tmp_path / "a" / "last.ckpt") == other, "so that it can be said what is wrong with it"
    ours = write(tmp_path / "config.json", phoneme_id_map={"a": [14]})
    assert find_voice_config(tmp_path / "a" / "last.ckpt") == ours


def test_the_configuration_of_a_voice_stands_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "config.json")
    assert find_voice_config(tmp_path / "a.onnx") is None
    beside = write(tmp_path / "a.onnx.json")
    assert find_voice_config(tmp_path / "a.onnx") == beside


def test_speakers_come_by_their_numbers_and_who_speaks_by_default_first(tmp_path: Path) -> None:
    speakers = {"tom": 2, "mia": 0, "ann": 1}
    config = write(tmp_path / "a.onnx.json", num_speakers=3, speaker_id_map=speakers)
    assert speaker_names(tmp_path / "a.onnx") == ("mia", "ann", "tom")
    write(config, num_speakers=3, speaker_id_map=speakers, default_speaker_id=2)
    assert speaker_names(tmp_path / "a.onnx") == ("tom", "mia", "ann")
    write(config, num_speakers=1, speaker_id_map={"mia": 0})
    assert speaker_names(tmp_path / "a.onnx") == ()


@pytest.mark.parametrize("text", ["", "[]", "3", '{"speaker_id_map": 3}', '{"speaker_id_map": {"a": "x"}}', "[" * 9000])
def test_a_configuration_that_is_none_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.onnx.json").write_text(text)
    assert speaker_names(tmp_path / "a.onnx") == ()
    assert speaker_names(tmp_path / "b.onnx") == ()


@pytest.mark.parametrize("speakers", [{"a": 1, "b": 1}, {"a": -1}, {"a": True}, {"a": 1.0}, ["a"]])
def test_numbers_that_are_none_are_refused(speakers: Any) -> None:
    with pytest.raises(ValueError, match="speaker_id_map"):
        speaker_map({"num_speakers": 2, "speaker_id_map": speakers})
