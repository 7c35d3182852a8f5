"""What a run leaves for its viewers, read back with the project's own readers."""

from __future__ import annotations

import json
import re
import shutil
import time
import wave
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.tensorboard.writer import SummaryWriter

from core_vits.train.callbacks import Progress, Sample, SavedCheckpoint, StepRecord, ValidationRecord
from core_vits.train.rehearsal import Rehearsal
from core_vits.train.settings import Position
from workbench.jobs.rundir import read_lines, read_status
from workbench.jobs.runs import read_run, val_mel_text
from workbench.tail.clips import clips_of
from workbench.tail.follower import RunFollower
from workbench.tail.reader import read_audio
from workbench.train import recorder as module
from workbench.train.guard import GuardedCallback
from workbench.train.recorder import Recorder

METRICS = {"mel": 1.5, "kl": 2.0, "duration": 0.5, "feature": 3.0, "generator": 4.0, "discriminator": 5.0,
           "loss_g": 70.0, "loss_d": 5.0, "grad_norm/g": 9.0, "grad_norm/d": 8.0}  # fmt: skip

FOUND = Rehearsal(
    device="cuda:0",
    batch="16 clips",
    needed_bytes=9_500_000_000,
    state_bytes=1_100_000_000,
    part_bytes=9_500_000_000,
    available_bytes=12_000_000_000,
    parts=2,
    measured=True,
)


def progress(step: int, *, batches: int = 10) -> Progress:
    position = Position(epoch=step // batches, batch=step % batches, step=step)
    rates = {"g": 2e-4, "d": 1e-4}
    return Progress(position=position, epochs=3, batches_per_epoch=batches, learning_rates=rates)


def step(number: int, **metrics: float) -> tuple[Progress, StepRecord]:
    return progress(number), StepRecord(seconds=0.2, wait_seconds=0.05, metrics=metrics or None)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    return folder


@pytest.fixture
def recorder(run: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder(run)
    recorder.on_run_start(progress(0), None)
    return recorder


def follow(run: Path) -> RunFollower:
    follower = RunFollower(run / "metrics")
    follower.poll(budget_seconds=None)
    return follower


def test_every_curve_is_there_at_the_step_of_its_batch(run: Path, recorder: Recorder) -> None:
    recorder.on_step_end(*step(1))
    recorder.on_step_end(*step(2, **METRICS))
    follower = follow(run)
    losses = ("mel", "kl", "duration", "feature", "generator", "discriminator", "loss_g", "loss_d")
    wanted = {f"train/{name}" for name in losses}
    wanted |= {"grad_norm/g", "grad_norm/d", "lr/g", "lr/d", "time/step", "time/data_wait", "epoch"}
    assert set(follower.tags()) == wanted
    assert follower.series("train/mel").steps.tolist() == [2]
    assert follower.series("train/mel").values.tolist() == [1.5]
    assert follower.series("time/step").values[0] == pytest.approx(0.2)
    assert follower.series("lr/g").values[0] == pytest.approx(2e-4)
    assert follower.series("epoch").values[0] == pytest.approx(0.2)


def test_a_point_can_be_read_as_soon_as_it_is_written_while_the_run_goes_on(run: Path, recorder: Recorder) -> None:
    recorder.on_step_end(*step(1, **METRICS))
    assert len(follow(run).series("train/mel")) == 1
    recorder.on_step_end(*step(2, **METRICS))
    assert len(follow(run).series("train/mel")) == 2


def test_what_the_largest_batch_takes_is_an_event_and_stays_in_the_status(run: Path, recorder: Recorder) -> None:
    recorder.on_rehearsal(progress(0), FOUND)
    recorder.on_step_end(*step(1))
    event = next(event for event in read_lines(run / "events.jsonl") if event["kind"] == "memory")
    for told in (event, read_status(run)["memory"]):
        assert (told["needed_bytes"], told["available_bytes"], told["parts"]) == (9_500_000_000, 12_000_000_000, 2)


def test_the_log_says_where_it_computes_what_it_found_and_what_it_saved(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    recorder = Recorder(run)
    recorder.on_run_start(replace(progress(7), device="cpu"), Path("epoch=0-step=14.ckpt"))
    recorder.on_rehearsal(progress(7), FOUND)
    recorder.on_validation_end(progress(10), ValidationRecord(metrics={"mel": 1.25}, clips=3, clips_of=4))
    path = run / "epoch=0-step=20.ckpt"
    recorder.on_checkpoint(
        progress(10), SavedCheckpoint(path=path, epoch=0, step=10, optimizer_step=20, bytes=1, kind="epoch")
    )
    recorder.on_problem(progress(10), "the disk\nis full")
    recorder.on_run_end(progress(11), "stopped")
    said = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(
        r"training on cpu \(\d+ threads?\), goes on from epoch=0-step=14.ckpt, batch 7; 10 batches an epoch", said[0]
    )
    assert said[1:] == [
        "memory: the largest batch, 16 clips, takes 9.5 GB of 12.0 GB on cuda:0, 1.1 GB of it for weights, gradients "
        "and moments, and is trained in 2 parts, for it does not fit as a whole",
        "epoch 0, batch 10: val mel 1.25 over 3 of 4 clips",
        "saved epoch=0-step=20.ckpt",
        "the disk is full",
        "stopped at batch 11",
    ]
    assert read_status(run)["device"] == "cpu"


def test_validation_gives_curves_and_audio_that_plays(run: Path, recorder: Recorder) -> None:
    tone = (0.25 * np.sin(np.arange(8000) / 10)).astype(np.float32)
    samples = [
        Sample(name="привет", audio_S=tone, sample_rate=16000),
        Sample(name="b", audio_S=tone, sample_rate=16000, speaker="миа 2/x"),
    ]
    recorder.on_validation_end(progress(10), ValidationRecord(metrics={"mel": 1.25, "kl": 2.0}, samples=samples))
    follower = follow(run)
    assert follower.series("val/mel").values.tolist() == [1.25]
    audio = follower.audio()
    assert [(entry.tag, entry.step, entry.sample_rate) for entry in audio] == [
        ("sample/1", 10, 16000.0),
        ("sample/2_миа_2_x", 10, 16000.0),
    ]
    with wave.open(BytesIO(read_audio(audio[0]))) as file:
        assert (file.getnframes(), file.getframerate(), file.getnchannels()) == (8000, 16000, 1)
        peak = np.abs(np.frombuffer(file.readframes(8000), dtype="<i2")).max()
    assert peak > 32000  # as loud as full scale allows
    assert read_status(run)["val_mel"] == 1.25
    # The tags only have numbers; whoever lists the samples reads what they say.
    assert [clip.text for clip in clips_of(follower)] == ["привет", "миа 2/x: b"]


def test_a_validation_says_over_how_many_clips_it_is(run: Path, recorder: Recorder) -> None:
    shown = []
    for clips in (38, 37):
        record = ValidationRecord(metrics={"mel": 1.25, "kl": 2.0}, clips=clips, clips_of=38)
        recorder.on_validation_end(progress(10), record)
        shown.append(val_mel_text(read_run(run).status, "1.25"))
    assert shown == ["val mel 1.25", "val mel 1.25 (over 37 of 38 clips)"]
    told = [event for event in read_lines(run / "events.jsonl") if event["kind"] == "validation"]
    assert [(event["clips"], event["clips_of"], event["mel"]) for event in told] == [(38, 38, 1.25), (37, 38, 1.25)]


@pytest.mark.parametrize("audio", [np.zeros(0, np.float32), np.zeros(4000, np.float32)])
def test_silent_and_empty_samples_do_no_harm(run: Path, recorder: Recorder, audio: Any) -> None:
    sample = Sample(name="a", audio_S=audio, sample_rate=16000)
    recorder.on_validation_end(progress(10), ValidationRecord(metrics={}, samples=[sample]))
    recorder.on_step_end(*step(11, **METRICS))
    assert len(follow(run).series("train/mel")) == 1


def test_the_status_says_where_training_stands_and_when_it_ends(run: Path, recorder: Recorder) -> None:
    recorder.on_step_end(*step(11, **METRICS))
    recorder.on_epoch_end(progress(12))
    status = read_status(run)
    assert (status["phase"], status["epoch"], status["batch"], status["step"]) == ("train", 1, 2, 12)
    assert (status["optimizer_step"], status["batches_per_epoch"], status["epochs"]) == (24, 10, 3)
    assert status["losses"]["mel"] == 1.5
    assert "grad_norm/g" not in status["losses"]
    assert status["steps_per_second"] == pytest.approx(5.0)
    assert status["data_wait"] == pytest.approx(0.25)
    assert status["progress"]["total"] == 30
    assert status["eta_seconds"] >= 0


def test_the_status_is_written_at_most_twice_a_second(run: Path, recorder: Recorder) -> None:
    written = []
    begun = time.monotonic()
    inode = None
    for number in range(1, 2000):
        recorder.on_step_end(*step(number))
        now = (run / "status.json").stat().st_ino
        if now != inode:
            written.append(now)
            inode = now
        if time.monotonic() - begun > 1.1:
            break
    assert len(written) <= 4  # the first look counts as one


def test_the_phases_of_validation_and_saving_are_shown(run: Path, recorder: Recorder) -> None:
    recorder.on_checkpoint_start(progress(10))
    assert read_status(run)["phase"] == "checkpoint"
    saved = SavedCheckpoint(
        path=run / "epoch=0-step=20.ckpt", epoch=0, step=10, optimizer_step=20, bytes=7, kind="epoch"
    )
    recorder.on_checkpoint(progress(10), saved)
    assert read_status(run)["phase"] == "train"
    time.sleep(0.55)
    recorder.on_validation_progress(progress(10), 1, 4)
    assert read_status(run)["phase"] == "validate"
    assert read_status(run)["progress"]["total"] == 4
    events = list(read_lines(run / "events.jsonl"))
    assert (events[-1]["kind"], events[-1]["file"], events[-1]["reason"]) == ("checkpoint", saved.path.name, "epoch")


def test_a_problem_stays_in_the_status_until_a_checkpoint_is_saved(run: Path, recorder: Recorder) -> None:
    recorder.on_problem(progress(10), "the disk is full")
    recorder.on_epoch_end(progress(10))
    assert read_status(run)["message"] == "the disk is full"
    saved = SavedCheckpoint(path=run / "a.ckpt", epoch=0, step=10, optimizer_step=20, bytes=7, kind="epoch")
    recorder.on_checkpoint(progress(11), saved)
    assert read_status(run)["message"] == ""
    assert [event["message"] for event in read_lines(run / "events.jsonl") if event["kind"] == "error"] == [
        "the disk is full"
    ]


def test_curves_that_can_not_be_written_are_reported_once_and_come_back(
    run: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "SummaryWriter", refuse)
    recorder.on_step_end(*step(1, **METRICS))
    recorder.on_step_end(*step(2, **METRICS))
    errors = [event for event in read_lines(run / "events.jsonl") if event["kind"] == "error"]
    assert len(errors) == 1
    assert "No space left" in errors[0]["message"]
    monkeypatch.setattr(module, "SummaryWriter", SummaryWriter)
    monkeypatch.setattr(time, "monotonic", lambda: time.time() + 1e9)
    recorder.on_step_end(*step(3, **METRICS))
    assert follow(run).series("train/mel").steps.tolist() == [3]


def test_after_a_resume_the_steps_of_a_killed_run_are_superseded(run: Path, recorder: Recorder) -> None:
    for number in range(1, 8):
        recorder.on_step_end(*step(number, **METRICS))
    recorder.on_run_end(progress(7), "stopped")
    time.sleep(1.1)  # names of event files begin with the second
    again = Recorder(run)
    again.on_run_start(progress(5), run / "checkpoints" / "epoch=0-step=10.ckpt")
    again.on_step_end(*step(6, **{**METRICS, "mel": 9.0}))
    points = follow(run).series("train/mel")
    assert points.steps.tolist() == [1, 2, 3, 4, 5, 6]
    assert points.values.tolist()[-1] == 9.0


def test_the_end_is_left_for_the_supervisor_to_see(run: Path, recorder: Recorder) -> None:
    recorder.on_run_end(progress(30), "completed")
    assert read_status(run)["outcome"] == "completed"
    assert "state" not in read_status(run)
    json.loads((run / "status.json").read_text())


class Failing:
    """A plugin's callback that fails."""

    def __init__(self, error: BaseException) -> None:
        self.calls = 0
        self._error = error

    def on_step_end(self, progress: Progress, record: StepRecord) -> None:
        self.calls += 1
        raise self._error


@pytest.mark.parametrize("error", [ValueError("bad\nnews"), SystemExit(3), ZeroDivisionError()])
def test_a_callback_that_fails_three_times_is_left_out_and_the_run_goes_on(error: BaseException) -> None:
    failing, notes = Failing(error), list[str]()
    guarded = GuardedCallback("plugin/name", failing, notes.append)
    for number in range(6):
        guarded.on_step_end(*step(number))
    assert failing.calls == 3
    assert len(notes) == 3
    assert "left out" in notes[-1]
    assert "left out" not in notes[0]
    assert all("\n" not in note for note in notes)


def test_a_callback_hears_only_the_events_that_it_has_methods_for() -> None:
    notes: list[str] = []
    guarded = GuardedCallback("plugin/name", Failing(ValueError()), notes.append)
    guarded.on_run_end(progress(1), "completed")
    guarded.on_epoch_end(progress(1))
    assert notes == []


def test_a_run_that_was_removed_is_not_made_again_by_its_reports(run: Path, recorder: Recorder) -> None:
    recorder.on_step_end(*step(1, **METRICS))
    shutil.rmtree(run)
    recorder.on_step_end(*step(2, **METRICS))
    module.Curves(run / "metrics", 0, lambda _: None).scalars({"a": 1.0}, 1)
    recorder.on_exception(progress(2), RuntimeError())
    assert not run.exists()
