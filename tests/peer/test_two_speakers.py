"""A voice of two speakers from the table of recordings to piper-tts: prepared, trained, exported, spoken."""

from __future__ import annotations

import base64
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile
import soxr

from core_vits.infer import Scales, load_generator, synthesize, to_int16
from workbench.jobs.rundir import read_json, write_json
from workbench.jobs.start import model_of, run_workspace
from workbench.tail.follower import RunFollower
from workbench.train.glue import make_trainer
from workbench.train.prepare import prepare
from workbench.train.recorder import Recorder
from workbench.workers.targets.voice import export

pytestmark = pytest.mark.peer

SPEAK = """
import base64, json, sys
from piper import PiperVoice, SynthesisConfig
voice = PiperVoice.load(sys.argv[1])
answer = {"speakers": dict(voice.config.speaker_id_map), "default": voice.config.default_speaker_id, "spoken": []}
for number in range(voice.config.num_speakers):
    config = SynthesisConfig(speaker_id=number, noise_scale=0.0, noise_w_scale=0.0)
    (chunk,) = voice.synthesize(sys.argv[2], config)
    ids = voice.phonemes_to_ids(voice.phonemize(sys.argv[2])[0])
    answer["spoken"].append([ids, base64.b64encode(chunk.audio_int16_bytes).decode()])
print(json.dumps(answer))
"""

SETTINGS = """
[workspace]
root = "{root}"
file = "{root}/workbench.toml"
[voice]
name = "pair"
language = "ru"
quality = "tiny"
[dataset]
multi_speaker = true
[audio]
sample_rate = 16000
[training]
accelerator = "cpu"
batch_size = 4
max_steps = 2
validation_split = 0.0
test_clips = 1
log_every_steps = 1
"""


class Trained:
    """The run and the exported voice."""

    def __init__(self, demo: Path, root: Path) -> None:
        self.run = root / "runs" / "one"
        self.run.mkdir(parents=True)
        _write_dataset(demo, root)
        (self.run / "run.toml").write_text(SETTINGS.format(root=root))
        workspace = run_workspace(self.run)
        write_json(self.run / "run.json", {"format": 1, "model": asdict(model_of(workspace))})
        prepare(self.run)
        trainer, _ = make_trainer(self.run, workspace, callbacks=[Recorder(self.run)], stop=lambda: False)
        trainer.fit(None)
        (self.checkpoint,) = (self.run / "checkpoints").glob("*.ckpt")
        self.exported = export(str(self.checkpoint), None, str(root / "voices"))
        self.onnx = Path(self.exported["files"][0])


def _write_dataset(demo: Path, root: Path) -> None:
    """Eight clips of the demo voice, every other one deeper as if by another person, and a row without recording."""
    lines = (demo / "metadata.csv").read_text(encoding="utf-8").splitlines()[:8]
    (root / "wavs").mkdir()
    rows = ["lost|deep|raw|Нет записи."]
    for number, line in enumerate(lines):
        file, text = line.split("|")
        (recording,) = (demo / "wavs").glob(f"{Path(file).stem}.*")
        samples, rate = soundfile.read(recording)
        deep = number % 2 == 0
        soundfile.write(root / "wavs" / f"{number}.wav", soxr.resample(samples, 1.0, 1.2) if deep else samples, rate)
        rows.append(f"{number}|{'deep' if deep else 'aelita'}|raw|{text}")
    (root / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def trained(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(repo / "workbench" / "demo", tmp_path_factory.mktemp("pair"))


def test_run_voice_and_graph_agree_about_the_speakers(trained: Trained) -> None:
    assert trained.exported["accepted"], trained.exported
    for config in (read_json(trained.run / "config.json"), read_json(Path(f"{trained.onnx}.json"))):
        assert (config["num_speakers"], config["speaker_id_map"]) == (2, {"deep": 0, "aelita": 1})
        assert config["language"]["name_native"] == "Русский"
    inputs = [item.name for item in onnx.load(trained.onnx).graph.input]
    assert inputs == ["input", "input_lengths", "scales", "sid"]


def test_both_speakers_were_heard_while_it_trained(trained: Trained) -> None:
    follower = RunFollower(trained.run / "metrics")
    follower.poll()
    tags = [entry.tag for entry in follower.audio()]
    assert len(tags) == 2
    assert {tag.partition("_")[2] for tag in tags} == {"deep", "aelita"}


def test_the_peer_speaks_with_each_of_them_as_the_checkpoint_does(ask_peer: Any, trained: Trained) -> None:
    answer = ask_peer(SPEAK, trained.onnx, "Да.")
    assert answer["speakers"] == {"deep": 0, "aelita": 1}
    generator = load_generator(trained.checkpoint)
    heard = []
    for number, (ids, audio) in enumerate(answer["spoken"]):
        wanted = to_int16(synthesize(generator, ids, scales=Scales(noise_scale=0, noise_w=0), speaker=number, seed=0))
        samples = np.frombuffer(base64.b64decode(audio), dtype="<i2")
        assert samples.size == wanted.size
        # The peer makes each sentence as loud as it can: an almost untrained voice is quiet, and so are its last bits.
        assert np.abs(samples.astype(int) - wanted).max() <= 20
        heard.append(audio)
    assert len(set(heard)) == 2
