"""The counters in a checkpoint's name, against clips, batch size and GPUs."""

from __future__ import annotations

import math

import pytest

from workbench.adopt.arithmetic import DROPPED, KEPT, Plan, check, clips_that_fit

STORY = Plan(clips=8397, batch_size=16, devices=2)


def test_the_story_fits_exactly() -> None:
    assert STORY.training_clips == 7553
    assert STORY.clips_a_rank == 3777
    assert (STORY.batches(KEPT), STORY.batches(DROPPED)) == (237, 236)
    assert (STORY.steps(427, KEPT), STORY.steps(427, DROPPED)) == (202_398, 201_544)
    verdict = check("epoch=426-step=202398.ckpt", STORY)
    assert verdict is not None
    assert (verdict.fits, verdict.batches) == ((KEPT,), 237)
    assert "Piper 1.3 to 1.4 or its predecessor piper_train wrote it" in verdict.message
    assert Plan(clips=8397, batch_size=32) in verdict.alternatives


def test_the_later_checkpoint_of_the_same_training_fits_as_well() -> None:
    verdict = check("epoch=749-step=355500-val_loss=27.5963.ckpt", STORY)
    assert verdict is not None
    assert verdict.fits == (KEPT,)


def test_newer_piper_drops_the_last_batch() -> None:
    verdict = check("epoch=426-step=201544.ckpt", STORY)
    assert verdict is not None
    assert verdict.fits == (DROPPED,)
    assert "as Piper 1.5 and newer do" in verdict.message
    assert "237 batches an epoch" in verdict.message


def test_the_fixture_that_a_newer_piper_wrote_fits_too() -> None:
    # Four clips of six, batch 2, whole batches only: both treatments give the same.
    verdict = check("epoch=0-step=4.ckpt", Plan(clips=5, batch_size=2, test_clips=1))
    assert verdict is not None
    assert set(verdict.fits) == {KEPT, DROPPED}


def test_nothing_is_dropped_when_all_clips_fit_into_one_batch() -> None:
    plan = Plan(clips=12, batch_size=16, validation_split=0.0, test_clips=0)
    assert (plan.batches(KEPT), plan.batches(DROPPED)) == (1, 1)


@pytest.mark.parametrize(
    ("plan", "expected", "cause"),
    [
        (Plan(clips=8397, batch_size=32, devices=2), "101,626 or 100,772 steps", "batch 16 on 2 GPUs"),
        (Plan(clips=8397, batch_size=16, devices=1), "403,942 or 403,088 steps", "batch 32 on 1 GPU"),
        (Plan(clips=9000, batch_size=16, devices=2), "216,062 steps", "8,397 to 8,465 clips"),
        (Plan(clips=8397, batch_size=16, devices=2, validation_split=0.0), "steps", "a validation split of 0.1"),
    ],
)
def test_what_does_not_fit_is_told_with_what_would(plan: Plan, expected: str, cause: str) -> None:
    verdict = check("epoch=426-step=202398.ckpt", plan)
    assert verdict is not None
    assert verdict.fits == ()
    assert "does not fit" in verdict.message
    assert expected in verdict.message
    assert cause in verdict.message


def test_steps_that_are_no_whole_number_of_batches_mean_a_change_on_the_way() -> None:
    verdict = check("epoch=426-step=202399.ckpt", STORY)
    assert verdict is not None
    assert (verdict.fits, verdict.batches, verdict.alternatives) == ((), None, ())
    assert "the settings or the dataset changed on the way" in verdict.message


def test_names_without_counters_say_nothing() -> None:
    for name in ("last.ckpt", "epoch=9-val_mel=0.4.ckpt", "epoch=-step=.ckpt"):
        assert check(name, STORY) is None


def test_zero_steps_fit_nothing() -> None:
    verdict = check("epoch=0-step=0.ckpt", STORY)
    assert verdict is not None
    assert verdict.fits == ()


@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize("split", [0.0, 0.1, 0.37])
def test_the_range_of_clips_is_the_one_that_counting_finds(devices: int, split: float) -> None:
    plan = Plan(clips=1, batch_size=4, devices=devices, validation_split=split, test_clips=3)

    def batches(clips: int) -> set[int]:
        other = Plan(clips=clips, batch_size=4, devices=devices, validation_split=split, test_clips=3)
        train = clips - int(clips * split) - min(3, max(0, clips - int(clips * split) - 1))
        rank = math.ceil(train / devices)
        expected = {math.ceil(rank / 4), rank // 4 if train > 4 else math.ceil(rank / 4)}
        assert {other.batches(KEPT), other.batches(DROPPED)} == expected
        return expected

    for wanted in (2, 3, 7):
        fitting = [clips for clips in range(1, 400) if wanted in batches(clips)]
        assert clips_that_fit(plan, wanted) == (fitting[0], fitting[-1])
        assert fitting == list(range(fitting[0], fitting[-1] + 1))
