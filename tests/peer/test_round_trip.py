"""There and back: Piper trains, we go on, Piper goes on from ours and exports, we go on again; the voice speaks."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from core_vits.architecture import architecture_from_state_dict
from core_vits.checkpoint import load_checkpoint
from core_vits.config import AudioConfig, ModelConfig
from workbench.api import VoiceIdentity
from workbench.config import load_workspace
from workbench.host import Host
from workbench.jobs import start
from workbench.jobs.rundir import SPLIT, read_json
from workbench.jobs.runs import RunView
from workbench_onnx.exporter import OnnxExporter

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(600)]

CLIPS = 10
RATE = 16_000
NARROW = 16

# Small enough for a step a second, and nothing that Piper's own options can't say (its discriminators apart).
MODEL = ModelConfig(
    audio=AudioConfig(sample_rate=RATE), hidden_channels=16, inter_channels=16, filter_channels=32, n_layers=2,
    upsample_initial_channel=32, discriminator_width_divisor=NARROW,
)  # fmt: skip
OPTIONS = {
    "data.csv_path": "metadata.csv", "data.audio_dir": "wavs", "data.cache_dir": "piper-cache",
    "data.config_path": "config.json", "data.voice_name": "aelita", "data.espeak_voice": "ru", "data.batch_size": 4,
    "data.validation_split": 0.1, "data.num_test_examples": 1, "model.sample_rate": RATE, "model.hidden_channels": 16,
    "model.inter_channels": 16, "model.filter_channels": 32, "model.n_layers": 2, "model.upsample_initial_channel": 32,
    "trainer.accelerator": "cpu", "trainer.enable_progress_bar": "false", "trainer.enable_model_summary": "false",
}  # fmt: skip
WORKSPACE = f"""
[voice]
name = "aelita"
language = "ru"
quality = "medium"
[audio]
sample_rate = {RATE}
[training]
batch_size = 4
test_clips = 1
log_every_steps = 1
accelerator = "cpu"
"""
TEXT = "Добрый день."


@dataclass(frozen=True, kw_only=True)
class Journey:
    """Checkpoints in the order in which they were made."""

    folder: Path
    theirs: Path
    ours: RunView
    theirs_again: Path
    ours_again: RunView


def newest(folder: Path) -> Path:
    """The last checkpoint of Piper's newest run."""
    versions = sorted((folder / "lightning_logs").iterdir(), key=lambda path: int(path.name.rpartition("_")[2]))
    return versions[-1] / "checkpoints" / "last.ckpt"


@pytest.fixture(scope="module")
def journey(drive_piper: Any, repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("journey")
    demo = repo / "workbench" / "demo"
    rows = (demo / "metadata.csv").read_text(encoding="utf-8").splitlines()[:CLIPS]
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "wavs").mkdir()
    for row in rows:
        shutil.copy(demo / "wavs" / row.split("|")[0], folder / "wavs")
    (folder / "workbench.toml").write_text(WORKSPACE, encoding="utf-8")
    workspace = load_workspace(folder)
    host = Host.load(workspace)

    def go_on(checkpoint: Path, epochs: int) -> RunView:
        run = start.start_run(workspace, host, resume=checkpoint, overrides={"training.epochs": epochs})
        ended = start.wait(run.folder, timeout=300)
        assert ended.state == "completed", ended.message
        return ended

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start, "model_of", lambda _workspace: MODEL)
        patch.setenv("OMP_NUM_THREADS", "1")
        drive_piper("fit", narrow=NARROW, cwd=folder, options={**OPTIONS, "trainer.max_epochs": 2})
        theirs = newest(folder)
        ours = go_on(theirs, 3)
        given = ours.checkpoints[-1].file
        resumed = {**OPTIONS, "trainer.max_epochs": 4, "ckpt_path": given}
        drive_piper("fit", narrow=NARROW, cwd=folder, options=resumed)
        theirs_again = newest(folder)
        assert theirs_again != theirs
        return Journey(
            folder=folder, theirs=theirs, ours=ours, theirs_again=theirs_again, ours_again=go_on(theirs_again, 5)
        )


def counters(checkpoint: Path) -> tuple[int, int]:
    """Epoch that was finished and optimizer steps, as the loops say: Piper reads nothing else."""
    payload = load_checkpoint(checkpoint)
    loop = payload["loops"]["fit_loop"]
    steps = loop["epoch_loop.manual_optimization.optim_step_progress"]["total"]["completed"]
    assert (payload["epoch"], payload["global_step"]) == (loop["epoch_progress"]["total"]["completed"], steps)
    assert loop["epoch_loop.state_dict"]["_batches_that_stepped"] * 2 == steps
    return payload["epoch"], steps


def adam_steps(checkpoint: Path) -> list[float]:
    """Steps that each optimizer has counted."""
    states = load_checkpoint(checkpoint)["optimizer_states"]
    return [float(next(iter(state["state"].values()))["step"]) for state in states]


def test_epochs_and_steps_go_on_all_the_way(journey: Journey) -> None:
    files = [journey.theirs, journey.ours.checkpoints[-1].file, journey.theirs_again,
             journey.ours_again.checkpoints[-1].file]  # fmt: skip
    # Piper leaves the ragged batch out, we train it: 8 clips are 2 batches either way.
    assert [counters(file) for file in files] == [(1, 8), (2, 12), (3, 16), (4, 20)]
    assert [adam_steps(file) for file in files] == [[4.0, 4.0], [6.0, 6.0], [8.0, 8.0], [10.0, 10.0]]


def test_each_side_trained_what_the_other_had_left(journey: Journey) -> None:
    before = load_checkpoint(journey.ours.checkpoints[-1].file)["state_dict"]
    after = load_checkpoint(journey.theirs_again)["state_dict"]
    assert [*before] == [*after]
    moved = [float((after[key] - before[key]).abs().max()) for key in before]
    # Two steps of Adam move a weight by about twice the learning rate; another start would be far away.
    assert 0 < max(moved) < 1e-3


def test_both_runs_of_ours_hold_back_the_same_clips(journey: Journey) -> None:
    splits = [read_json(run.folder / SPLIT) for run in (journey.ours, journey.ours_again)]
    assert splits[0] == splits[1]
    assert len(splits[0]["train"]) == 8


def test_what_piper_exports_of_ours_is_what_we_export(journey: Journey, drive_piper: Any, tmp_path: Path) -> None:
    checkpoint = journey.ours.checkpoints[-1].file
    options = {"checkpoint": checkpoint, "output-file": tmp_path / "theirs.onnx"}
    drive_piper("export", narrow=NARROW, cwd=tmp_path, options=options)
    config = json.loads((journey.ours.folder / "config.json").read_text(encoding="utf-8"))
    identity = VoiceIdentity(name="aelita", language="ru", quality="medium")
    ours, *_ = OnnxExporter().export(checkpoint, config, identity, tmp_path)
    ids = np.array([[1, 0, 30, 0, 50, 0, 33, 0, 2]], np.int64)
    feeds = {"input": ids, "input_lengths": np.array([9], np.int64), "scales": np.array([0, 1, 0], np.float32)}
    spoken = [onnxruntime.InferenceSession(str(path)).run(None, feeds)[0] for path in (tmp_path / "theirs.onnx", ours)]
    assert spoken[0].shape == spoken[1].shape
    assert np.abs(spoken[0] - spoken[1]).max() < 1e-6


SPEAK = """
import json, sys
from piper import PiperVoice
voice = PiperVoice.load(sys.argv[1])
chunks = list(voice.synthesize(sys.argv[2]))
samples = sum(len(chunk.audio_int16_array) for chunk in chunks)
loud = max(int(abs(chunk.audio_int16_array.astype(int)).max()) for chunk in chunks)
print(json.dumps({"rate": chunks[0].sample_rate, "samples": samples, "loud": loud}))
"""


def test_piper_speaks_the_voice_at_the_end_of_the_way(
    journey: Journey, drive_piper: Any, ask_peer: Any, tmp_path: Path
) -> None:
    voice = tmp_path / "voice.onnx"
    options = {"checkpoint": journey.theirs_again, "output-file": voice}
    drive_piper("export", narrow=NARROW, cwd=tmp_path, options=options)
    shutil.copy(journey.folder / "config.json", f"{voice}.json")
    answer = ask_peer(SPEAK, voice, TEXT)
    assert answer["rate"] == RATE
    assert answer["samples"] > RATE / 4
    assert answer["loud"] > 300


def test_the_architecture_survives(journey: Journey) -> None:
    payload = load_checkpoint(journey.theirs_again)
    found = architecture_from_state_dict(payload["state_dict"], payload["hyper_parameters"])
    assert replace(found, p_dropout=MODEL.p_dropout) == MODEL
