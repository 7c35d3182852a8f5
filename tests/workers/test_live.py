"""Speaking aloud, through a real worker: pieces that join, and a player that gets them while they are made."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_voice import voice_config, write_checkpoint

from core_vits.infer import Scales
from core_vits.streaming import FIRST_FRAMES
from workbench.api import VoiceIdentity
from workbench.errors import CheckpointError, PluginError, WorkbenchError
from workbench.host import Host
from workbench.jobs.voice_files import exported_voices
from workbench.workers import Worker
from workbench.workers.targets import speaking
from workbench.workers.targets.onnx_voice import OnnxVoice, OnnxVoiceInParts
from workbench.workers.targets.voice_source import find_source
from workbench_onnx.exporter import OnnxExporter, StreamingExporter

SPEAK = "workbench.workers.targets.voice:speak"
LIVE = "workbench.workers.targets.live:speak_live"
STEM = "ru-aelita-tiny"
TEXT = "Добрый день. Это новый голос."


@pytest.fixture(scope="module")
def torch_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker("torch", log=tmp_path_factory.mktemp("log") / "worker.log") as worker:
        yield worker


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the whole voice and the one in two parts."""
    folder = tmp_path_factory.mktemp("voices")
    checkpoint = write_checkpoint(folder / "checkpoints" / "a.ckpt")
    identity = VoiceIdentity(name="aelita", language="ru", quality="tiny")
    for exporter in (OnnxExporter(), StreamingExporter()):
        exporter.export(checkpoint, voice_config(), identity, folder)
    return folder


def samples_of(wav: Path) -> NDArray[np.int16]:
    with wave.open(str(wav), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def test_a_voice_in_two_parts_speaks_in_growing_pieces_that_are_the_whole(voices: Path) -> None:
    config = json.loads((voices / f"{STEM}.encoder.onnx.json").read_text(encoding="utf-8"))
    quiet = Scales(noise_scale=0.0, noise_w=0.0, length_scale=4.0)
    ids = [1, 0, *np.random.default_rng(1).integers(3, 100, 60).tolist(), 0, 2]
    whole = OnnxVoice(voices / f"{STEM}.onnx", config).speak(ids, quiet, None, 0)
    parts = OnnxVoiceInParts(voices / f"{STEM}.encoder.onnx", config)
    pieces = list(parts.stream(ids, quiet, None, 0))
    assert len(pieces) >= 3
    assert pieces[0].size == FIRST_FRAMES * 256
    assert pieces[1].size == 2 * pieces[0].size
    np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(parts.speak(ids, quiet, None, 0), np.concatenate(pieces))


@pytest.mark.parametrize("name", [f"{STEM}.encoder.onnx", f"{STEM}.onnx"])
def test_what_is_spoken_aloud_is_also_written(torch_worker: Worker, voices: Path, tmp_path: Path, name: str) -> None:
    wav = tmp_path / "a.wav"
    spoken = torch_worker.call(LIVE, source=str(voices / name), text=TEXT, out_wav=str(wav), player=None)
    samples = samples_of(wav)
    assert spoken["sentences"] == 2
    assert spoken["seconds"] == pytest.approx(samples.size / 22_050)
    assert samples.std() > 100
    assert 0 < spoken["seconds_to_first_audio"] <= spoken["seconds_to_speak"]
    assert spoken["seconds_late"] >= 0
    assert spoken["play"] == {"message": "", "played": False, "reasons": []}


def test_a_voice_in_two_parts_is_spoken_into_a_file_as_any_other(
    torch_worker: Worker, voices: Path, tmp_path: Path
) -> None:
    wav = tmp_path / "a.wav"
    spoken = torch_worker.call(SPEAK, source=str(voices / f"{STEM}.encoder.onnx"), text=TEXT, out_wav=str(wav))
    assert spoken["sentences"] == 2
    assert np.abs(samples_of(wav).astype(int)).max() == 32_767


def test_the_players_reason_is_told_when_nothing_can_play_it_at_once(
    torch_worker: Worker, voices: Path, tmp_path: Path
) -> None:
    arguments = {"source": str(voices / f"{STEM}.onnx"), "text": "Да.", "out_wav": str(tmp_path / "a.wav")}
    spoken = torch_worker.call(LIVE, **arguments, player="file")
    assert spoken["play"] == {"message": "", "played": False, "reasons": ["file: plays complete files only"]}
    with pytest.raises(PluginError, match="no player 'loud'"):
        torch_worker.call(LIVE, **arguments, player="loud")


def test_what_can_not_be_spoken_is_one_line_and_no_wav(torch_worker: Worker, voices: Path, tmp_path: Path) -> None:
    wav = tmp_path / "a.wav"
    with pytest.raises(WorkbenchError, match="there is no speaker 3; the voice has 1"):
        torch_worker.call(LIVE, source=str(voices / f"{STEM}.onnx"), text="Да.", out_wav=str(wav), speaker=3)
    assert not wav.exists()


def test_the_second_part_alone_is_told_from_a_voice(torch_worker: Worker, voices: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"is the second part of a voice; name the first, {STEM}\.encoder\.onnx"):
        torch_worker.call(
            SPEAK, source=str(voices / f"{STEM}.decoder.onnx"), text="Да.", out_wav=str(tmp_path / "a.wav")
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"decoder": None}, "does not say how the voice's decoder is used"),
        ({"decoder": {"file": "gone.onnx", "margin_frames": 11}}, "its decoder gone.onnx is missing"),
    ],
)
def test_a_voice_whose_decoder_can_not_be_found_says_so(
    voices: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    encoder = tmp_path / f"{STEM}.encoder.onnx"
    encoder.write_bytes((voices / encoder.name).read_bytes())
    config = json.loads((voices / f"{encoder.name}.json").read_text(encoding="utf-8"))
    with pytest.raises(CheckpointError, match=said):
        OnnxVoiceInParts(encoder, {**config, **change})


def test_speaking_again_finds_no_plugins_anew_unless_settings_or_voice_have_changed(
    voices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    load = Host.load

    def counted(*arguments: Any, **named: Any) -> Host:
        found.append(1)
        return load(*arguments, **named)

    monkeypatch.setattr(speaking.Host, "load", counted)
    monkeypatch.setattr(speaking, "_front", [])
    source = find_source(str(voices / f"{STEM}.onnx"))
    first = speaking.sentences_of("Да. Нет.", source)
    assert speaking.sentences_of("Да. Нет.", source) == first
    assert len(found) == 1
    symbol = {**source.config["phoneme_id_map"], "d": [99]}
    other = speaking.sentences_of("Да. Нет.", replace(source, config={**source.config, "phoneme_id_map": symbol}))
    assert len(found) == 2
    assert other != first
    english = replace(source, config={**source.config, "espeak": {"voice": "en-us"}, "language": {"code": "en_US"}})
    speaking.sentences_of("Yes.", english)
    assert len(found) == 3
    speaking._front.pop()[2].close()


def test_a_folder_has_as_many_voices_as_can_be_spoken(voices: Path) -> None:
    assert [path.name for path in exported_voices(voices)] == [f"{STEM}.encoder.onnx", f"{STEM}.onnx"]
    assert exported_voices(voices / "none") == []
