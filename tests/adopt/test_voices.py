"""Exported voices that lie in a project."""

from __future__ import annotations

from pathlib import Path

from workbench.adopt.project import voices


def test_the_second_part_of_a_voice_is_no_voice_but_one_without_its_first_is_shown(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.encoder.onnx", "b.encoder.onnx.json", "b.decoder.onnx", "c.decoder.onnx"):
        (tmp_path / name).touch()
    found = {voice.path.name: voice.has_config for voice in voices([tmp_path])}
    assert found == {"a.onnx": False, "b.encoder.onnx": True, "c.decoder.onnx": False}
