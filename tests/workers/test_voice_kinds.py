"""Speaking with voices of other kinds: several speakers, phonemes instead of words, given ids, clusters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_voice import voice_config, write_checkpoint, write_run

from workbench.api import VoiceIdentity
from workbench.errors import PluginError, WorkbenchError
from workbench.workers import Worker
from workbench.workers.targets.sentences import SENTENCES
from workbench_onnx.exporter import OnnxExporter

SPEAK = "workbench.workers.targets.voice:speak"


@pytest.fixture(scope="module")
def torch_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker("torch", log=tmp_path_factory.mktemp("log") / "worker.log") as worker:
        yield worker


def test_a_voice_of_phonemes_says_a_text_of_its_table_when_nobody_gives_one(
    torch_worker: Worker, tmp_path: Path
) -> None:
    source = write_run(tmp_path / "run")
    config = {**voice_config(), "phoneme_type": "text"}
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    asked = {"source": str(source), "text": None, "out_wav": str(tmp_path / "a.wav")}
    with (tmp_path / "run" / "run.toml").open("a") as settings:
        settings.write(f'[dataset]\nmetadata = "{tmp_path}/table.csv"\n')
    with pytest.raises(WorkbenchError, match="reads phonemes, not words"):
        torch_worker.call(SPEAK, **asked)
    (tmp_path / "table.csv").write_text("a|Да\nb|dˈa\n")
    assert torch_worker.call(SPEAK, **asked)["text"] == "dˈa"


def test_a_speaker_is_named_or_else_the_one_that_the_configuration_says(torch_worker: Worker, tmp_path: Path) -> None:
    source = write_run(tmp_path / "run", speakers=3)
    config = {**voice_config(speakers=3), "default_speaker_id": 2}
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    heard = {}
    for speaker in (None, "spk0", "spk2", "2", 1):
        wav = tmp_path / "a.wav"
        spoken = torch_worker.call(SPEAK, source=str(source), text="Да.", out_wav=str(wav), speaker=speaker)
        heard[speaker] = (spoken["speaker"], wav.read_bytes())
    assert [name for name, _ in heard.values()] == ["spk2", "spk0", "spk2", "spk2", "spk1"]
    assert heard[None] == heard["spk2"] == heard["2"]
    assert len({audio for _, audio in heard.values()}) == 3
    with pytest.raises(WorkbenchError, match=r"no speaker 'spk9'; did you mean 'spk"):
        torch_worker.call(SPEAK, source=str(source), text="Да.", out_wav=str(tmp_path / "a.wav"), speaker="spk9")
    with pytest.raises(WorkbenchError, match=r"no speaker 'bob'; there are: spk0, spk1, spk2"):
        torch_worker.call(SPEAK, source=str(source), text="Да.", out_wav=str(tmp_path / "a.wav"), speaker="bob")


def test_a_voice_of_given_ids_needs_a_phonemizer_only_to_speak_a_text(torch_worker: Worker, tmp_path: Path) -> None:
    source = write_run(tmp_path / "run")
    with (tmp_path / "run" / "run.toml").open("a") as settings:
        settings.write('[dataset]\ntype = "phoneme_ids"\n')
    asked = {"source": str(source), "text": "Да.", "out_wav": str(tmp_path / "a.wav")}
    assert torch_worker.call(SPEAK, **asked)["seconds"] > 0
    with (tmp_path / "run" / "run.toml").open("a") as settings:
        settings.write('[plugins]\ndisabled = ["espeak", "piper"]\n')
    with pytest.raises(PluginError, match="trained on phoneme ids; a text must be phonemized first: no phonemizer"):
        torch_worker.call(SPEAK, **asked)


def test_map_and_clusters_of_the_voice_count_whatever_the_settings_say(torch_worker: Worker, tmp_path: Path) -> None:
    source = write_run(tmp_path / "run")
    config = voice_config()
    config["phoneme_id_map"]["ʲe"] = [200]
    asked = {"text": "день", "seed": 5, "noise_scale": 0.0, "noise_w": 0.0}
    heard = []
    for number, change in enumerate(({}, {"vowel_clusters": [["ʲ", "e"]]}, {"vowel_clusters": [["ʲ", "ˈ", "e"]]})):
        (tmp_path / "run" / "config.json").write_text(json.dumps({**config, **change}))
        config["phoneme_id_map"].setdefault("ʲˈe", [201])
        wav = tmp_path / f"{number}.wav"
        torch_worker.call(SPEAK, source=str(source), out_wav=str(wav), **asked)
        heard.append(wav.read_bytes())
    assert heard[0] == heard[1]  # stress stands between the two
    assert heard[2] != heard[0]
    with (tmp_path / "run" / "run.toml").open("a") as settings:
        settings.write('[text]\nphoneme_map = "gone.json"\nvowel_clusters = [["n", "ʲ"]]\n')
    torch_worker.call(SPEAK, source=str(source), out_wav=str(tmp_path / "again.wav"), **asked)
    assert (tmp_path / "again.wav").read_bytes() == heard[2]


def test_a_voice_from_elsewhere_speaks_its_own_language_in_any_workspace(torch_worker: Worker, tmp_path: Path) -> None:
    voice = tmp_path / "voice.onnx"
    config = {**voice_config(), "dataset": "aelita", "language": {"code": "ru_RU", "family": "ru"}}
    identity = VoiceIdentity(name="aelita", language="ru", quality="tiny")
    files = OnnxExporter().export(write_checkpoint(tmp_path / "a.ckpt"), config, identity, tmp_path)
    for path, suffix in zip(files, (".onnx", ".onnx.json"), strict=False):
        path.rename(tmp_path / f"voice{suffix}")
    for language, name in (("en", "aelita"), ("ru", "aelita"), ("ru", "other")):
        folder = tmp_path / f"{language}-{name}"
        folder.mkdir()
        (folder / "workbench.toml").write_text(f'[voice]\nname = "{name}"\nlanguage = "{language}"\n')
        spoken = torch_worker.call(
            SPEAK,
            source=str(voice),
            text=None,
            out_wav=str(folder / "a.wav"),
            workspace=str(folder / "workbench.toml"),
        )
        assert spoken["text"] == SENTENCES["ru"]
