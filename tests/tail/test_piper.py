"""Piper's tags and steps under our names and on our axis."""

from __future__ import annotations

from pathlib import Path

import pytest
from piper_tree import FIRST, MIDDLE, SENTENCES, START, TODAY, copy_fixture, make_version
from tail.event_files import EventWriter, event_name, tone
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from workbench.tail.clips import clips_of
from workbench.tail.follower import RunFollower
from workbench.tail.piper import BOTH, PiperFollower, our_name

OURS = {"mel", "kl", "duration", "feature", "generator", "discriminator"}


def followed(*versions: Path) -> PiperFollower:
    follower = PiperFollower(versions)
    follower.poll()
    return follower


@pytest.mark.parametrize(
    ("generation", "names"),
    [
        (FIRST, {"epoch", "train/loss_g", "train/loss_d", f"val/{BOTH}"}),
        (MIDDLE, {"epoch", "train/loss_g", "train/loss_d", "val/loss_g"}),
        (
            TODAY,
            {"epoch", "train/loss_g", "train/loss_d", "val/loss_g", "val/mos"}
            | {f"{side}/{name}" for side in ("train", "val") for name in OURS},
        ),
    ],
)
def test_all_generations_of_tags_have_our_names(tmp_path: Path, generation: str, names: set[str]) -> None:
    version = make_version(tmp_path, 0, epochs=range(2), generation=generation, rated=generation == TODAY)
    assert set(followed(version).tags()) == names


def test_tags_of_the_third_discriminator_and_of_others() -> None:
    tags = ["train_mrd_gen", "val_mrd_fm", "train_mrd_disc", "hp_metric", "lr-AdamW", "val_other", "train_mel_epoch"]
    assert [our_name(tag, tags) for tag in tags] == [
        "train/mrd_generator",
        "val/mrd_feature",
        "train/mrd_discriminator",
        None,
        "lr-AdamW",
        "val_other",
        "train_mel_epoch",
    ]


@pytest.mark.parametrize("run", ["run_tiny", "run_minid", "run_minid_ms", "run_minid_mrd"])
def test_runs_of_the_real_piper_have_all_points_of_tensorboard_one_step_on(shared: Path, run: str) -> None:
    folder = shared / "fixtures" / run
    follower = followed(folder)
    theirs = EventAccumulator(str(folder), size_guidance={"scalars": 0, "audio": 0})
    theirs.Reload()
    tags = theirs.Tags()["scalars"]
    names = {tag: our_name(tag, tags) for tag in tags}
    assert {name for name in names.values() if name is not None} == set(follower.tags())
    assert {tag.removeprefix("train/") for tag in follower.tags()} >= OURS
    for tag, name in names.items():
        if name is not None:
            points = follower.series(name)
            assert [(step - 1, value) for step, value in zip(points.steps, points.values, strict=True)] == [
                (event.step, event.value) for event in theirs.Scalars(tag)
            ]
    clips = clips_of(follower)
    assert [clip.text for clip in clips] == theirs.Tags()["audio"] * len(clips)
    # Clips count optimizer steps, two a batch; the last validation stands at the last batch.
    assert [clip.batch for clip in clips] == [clip.entry.step // 2 for clip in clips]
    assert clips[-1].batch == follower.series("val/mel").steps[-1]
    assert [clip.epoch for clip in clips] == [*range(len(clips))]


def test_a_chain_from_the_first_piper_to_today_is_one_run_and_its_end_was_superseded(tmp_path: Path) -> None:
    first = make_version(tmp_path, 0, epochs=range(4), generation=FIRST)
    second = make_version(tmp_path, 1, epochs=range(3, 6), resumed="version_0/checkpoints/e.ckpt", started=START + 9000)
    follower = followed(first, second)
    assert follower.series("train/loss_g").steps.tolist() == [*range(10, 241, 10)]
    (tail,) = follower.superseded("train/loss_g")
    assert tail.steps.tolist() == [130, 140, 150, 160]
    # `val_loss` is another sum in each of the two.
    assert follower.series(f"val/{BOTH}").steps.tolist() == [40, 80, 120, 160]
    assert follower.series("val/loss_g").steps.tolist() == [160, 200, 240]
    assert follower.series("train/mel").steps.tolist() == [*range(130, 241, 10)]


def test_going_on_from_an_early_checkpoint_is_not_taken_for_a_new_run(tmp_path: Path) -> None:
    first = make_version(tmp_path, 0, epochs=range(30), clips=False)
    second = make_version(tmp_path, 1, epochs=range(1, 3), started=START + 9000, clips=False)
    follower = followed(first, second)
    assert follower.series("train/mel").steps.tolist() == [*range(10, 121, 10)]
    assert [len(tail) for tail in follower.superseded("train/mel")] == [116]
    assert len(follower.segments("train/mel")) == 1


def test_a_checkpoint_is_marked_by_its_count_or_by_the_epochs_where_they_contradict_it(tmp_path: Path) -> None:
    follower = followed(make_version(tmp_path, 0, epochs=range(3)))
    assert follower.checkpoint_batch(1, 80) == 80
    # The count began anew, or none is known: the last batch of the epoch.
    assert follower.checkpoint_batch(1, 5) == 80
    assert follower.checkpoint_batch(1, -1) == 80
    assert follower.checkpoint_batch(1, 4000) == 80
    # Epochs that the curves know nothing of.
    assert follower.checkpoint_batch(9, 400) == 400
    assert follower.checkpoint_batch(-1, -1) == -1
    assert RunFollower(tmp_path).checkpoint_batch(1, 5) == 5


def test_where_train_points_are_sparse_the_count_is_exact(tmp_path: Path) -> None:
    """No validation, and a point at every 50th batch: epochs alone would place the mark too early."""
    writer = EventWriter(tmp_path / "version_0" / event_name())
    for batch in range(49, 1000, 50):
        writer.scalar("loss_g", batch, 1.0)
        writer.scalar("epoch", batch, batch // 233)
    follower = followed(tmp_path / "version_0")
    assert [follower.checkpoint_batch(epoch, 233 * (epoch + 1)) for epoch in range(3)] == [233, 466, 699]


@pytest.mark.parametrize("generation", [FIRST, MIDDLE, TODAY])
def test_clips_stand_at_the_end_of_their_epoch_even_if_they_have_no_step(tmp_path: Path, generation: str) -> None:
    clips = clips_of(followed(make_version(tmp_path, 0, epochs=range(3), generation=generation)))
    assert [(clip.epoch, clip.batch) for clip in clips] == [(0, 40), (0, 40), (1, 80), (1, 80), (2, 120), (2, 120)]
    assert [clip.text for clip in clips] == [*SENTENCES] * 3


def test_clips_are_placed_by_the_clock_where_the_count_of_steps_began_anew(tmp_path: Path) -> None:
    first = make_version(tmp_path, 0, epochs=range(10), generation=FIRST)
    second = make_version(tmp_path, 1, epochs=range(8, 11), started=START + 9000, steps_from=320)
    clips = clips_of(followed(first, second))
    assert [clip.entry.step for clip in clips][-1] == 240
    # Those of epochs 8 and 9 that the resume threw away are not among them.
    assert [(clip.epoch, clip.batch) for clip in clips] == [
        (epoch, 40 * (epoch + 1)) for epoch in range(11) for _ in SENTENCES
    ]


def test_clips_of_a_run_of_ours_stand_at_their_batch(tmp_path: Path) -> None:
    """Our recorder writes how much of the run is done as `epoch`, at every tenth batch."""
    writer = EventWriter(tmp_path / event_name())
    wav, frames = tone(0.05)
    for batch in range(1, 121):
        if batch % 10 == 0:
            writer.scalar("epoch", batch, batch / 45)
        if batch in (45, 90, 100):
            writer.clip("sample/1", batch, wav, frames)
    follower = RunFollower(tmp_path)
    follower.poll()
    assert [(clip.epoch, clip.batch) for clip in clips_of(follower)] == [(0, 45), (1, 90), (2, 100)]


def test_a_run_without_any_point_has_clips_without_an_epoch(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / event_name())
    wav, frames = tone(0.05)
    writer.clip("a", 10, wav, frames)
    assert [(clip.epoch, clip.batch) for clip in clips_of(followed(tmp_path))] == [(None, 5)]
    follower = RunFollower(tmp_path)
    assert clips_of(follower) == []
    follower.poll()
    assert [(clip.epoch, clip.batch) for clip in clips_of(follower)] == [(None, 10)]


def test_a_fixture_as_piper_lays_it_out_is_followed(shared: Path, tmp_path: Path) -> None:
    version = copy_fixture(shared / "fixtures" / "run_minid", tmp_path, 3)
    assert followed(version).series("val/mel").steps.tolist() == [2, 4, 6]


def test_changes_are_told_under_our_names(tmp_path: Path) -> None:
    version = make_version(tmp_path, 0, epochs=range(1), generation=MIDDLE, clips=False)
    changes = PiperFollower([version]).poll()
    assert changes.tags == {"train/loss_g", "train/loss_d", "val/loss_g", "epoch"}
    assert changes.new_tags == changes.tags
