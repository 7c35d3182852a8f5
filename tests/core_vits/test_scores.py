"""Validation losses are compared over the same clips only."""

from __future__ import annotations

import math

import pytest

from core_vits.scores import Score, best_of, compared_over, digest_of, told


def scores(text: str) -> list[Score]:
    """`F2.0 S1.0`: losses over all ten clips, over other ten (G), over nine of ten (S, T), and none (-)."""
    found = []
    for item in text.split():
        clips = 9 if item[0] in "ST" else 10
        loss = None if item == "-" else float(item[1:])
        found.append(Score(loss=loss, over=item[0], clips=clips, clips_of=10) if loss is not None else Score())
    return found


@pytest.mark.parametrize(
    ("history", "over", "best"),
    [
        ("", None, []),
        ("- -", None, []),
        ("F2 F1 F3", "F", [1, 0, 2]),
        ("F2 F2", "F", [1, 0]),  # of equal ones the newer, which has learnt more
        ("F2 S1", "F", [0, 1]),  # once is chance
        ("F2 S1 F3", "F", [0, 2, 1]),
        ("F2 S1 T0.5", "F", [0, 2, 1]),
        ("F2 S1 S3", "S", [1, 2, 0]),  # twice is how it is now
        ("F2 S1 - S3", "S", [1, 3, 0]),  # a checkpoint between two validations has no loss
        ("F2 S1 S3 F4", "F", [0, 3, 1, 2]),
        ("F2 F1 G9", "G", [2, 1, 0]),  # another dataset
        ("S1", "S", [0]),
        ("S1 T2", "T", [1, 0]),
    ],
)
def test_the_best_is_of_the_clips_that_are_compared_now(history: str, over: str | None, best: list[int]) -> None:
    assert compared_over(scores(history)) == over
    assert best_of(scores(history)) == best


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ("F1", ""),
        ("F1 F2", ""),
        ("F1 -", ""),
        ("F1 S1", "over 9 of 10 clips, those that the best checkpoint was chosen by were over 10, and not the same"),
        ("F1 S1 S2", "chosen anew from here on"),
        ("F1 S1 S2 S3", ""),
        ("F1 S1 F2", ""),
        ("F1 S1 S1 F2", "over 10 clips, those that the best checkpoint was chosen by were over 9, and not the same"),
        ("F1 G2", "chosen anew from here on"),
    ],
)  # fmt: skip
def test_what_is_not_compared_is_told(history: str, said: str) -> None:
    *before, now = scores(history)
    message = told(before, now)
    assert said in message
    assert bool(message) == bool(said)


def test_an_index_from_before_does_not_tell_its_clips() -> None:
    old = Score.of_record({"val_mel": 1.0})
    assert (old.loss, old.over, old.complete) == (1.0, "", True)
    assert "over clips that are not known" in told([old], *scores("F2"))
    assert told([old], old) == ""


@pytest.mark.parametrize("value", [None, "1.0", True, math.nan, math.inf, [1]])
def test_a_loss_that_is_none_is_no_score(value: object) -> None:
    record = {"val_mel": value, "val_over": 5, "val_clips": "3", "val_clips_of": None}
    assert Score.of_record(record) == Score()


def test_a_score_survives_the_index() -> None:
    (score,) = scores("S1.25")
    assert Score.of_record(score.as_record()) == score


def test_the_same_clips_in_another_order_are_the_same() -> None:
    assert digest_of(["b", "a"]) == digest_of(["a", "b"]) != digest_of(["a", "b", "c"])
