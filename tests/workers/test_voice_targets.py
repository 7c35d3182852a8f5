"""Speaking and exporting, through a real worker."""

from __future__ import annotations

import json
import os
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from piper_tree import copy_fixture, tree_digest
from tiny_voice import voice_config, write_checkpoint, write_run

from core_vits.checkpoint import load_checkpoint, save_atomic
from workbench.errors import (
    Cancelled,
    CheckpointError,
    EnvironmentProblem,
    PluginError,
    WorkbenchError,
)
from workbench.workers import Worker
from workbench.workers.targets.sentences import SENTENCES, default_sentence

SPEAK = "workbench.workers.targets.voice:speak"
EXPORT = "workbench.workers.targets.voice:export"
VOICE = "ru-aelita-tiny"
FILES = [f"{VOICE}.onnx", f"{VOICE}.onnx.json", f"{VOICE}.tokens.txt"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with one checkpoint."""
    folder = tmp_path_factory.mktemp("runs") / "20261123-120000-aelita"
    write_run(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(run: Path) -> Path:
    return next((run / "checkpoints").iterdir())


@pytest.fixture(scope="module")
def torch_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker("torch", log=tmp_path_factory.mktemp("log") / "worker.log") as worker:
        yield worker


@pytest.fixture(scope="module")
def voices(run: Path, checkpoint: Path, torch_worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the exported voice."""
    folder = tmp_path_factory.mktemp("out") / "voices"
    result = torch_worker.call(EXPORT, checkpoint=str(checkpoint), run_folder=str(run), out_folder=str(folder))
    assert result["accepted"], result
    return folder


def samples_of(wav: Path) -> NDArray[np.int16]:
    with wave.open(str(wav), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


# --- speaking ---


def test_a_checkpoint_speaks_into_a_wav_at_full_scale(torch_worker: Worker, checkpoint: Path, tmp_path: Path) -> None:
    wav = tmp_path / "new folder" / "a.wav"
    spoken = torch_worker.call(SPEAK, source=str(checkpoint), text="Добрый день.", out_wav=str(wav))
    samples = samples_of(wav)
    assert spoken["wav"] == str(wav)
    assert spoken["sample_rate"] == 22_050
    assert spoken["seconds"] == pytest.approx(samples.size / 22_050)
    assert spoken["seconds"] > 0.1
    assert np.abs(samples.astype(int)).max() == 32_767
    assert 0.01 < spoken["peak"] <= 1.0
    assert samples.std() > 100


def test_the_same_seed_speaks_the_same_wav(torch_worker: Worker, checkpoint: Path, tmp_path: Path) -> None:
    wavs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch_worker.call(SPEAK, source=str(checkpoint), text="Да.", out_wav=str(tmp_path / name), seed=seed)
        wavs.append((tmp_path / name).read_bytes())
    assert wavs[0] == wavs[1] != wavs[2]


def test_an_exported_voice_speaks_with_the_json_beside_it(torch_worker: Worker, voices: Path, tmp_path: Path) -> None:
    wav = tmp_path / "a.wav"
    spoken = torch_worker.call(SPEAK, source=str(voices / FILES[0]), text="Да. Нет.", out_wav=str(wav))
    assert spoken["sentences"] == 2
    assert samples_of(wav).std() > 100


def test_checkpoint_and_exported_voice_say_the_same_without_noise(
    torch_worker: Worker, checkpoint: Path, voices: Path, tmp_path: Path
) -> None:
    quiet = {"noise_scale": 0.0, "noise_w": 0.0, "length_scale": 1.3, "text": "Добрый день."}
    for source, name in ((checkpoint, "a.wav"), (voices / FILES[0], "b.wav")):
        torch_worker.call(SPEAK, source=str(source), out_wav=str(tmp_path / name), **quiet)
    first, second = samples_of(tmp_path / "a.wav"), samples_of(tmp_path / "b.wav")
    assert first.shape == second.shape
    assert np.abs(first.astype(int) - second).max() <= 2


def test_without_a_text_the_sentence_of_the_language_is_spoken(
    torch_worker: Worker, checkpoint: Path, tmp_path: Path
) -> None:
    spoken = torch_worker.call(SPEAK, source=str(checkpoint), text=None, out_wav=str(tmp_path / "a.wav"))
    assert spoken["text"] == SENTENCES["ru"]


def test_sentences_are_found_by_tag_and_by_espeak_voice() -> None:
    assert default_sentence("en-us") == default_sentence("en-GB") == SENTENCES["en"]
    assert default_sentence("pt_BR") == SENTENCES["pt"]
    assert default_sentence("cmn") == SENTENCES["zh"]
    assert default_sentence("nb") == SENTENCES["no"]
    assert any(character.isdigit() for character in default_sentence("qya"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"text": ""}, "the text is empty. Give a text to speak"),
        ({"text": " \n "}, "the text is empty"),
        ({"text": "..."}, "there is nothing to speak in '...'"),
        ({"text": "a\0b"}, "NUL"),
        ({"text": "да", "speaker": 1}, "there is no speaker 1; the voice has 1"),
        ({"text": "да", "speaker": "bob"}, "no speaker 'bob'; it has one speaker without a name"),
        ({"text": "да", "length_scale": 0}, "length_scale is 0"),
    ],
)
def test_what_can_not_be_spoken_is_one_clear_line_and_no_wav(
    torch_worker: Worker, checkpoint: Path, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(WorkbenchError, match=said) as caught:
        torch_worker.call(SPEAK, source=str(checkpoint), out_wav=str(tmp_path / "a.wav"), **options)
    assert type(caught.value) is WorkbenchError
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_phoneme_that_the_voice_lacks_is_named(torch_worker: Worker, checkpoint: Path, tmp_path: Path) -> None:
    config = voice_config()
    del config["phoneme_id_map"]["ʲ"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WorkbenchError, match=r"the voice has no symbol for 'ʲ' \(U\+02B2\)"):
        torch_worker.call(
            SPEAK,
            source=str(checkpoint),
            text="Добрый день.",
            out_wav=str(tmp_path / "a.wav"),
            config=str(tmp_path / "config.json"),
        )


def test_a_voice_that_reads_letters_needs_no_phonemizer(torch_worker: Worker, tmp_path: Path) -> None:
    source = write_checkpoint(tmp_path / "a.ckpt")
    letters = {symbol: [number] for number, symbol in enumerate("_^$ абвгдежзийклмнопрстуфхцчшщъыьэюя\u0306\u0308")}
    config = {**voice_config(), "phoneme_type": "text", "phoneme_id_map": letters}
    (tmp_path / "config.json").write_text(json.dumps(config))
    spoken = torch_worker.call(SPEAK, source=str(source), text="мой ёж", out_wav=str(tmp_path / "a.wav"))
    assert spoken["seconds"] > 0.1


def test_files_that_are_missing_or_of_another_kind_are_one_clear_line(
    torch_worker: Worker, voices: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "deep" / "er" / "than" / "we" / "look" / "a.ckpt"
    write_checkpoint(alone)
    (tmp_path / "text.onnx").write_text("no voice")
    (tmp_path / "text.onnx.json").write_bytes((voices / FILES[1]).read_bytes())
    (tmp_path / "bare.onnx").write_bytes((voices / FILES[0]).read_bytes())
    for source, said in (
        (tmp_path / "missing.ckpt", "there is no such file"),
        (alone, "no config.json of its voice"),
        (tmp_path / "text.onnx", "can't be loaded as an ONNX voice"),
        (tmp_path / "bare.onnx", r"bare\.onnx\.json that belongs to it is missing"),
    ):
        with pytest.raises(CheckpointError, match=said) as caught:
            torch_worker.call(SPEAK, source=str(source), text="да", out_wav=str(tmp_path / "a.wav"))
        assert "\n" not in str(caught.value)


def test_a_voice_that_speaks_no_numbers_is_said_to_have_diverged(torch_worker: Worker, tmp_path: Path) -> None:
    source = write_run(tmp_path / "run")
    payload = load_checkpoint(source)
    weight = payload["state_dict"]["model_g.dec.conv_pre.weight"]
    weight.copy_(weight.sign() * 3e38)  # finite itself, but sums of it are not
    save_atomic(source, payload)
    with pytest.raises(CheckpointError, match="the voice speaks no numbers"):
        torch_worker.call(SPEAK, source=str(source), text="да", out_wav=str(tmp_path / "a.wav"))
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[]", "it is not a JSON object"),
        ("{", "is not JSON"),
        ('{"audio": {"sample_rate": "fast"}}', "it has no audio.sample_rate"),
        ('{"audio": {"sample_rate": 22050}, "espeak": {}}', "it has no espeak.voice"),
        ('{"audio": {"sample_rate": 22050}, "espeak": {"voice": "ru"}, "phoneme_id_map": {"a": 1}}', "phoneme_id_map"),
        ('{"audio": {"sample_rate": 0}, "espeak": {"voice": "ru"}, "phoneme_id_map": {}}', "audio.sample_rate is 0"),
    ],
)
def test_a_configuration_that_is_none_is_one_clear_line(
    torch_worker: Worker, checkpoint: Path, tmp_path: Path, config: str, said: str
) -> None:
    (tmp_path / "config.json").write_text(config)
    asked = {"text": "да", "out_wav": str(tmp_path / "a.wav"), "config": str(tmp_path / "config.json")}
    with pytest.raises(CheckpointError, match=said):
        torch_worker.call(SPEAK, source=str(checkpoint), **asked)


def test_a_wav_that_can_not_be_written_leaves_the_old_one(
    torch_worker: Worker, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentProblem, match="can't be written"):
        torch_worker.call(SPEAK, source=str(checkpoint), text="да", out_wav=str(tmp_path / "file" / "a.wav"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- exporting ---


def test_an_export_is_named_after_the_workspace_and_verified(voices: Path) -> None:
    assert sorted(path.name for path in voices.iterdir()) == sorted(FILES)
    config = json.loads((voices / FILES[1]).read_text(encoding="utf-8"))
    assert config["dataset"] == "aelita"
    assert config["audio"]["quality"] == "tiny"


def test_an_export_says_what_was_written_and_how_equal_it_is(
    torch_worker: Worker, checkpoint: Path, tmp_path: Path
) -> None:
    seen: list[str] = []
    result = torch_worker.call(
        EXPORT,
        on_progress=lambda *progress: seen.append(progress[2]),
        checkpoint=str(checkpoint),
        run_folder=None,  # found by the checkpoint's place
        out_folder=str(tmp_path),
        exporter="onnx",
    )
    assert seen == ["reading the checkpoint", "exporting", "comparing with the checkpoint", "done"]
    assert result["accepted"] is True
    assert result["files"] == [str(tmp_path / name) for name in FILES]
    assert 0 < result["largest_difference"] < 1e-5
    assert result["message"].startswith(f"{tmp_path / FILES[0]} equals its checkpoint: largest difference ")
    assert result["voice"] == VOICE


def test_every_export_leaves_a_note_in_the_run_that_saved_the_checkpoint(
    torch_worker: Worker, run: Path, checkpoint: Path, tmp_path: Path
) -> None:
    notes = run / "exports.jsonl"
    result = torch_worker.call(EXPORT, checkpoint=str(checkpoint), run_folder=None, out_folder=str(tmp_path))
    assert not notes.exists(), "a folder without run.json is no run of ours"
    (run / "run.json").write_text("{}")
    try:
        torch_worker.call(EXPORT, checkpoint=str(checkpoint), run_folder=None, out_folder=str(tmp_path))
        (note,) = [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]
    finally:
        (run / "run.json").unlink()
        notes.unlink(missing_ok=True)
    assert note.pop("time") > 0
    assert note == {
        "checkpoint": checkpoint.name,
        "exporter": "onnx",
        **{name: result[name] for name in ("files", "largest_difference", "accepted", "message")},
    }


def test_a_checkpoint_of_piper_s_speaks_and_is_exported_and_its_folders_stay_as_they_are(
    torch_worker: Worker, shared: Path, tmp_path: Path
) -> None:
    fixture = shared / "fixtures" / "run_minid"
    logs = tmp_path / "lightning_logs"
    copy_fixture(fixture, logs, 0)
    # Where its config.yaml says, relative to the folder of the launch; the nearer one belongs to another voice.
    named = tmp_path / "runs" / "minid" / "config.json"
    named.parent.mkdir(parents=True)
    named.write_bytes((fixture / "config.json").read_bytes())
    (logs / "config.json").write_text("{}")
    workspace = tmp_path / "workbench.toml"
    workspace.write_text('[voice]\nname = "probe"\nlanguage = "ru"\n')
    checkpoint = logs / "version_0" / "checkpoints" / "last.ckpt"
    before = tree_digest(logs)
    result = torch_worker.call(
        EXPORT,
        checkpoint=str(checkpoint),
        run_folder=None,
        out_folder=str(tmp_path / "voices"),
        workspace=str(workspace),
    )
    assert result["accepted"], result
    assert Path(result["files"][0]).name == "ru-probe-medium.onnx"
    (note,) = (tmp_path / "voices" / "exports.jsonl").read_text().splitlines()
    assert json.loads(note)["checkpoint"] == str(checkpoint)
    spoken = torch_worker.call(
        SPEAK, source=str(checkpoint), text="Да.", out_wav=str(tmp_path / "a.wav"), workspace=str(workspace)
    )
    assert spoken["sample_rate"] == 22050
    assert tree_digest(logs) == before


def test_an_exporter_that_is_not_there_is_said(torch_worker: Worker, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="no exporter 'onx'"):
        torch_worker.call(EXPORT, checkpoint=str(checkpoint), run_folder=None, out_folder=str(tmp_path), exporter="onx")


def test_a_damaged_checkpoint_leaves_the_voice_that_is_there(
    torch_worker: Worker, voices: Path, run: Path, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in voices.iterdir()}
    (tmp_path / "a.ckpt").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(CheckpointError, match=r"a\.ckpt: "):
        torch_worker.call(EXPORT, checkpoint=str(tmp_path / "a.ckpt"), run_folder=str(run), out_folder=str(voices))
    assert {path.name: path.read_bytes() for path in voices.iterdir()} == before


SPOILER = """
import onnx
from workbench.api import ExporterSpec, Plugin

class Spoiler(Plugin):
    summary = "an exporter with a mistake"

    def workbench_register_exporters(self):
        return [ExporterSpec(name="spoiled", target="spoiler:make", suffix=".onnx",
                             verifier="workbench_onnx.verifier:OnnxVerifier", summary="spoils what it exports")]

def make(settings):
    from workbench_onnx.exporter import OnnxExporter

    class Spoiled(OnnxExporter):
        def export(self, checkpoint, config, voice, folder):
            files = super().export(checkpoint, config, voice, folder)
            graph = onnx.load(files[0])
            weight = next(item for item in graph.graph.initializer if item.name.endswith("dec.conv_post.weight"))
            weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * 1.5, weight.name))
            onnx.save(graph, files[0])
            return files

    return Spoiled()

plugin = Spoiler()
"""


def test_an_export_that_differs_is_rejected_and_the_older_voice_stays(
    checkpoint: Path, voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third party's exporter with a mistake in it, installed as pip would install it."""
    site = tmp_path / "site"
    (site / "spoiler-0.1.dist-info").mkdir(parents=True)
    (site / "spoiler.py").write_text(SPOILER)
    (site / "spoiler-0.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: spoiler\nVersion: 0.1\n")
    (site / "spoiler-0.1.dist-info" / "entry_points.txt").write_text("[voice_workbench]\nspoiler = spoiler:plugin\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])))
    before = {path.name: path.read_bytes() for path in voices.iterdir()}
    with Worker("torch", log=tmp_path / "worker.log") as worker:
        asked = {"checkpoint": str(checkpoint), "run_folder": None, "exporter": "spoiled"}
        result = worker.call(EXPORT, out_folder=str(voices), **asked)
    assert result["accepted"] is False
    assert result["files"] == []
    assert result["largest_difference"] > 1e-3
    assert "the export is rejected and removed" in result["message"]
    assert f"differs from its checkpoint by {result['largest_difference']:.1e} of full scale" in result["message"]
    assert "is untouched" in result["message"]
    assert "\n" not in result["message"]
    assert {path.name: path.read_bytes() for path in voices.iterdir()} == before


def test_a_worker_killed_in_the_middle_of_an_export_leaves_no_voice_and_the_next_export_cleans_up(
    checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "voices"
    asked = {"checkpoint": str(checkpoint), "run_folder": None, "out_folder": str(folder)}
    with Worker("torch", log=tmp_path / "worker.log") as worker:
        comparing = threading.Event()
        ended: list[BaseException] = []

        def call() -> None:
            def listen(done: float, total: float, what: str) -> None:
                if what.startswith("comparing"):
                    comparing.set()

            try:
                worker.call(EXPORT, on_progress=listen, **asked)
            except Cancelled as error:
                ended.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        assert comparing.wait(50)
        worker.cancel()
        thread.join(10)
        assert len(ended) == 1
        left = [path.name for path in folder.iterdir()]
        assert not set(left) & set(FILES)
        assert len(left) == 1  # the folder in which it was made
        # Only what a dead process left is removed.
        (folder / f".voice-{os.getpid()}-alive").mkdir()
        deadline = time.monotonic() + 50
        result = worker.call(EXPORT, **asked)
        assert time.monotonic() < deadline
    assert result["accepted"]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, f".voice-{os.getpid()}-alive"])
