"""Where the config.json of a checkpoint of Piper's own is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from piper_tree import FIRST, add_checkpoint, make_version

from workbench.jobs.piper_config import find_piper_config


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    version = make_version(tmp_path / "project" / "lightning_logs", 0)
    return add_checkpoint(version, "last.ckpt", 0, 80)


def name_it(checkpoint: Path, config_path: str) -> None:
    (checkpoint.parent.parent / "config.yaml").write_text(f"data:\n  config_path: {config_path}\nckpt_path: null\n")


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_it_is_where_the_settings_name_it(checkpoint: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(project / "config.json")
    for written, place in (
        ("runs/ru.json", project / "runs" / "ru.json"),
        (str(tmp_path / "elsewhere" / "my voice.json"), tmp_path / "elsewhere" / "my voice.json"),
    ):
        name_it(checkpoint, written)
        assert find_piper_config(checkpoint) is None
        write(place)
        assert find_piper_config(checkpoint) == place


def test_of_another_machine_s_path_the_name_is_looked_for_above_the_run(checkpoint: Path, tmp_path: Path) -> None:
    name_it(checkpoint, "/home/anna/voice/ru_config.json")
    assert find_piper_config(checkpoint) is None
    wanted = write(tmp_path / "project" / "ru_config.json")
    assert find_piper_config(checkpoint) == wanted


def test_the_first_piper_s_is_in_its_dataset_folder(tmp_path: Path) -> None:
    version = make_version(tmp_path / "lightning_logs", 0, generation=FIRST)
    checkpoint = add_checkpoint(version, "epoch=0-step=80.ckpt", 0, 80)
    assert find_piper_config(checkpoint) is None
    hparams = version / "hparams.yaml"
    text = hparams.read_text().replace("- home\n- anna\n", "".join(f"- {part}\n" for part in tmp_path.parts[1:]))
    hparams.write_text(text)
    wanted = write(tmp_path / "my voice" / "config.json")
    assert find_piper_config(checkpoint) == wanted


def test_a_checkpoint_outside_of_any_run_has_none(tmp_path: Path) -> None:
    assert find_piper_config(tmp_path / "a.ckpt") is None
