"""On clean files we must agree with TensorBoard's own EventAccumulator, point by point."""

from __future__ import annotations

import io
import math
import wave
from pathlib import Path

import numpy as np
import pytest
from tail.event_files import START, EventWriter, event_name, tone
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util.tensor_util import make_ndarray

from workbench.tail import eventfile
from workbench.tail.follower import RunFollower
from workbench.tail.reader import read_audio


def accumulate(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "audio": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def assert_equal_to_oracle(folder: Path) -> None:
    oracle = accumulate(folder)
    follower = RunFollower(folder)
    assert follower.poll().complete
    assert follower.problems() == []
    assert follower.tags() == sorted(oracle.Tags()["scalars"])
    for tag in follower.tags():
        points, expected = follower.series(tag), oracle.Scalars(tag)
        assert points.steps.tolist() == [event.step for event in expected], tag
        assert points.wall_times.tolist() == [event.wall_time for event in expected], tag
        np.testing.assert_array_equal(points.values, [event.value for event in expected], tag)
    clips = [(clip.tag, clip.step, clip.wall_time, read_audio(clip)) for clip in follower.audio()]
    expected_clips = [
        (tag, event.step, event.wall_time, event.encoded_audio_string)
        for tag in oracle.Tags()["audio"]
        for event in oracle.Audio(tag)
    ]
    assert sorted(clips) == sorted(expected_clips)


@pytest.mark.parametrize("run", ["run_tiny", "run_minid", "run_minid_ms", "run_minid_mrd"])
def test_piper_run_reads_as_the_accumulator_reads_it(shared: Path, run: str) -> None:
    assert_equal_to_oracle(shared / "fixtures" / run)


def test_file_of_the_torch_writer_reads_as_the_accumulator_reads_it(tmp_path: Path) -> None:
    from torch import arange, sin
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path))
    for step in [*range(300), 2**20, 2**34, 2**35, 2**40]:
        for tag in ("train/mel", "потери/мел", "lr"):
            writer.add_scalar(tag, math.cos(step) * 10, step)
    writer.add_scalar("train/mel", math.nan, 2**41)
    writer.add_scalar("train/mel", math.inf, 2**41 + 1)
    writer.add_text("note", "длинный текст " * 1000, 3)
    writer.add_histogram("weights", np.arange(1000.0), 4)
    for step in range(3):
        writer.add_audio("Не забудьте выключить свет/перед уходом. " * 4, sin(arange(22050.0)), step, 22050)
    writer.close()
    assert_equal_to_oracle(tmp_path)


def test_clip_comes_back_as_a_playable_wav(tmp_path: Path) -> None:
    wav, frames = tone(3.0)
    assert len(wav) > 65_536
    sentence = "Шла Саша по шоссе / и сосала сушку: «ой»? " * 3
    assert len(sentence.encode()) > 127
    writer = EventWriter(tmp_path / event_name())
    writer.clip(sentence, 80, wav, frames)
    follower = RunFollower(tmp_path)
    assert follower.poll().audio_added == 1
    (clip,) = follower.audio()
    assert (clip.tag, clip.step, clip.sample_rate, clip.channels) == (sentence, 80, 22050.0, 1)
    assert clip.content_type == "audio/wav"
    assert clip.seconds == pytest.approx(3.0)
    with wave.open(io.BytesIO(read_audio(clip))) as file:
        assert file.getnframes() == frames == clip.frames


def test_scalars_typed_as_tensors_are_scalars(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    for step in range(5):
        writer._append(Event(wall_time=START + step, step=step, summary=scalar_pb("tensor/loss", 0.1 * step)))
    # Later events of a tag come without metadata in some writers.
    (value,) = scalar_pb("tensor/loss", 7.25).value
    writer.value(Summary.Value(tag="tensor/loss", tensor=value.tensor), 5)
    expected = [make_ndarray(event.tensor_proto).item() for event in accumulate(tmp_path).Tensors("tensor/loss")]
    follower = RunFollower(tmp_path)
    follower.poll()
    assert follower.series("tensor/loss").values.tolist() == expected
    assert len(expected) == 6


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("float64", 0.1),
        ("int64", -3),
        ("int32", -5),
        ("float16", 0.5),
        ("uint8", 200),
        ("bool", True),
        ("int64", 1 << 40),
    ],
)
def test_tensor_of_any_number_type_with_one_element_is_a_scalar(tmp_path: Path, dtype: str, value: float) -> None:
    from tensorboard.util.tensor_util import make_tensor_proto

    writer = EventWriter(tmp_path / event_name())
    writer.value(Summary.Value(tag="one", tensor=make_tensor_proto(np.array(value, dtype))), 1)
    follower = RunFollower(tmp_path)
    follower.poll()
    assert follower.series("one").values.tolist() == [float(value)]


def test_tensors_that_are_no_scalars_are_not_charted(tmp_path: Path) -> None:
    from tensorboard.util.tensor_util import make_tensor_proto

    writer = EventWriter(tmp_path / event_name())
    writer.value(Summary.Value(tag="three", tensor=make_tensor_proto(np.arange(3.0))), 1)
    writer.value(Summary.Value(tag="text", tensor=make_tensor_proto(np.array(b"hello", object))), 1)
    value = Summary.Value(tag="curve", tensor=make_tensor_proto(np.array(1.0)))
    value.metadata.plugin_data.plugin_name = "pr_curves"
    writer.value(value, 1)
    follower = RunFollower(tmp_path)
    follower.poll()
    assert follower.tags() == []
    assert follower.problems() == []


def test_event_with_many_values_gives_all_of_them(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    values = [Summary.Value(tag=f"tag/{number:05d}", simple_value=number) for number in range(5000)]
    writer._append(Event(wall_time=START, step=7, summary=Summary(value=values)))  # 100 kB, one record
    assert writer.path.stat().st_size > 65_536
    assert_equal_to_oracle(tmp_path)


def test_more_points_than_a_reservoir_holds_are_all_kept(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    record = b"".join(_record(step) for step in range(12_000))
    with writer.path.open("ab") as file:
        file.write(record)
    follower = RunFollower(tmp_path)
    follower.poll()
    assert follower.series("loss").steps.tolist() == list(range(12_000))


def _record(step: int) -> bytes:
    from tail.event_files import scalar_record

    return scalar_record("loss", step, step / 8)


def test_reading_the_end_first_gives_the_same_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventfile, "TAIL_FIRST", 20_000)
    wav, frames = tone(0.2)
    writer = EventWriter(tmp_path / event_name())
    for step in range(1000):
        writer.scalar("loss", step, step / 8)
        writer.scalar("epoch", step, step // 100)
        if step % 50 == 49:
            writer.clip("sentence", 2 * step + 2, wav, frames)
    follower = RunFollower(tmp_path)
    first = follower.poll(0.0)
    assert not first.complete
    writer.scalar("epoch", 999, 10)  # a second value at a step: the order of writing must survive the joining
    early = follower.series("loss").steps.tolist()
    assert early[-1] == 999, "the newest points come first"
    assert 10 < len(early) < 400
    while not follower.poll(0.0).complete:
        pass
    assert follower.files()[0].lag_bytes == 0
    assert_equal_to_oracle(tmp_path)
    assert follower.series("loss").steps.tolist() == list(range(1000))
    assert [clip.step for clip in follower.audio()] == [2 * step + 2 for step in range(49, 1000, 50)]
    writer.scalar("loss", 1000, 125.0)
    assert follower.poll().tags == {"loss"}
    assert len(follower.series("loss")) == 1001


def test_records_inside_a_clip_do_not_fool_the_reading_from_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone logs an event file as audio: what looks like records near the end is data."""
    monkeypatch.setattr(eventfile, "TAIL_FIRST", 50_000)
    inner = b"".join(_record(step) for step in range(2000, 5000))
    writer = EventWriter(tmp_path / event_name())
    writer.scalars("loss", range(20))
    writer.clip("trap", 1, inner)
    writer.scalars("loss", range(20, 40))
    follower = RunFollower(tmp_path)
    follower.poll(0.0)
    assert follower.series("loss").steps.max() >= 2000, "the trap must work, or this test shows nothing"
    while not follower.poll(0.0).complete:
        pass
    assert_equal_to_oracle(tmp_path)
    assert follower.series("loss").steps.tolist() == list(range(40))


def test_end_that_is_one_long_record_is_read_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventfile, "TAIL_FIRST", 50_000)
    writer = EventWriter(tmp_path / event_name())
    writer.scalars("loss", range(20))
    writer.clip("long", 1, b"\1" * 200_000)
    follower = RunFollower(tmp_path)
    while not follower.poll(0.0).complete:
        pass
    assert_equal_to_oracle(tmp_path)
    writer.scalars("loss", range(20, 22))
    follower.poll()
    assert len(follower.series("loss")) == 22
