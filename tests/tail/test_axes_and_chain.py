"""Lightning's two step counters, and runs that continue one another."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tail.event_files import START, EventWriter, event_name, tone

from workbench.tail.axes import batch_of, optimizer_count, step_at_epoch, step_at_wall_time
from workbench.tail.chain import chains, resumed_from, version_chain
from workbench.tail.downsample import nearest
from workbench.tail.follower import RunFollower


def test_clips_at_twice_the_batches_show_two_optimizers(tmp_path: Path) -> None:
    """As Lightning writes a GAN: scalars at batch 39 and 79, clips at 80 and 160."""
    wav, frames = tone(0.05)
    writer = EventWriter(tmp_path / event_name())
    for last in (39, 79):
        writer.scalars("train/mel", range(last - 39, last + 1))
        writer.clip("sentence", 2 * (last + 1), wav, frames)
    follower = RunFollower(tmp_path)
    follower.poll()
    optimizers = optimizer_count(follower.series("train/mel"), follower.audio())
    assert optimizers == 2
    assert [batch_of(clip.step, optimizers) for clip in follower.audio()] == [39, 79]
    checkpoint_saved_at = follower.audio()[0].wall_time
    assert step_at_wall_time(follower.series("train/mel"), checkpoint_saved_at) == 39
    assert step_at_wall_time(follower.series("train/mel"), START) is None


@pytest.mark.parametrize("run", ["run_tiny", "run_minid", "run_minid_ms"])
def test_piper_runs_have_two_optimizers(shared: Path, run: str) -> None:
    follower = RunFollower(shared / "fixtures" / run)
    follower.poll()
    assert optimizer_count(follower.series("loss_g"), follower.audio()) == 2


def test_without_clips_the_number_of_optimizers_is_unknown(tmp_path: Path) -> None:
    EventWriter(tmp_path / event_name()).scalars("train/mel", range(5))
    follower = RunFollower(tmp_path)
    follower.poll()
    assert optimizer_count(follower.series("train/mel"), []) is None


def test_epoch_written_twice_at_a_step_is_kept_and_the_later_one_holds(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    for step, epoch in [(19, 0), (39, 0), (39, 1), (59, 1), (79, 2)]:
        writer.scalar("epoch", step, epoch)
    follower = RunFollower(tmp_path)
    follower.poll()
    epochs = follower.series("epoch")
    assert epochs.values.tolist() == [0, 0, 1, 1, 2]
    assert epochs.values[nearest(epochs.steps, 39)] == 1
    assert [step_at_epoch(epochs, epoch) for epoch in (0, 1, 2, 3)] == [39, 59, 79, None]


def version(folder: Path, number: int, ckpt_path: str | None) -> Path:
    """A Lightning run directory with the configuration its command line writes."""
    directory = folder / "lightning_logs" / f"version_{number}"
    (directory / "checkpoints").mkdir(parents=True)
    written = "null" if ckpt_path is None else ckpt_path
    (directory / "config.yaml").write_text(f"# lightning.pytorch==2.6.6\nmodel:\n  a: 1\nckpt_path: {written}\n")
    return directory


def test_versions_are_chained_by_the_checkpoint_they_began_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = version(tmp_path, 0, None)
    second = version(tmp_path, 3, str(first / "checkpoints" / "last.ckpt"))
    third = version(tmp_path, 4, "'/on/another/machine/lightning_logs/version_3/checkpoints/epoch=9-step=80.ckpt'")
    fourth = version(tmp_path, 5, "lightning_logs/version_4/checkpoints/last.ckpt")
    assert version_chain(fourth) == (first, second, third)
    assert version_chain(first) == ()


def test_fine_tuning_from_another_voice_is_no_continuation(tmp_path: Path) -> None:
    other = version(tmp_path / "other", 0, None)
    mine = version(tmp_path / "mine", 1, str(other / "checkpoints" / "last.ckpt"))
    assert resumed_from(mine) is None
    version(tmp_path / "mine", 0, None)
    assert resumed_from(mine) is None, "a folder of the same name beside it is not meant"


def test_circle_and_missing_folders_end_the_chain(tmp_path: Path) -> None:
    first = version(tmp_path, 0, "x/version_1/checkpoints/last.ckpt")
    second = version(tmp_path, 1, "x/version_0/checkpoints/last.ckpt")
    assert version_chain(second) == (first,)
    assert version_chain(version(tmp_path, 2, "x/version_9/checkpoints/last.ckpt")) == ()
    assert version_chain(version(tmp_path, 3, "last.ckpt")) == ()
    assert version_chain(tmp_path / "nothing") == ()


def test_the_first_piper_names_its_checkpoint_among_the_hyperparameters(tmp_path: Path) -> None:
    first = version(tmp_path, 0, None)
    second = tmp_path / "lightning_logs" / "version_1"
    second.mkdir()
    old = (
        "/home/anna/a voice with a name that is so long that yaml folds it/lightning_logs/version_0/checkpoints/e.ckpt"
    )
    (second / "hparams.yaml").write_text(yaml.dump({"batch_size": 16, "resume_from_checkpoint": old}))
    assert resumed_from(second) == first
    (second / "hparams.yaml").write_text(yaml.dump({"batch_size": 16, "resume_from_checkpoint": None}))
    assert resumed_from(second) is None


def test_a_relative_path_starts_above_the_run_and_not_where_the_viewer_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    first = version(mine, 0, None)
    version(other, 0, None)
    monkeypatch.chdir(other)
    second = version(mine, 1, "lightning_logs/version_0/checkpoints/last.ckpt")
    assert resumed_from(second) == first


@pytest.mark.parametrize(
    "written", ["''", "last", "best", "{", "[1, 2]", "registry:model", '"\\0"', "x" * 300 + "/y/z"]
)
def test_a_checkpoint_that_is_no_path_is_no_predecessor(tmp_path: Path, written: str) -> None:
    version(tmp_path, 0, None)
    assert resumed_from(version(tmp_path, 1, written)) is None


A, B, C, D, E = (Path(name) for name in "abcde")


def test_runs_are_arranged_in_chains_and_each_is_in_one() -> None:
    assert chains({A: None, B: A, C: None, D: B}) == [(C,), (A, B, D)]
    assert chains({}) == []


def test_two_that_went_on_from_the_same_run_are_two_chains() -> None:
    assert chains({A: None, B: A, C: A}) == [(A, B), (A, C)]


def test_a_failed_start_is_left_out_unless_there_was_no_other() -> None:
    assert chains({A: None, B: A, C: A, D: A}, barren=[B, C]) == [(A, D)]
    assert chains({A: None, B: A, C: A}, barren=[B, C]) == [(A, C)]
    assert chains({A: None, B: A}, barren=[B]) == [(A, B)]
    assert chains({A: None, B: None}, barren=[A]) == [(A,), (B,)]
    # It wrote nothing and was resumed all the same.
    assert chains({A: None, B: A, C: A, D: B}, barren=[B]) == [(A, C), (A, B, D)]


def test_a_circle_is_listed_as_well() -> None:
    assert chains({A: B, B: A, C: None}) == [(C,), (A, B)]
    assert chains({A: A}) == [(A,)]


def test_configuration_of_a_real_run_has_no_predecessor(shared: Path) -> None:
    assert version_chain(shared / "fixtures" / "run_tiny") == ()
