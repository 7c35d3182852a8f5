"""Single values out of the settings that Lightning writes, however YAML writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from workbench.tail.lightning import LARGEST, read_settings, value_of, whole_of

LONG = "/home/user name/a folder with many words in its name so that the line is folded/version_3/checkpoints/last.ckpt"
CYRILLIC = "/home/маша/мой голос и ещё много слов в пути к папке/lightning_logs/version_3/checkpoints/last.ckpt"


@pytest.mark.parametrize("path", ["last.ckpt", LONG, CYRILLIC, "it's: x # y", "'quoted'", "- dash", "a: b", "тест"])
@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [80, 10_000])
def test_a_path_is_read_as_yaml_wrote_it(path: str, unicode: bool, width: int) -> None:
    settings = {"trainer": {"name": "wrong"}, "name": path, "data": {"other": 1, "name": path, "x": {"name": "no"}}}
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=unicode, width=width)
    assert value_of(text, "name") == path
    assert value_of(text, "name", "data") == path
    assert value_of(text, "name", "trainer") == "wrong"


def test_what_is_not_there_is_none() -> None:
    text = "a: null\nb: ~\nc:\nd: ''\nsection:\n  e: 1\nsections: 5\n"
    assert [value_of(text, key) for key in "abcxe"] == [None] * 5
    assert value_of(text, "d") == ""
    assert value_of(text, "e", "section") == "1"
    assert value_of(text, "e", "sections") is None
    assert value_of("", "e", "section") is None


def test_a_path_object_of_the_first_piper_is_the_path() -> None:
    # As yaml.dump writes `PosixPath("/home/anna/my voice")`.
    text = (
        "batch_size: 16\ndataset_dir: !!python/object/apply:pathlib.PosixPath\n- /\n- home\n- anna\n- my voice\nx: 1\n"
    )
    assert value_of(text, "dataset_dir") == "/home/anna/my voice"
    assert value_of(text, "x") == "1"


def test_no_object_is_made_of_a_tag(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    text = f"ckpt_path: !!python/object/apply:os.mkdir ['{canary}']\nother: !!python/object/new:os.system [x]\n"
    assert value_of(text, "ckpt_path") == str(canary)
    value_of(text, "other")
    assert not canary.exists()


@pytest.mark.parametrize("written", ["{", "[a", '"', "*unknown", "!!binary x", "[" * 3000, "&a [*a]", "{a: 1}"])
def test_a_value_that_is_no_text_is_none(written: str) -> None:
    assert value_of(f"key: {written}\n", "key") is None


def test_whole_numbers() -> None:
    text = "a: 16\nb: -1\nc: 1.5\nd: many\ndata:\n  a: 32\n"
    assert [whole_of(text, key) for key in "abcdx"] == [16, -1, None, None, None]
    assert whole_of(text, "a", "data") == 32


def test_a_file_of_a_real_run(shared: Path) -> None:
    text = read_settings(shared / "fixtures" / "run_minid" / "config.yaml")
    assert value_of(text, "ckpt_path") is None
    assert value_of(text, "config_path", "data") == "runs/minid/config.json"
    assert whole_of(text, "max_epochs", "trainer") == 3
    assert whole_of(text, "batch_size", "data") == 4
    assert value_of(text, "voice_name", "data") == "tiny_ru"


def test_a_file_that_is_missing_binary_or_endless_is_some_text(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "none.yaml") == ""
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)) * 10)
    assert value_of(read_settings(tmp_path / "binary.yaml"), "ckpt_path") is None
    (tmp_path / "long.yaml").write_bytes(b"x" * (2 * LARGEST))
    assert len(read_settings(tmp_path / "long.yaml")) == LARGEST
