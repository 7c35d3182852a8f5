"""Planted errors in a made-up dataset are found and named, and nothing else is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from mismatch.made_up import Language

from workbench.mismatch.judgement import FEWEST_CLIPS, FEWEST_SOUNDS, SURELY_WRONG, Verdict, judge, limit_of
from workbench.mismatch.sounds import Sounds

OK = {Verdict.FITS}


@dataclass
class Dataset:
    """Recordings and texts."""

    heard: list[Sounds | None]
    texts: list[Sounds | None]

    def verdicts(self) -> list[Verdict]:
        return [clip.verdict for clip in judge(self.heard, self.texts).clips]

    def order(self, rows: list[int]) -> None:
        """Let the texts stand in another order."""
        self.texts = [self.texts[row] for row in rows]


@pytest.fixture
def language() -> Language:
    return Language()


@pytest.fixture
def dataset(language: Language) -> Dataset:
    texts = [language.text() for _ in range(60)]
    return Dataset([language.heard(text) for text in texts], list(texts))


def test_of_a_clean_dataset_nothing_is_said(dataset: Dataset) -> None:
    judgement = judge(dataset.heard, dataset.texts)
    assert {clip.verdict for clip in judgement.clips} == OK
    assert not judgement.blocks
    assert judgement.median is not None
    assert judgement.median < judgement.limit <= SURELY_WRONG


@pytest.mark.parametrize(("one", "other"), [(10, 11), (4, 50)])
def test_two_swapped_rows_name_each_other(dataset: Dataset, one: int, other: int) -> None:
    rows = list(range(60))
    rows[one], rows[other] = other, one
    dataset.order(rows)
    clips = judge(dataset.heard, dataset.texts).clips
    assert {place: clip.verdict for place, clip in enumerate(clips) if clip.verdict is not Verdict.FITS} == {
        one: Verdict.SWAPPED,
        other: Verdict.SWAPPED,
    }
    assert clips[one].match is not None
    assert clips[one].match.index == other
    assert clips[one].match.distance < 0.8 < (clips[one].distance or 0)


@pytest.mark.parametrize("offset", [1, -1, 7])
def test_a_shifted_block_is_one_block_also_beyond_the_neighbours(dataset: Dataset, offset: int) -> None:
    rows = list(range(60))
    rows[20:40] = list(np.roll(rows[20:40], offset))
    dataset.order(rows)
    judgement = judge(dataset.heard, dataset.texts)
    away = {clip.match.index - place for place, clip in enumerate(judgement.clips) if clip.match is not None}
    assert offset in away
    shifted = [block for block in judgement.blocks if judgement.clips[block[0]].match.index - block[0] == offset]  # type: ignore[union-attr]
    assert len(shifted) == 1
    assert len(shifted[0]) == 20 - abs(offset)
    assert all(judgement.clips[place].verdict is Verdict.SHIFTED for place in shifted[0])


def test_a_dataset_that_is_shifted_from_its_first_row_to_its_last_is_noticed(dataset: Dataset) -> None:
    dataset.order([*range(1, 60), 0])
    judgement = judge(dataset.heard, dataset.texts)
    assert judgement.unusable == ""
    assert judgement.blocks[0] == range(1, 60)
    assert judgement.clips[30].match is not None
    assert judgement.clips[30].match.index == 29


def test_a_block_goes_on_over_rows_that_are_not_judged(dataset: Dataset, language: Language) -> None:
    rows = list(range(60))
    rows[20:40] = [*rows[21:40], 20]
    dataset.order(rows)
    dataset.texts[30] = language.text(1)[:4]
    dataset.heard[32] = None
    judgement = judge(dataset.heard, dataset.texts)
    assert [(block[0], block[-1]) for block in judgement.blocks] == [(21, 39)]
    assert judgement.clips[30].verdict is Verdict.SHORT
    assert judgement.clips[32].verdict is Verdict.UNHEARD


def test_a_text_that_nobody_says_is_wrong_and_fits_nothing(dataset: Dataset, language: Language) -> None:
    dataset.texts[7] = language.text()
    clips = judge(dataset.heard, dataset.texts).clips
    assert [place for place, clip in enumerate(clips) if clip.verdict is not Verdict.FITS] == [7]
    assert clips[7].verdict is Verdict.WRONG
    assert clips[7].match is None


def test_a_recording_of_nothing_is_wrong(dataset: Dataset) -> None:
    dataset.heard[9] = np.zeros(0, dtype=np.int8)
    assert dataset.verdicts()[9] is Verdict.WRONG


def test_a_text_that_lacks_half_of_what_is_said_does_not_pass_as_right(dataset: Dataset) -> None:
    text = dataset.texts[5]
    assert text is not None
    dataset.texts[5] = text[: len(text) // 2]
    assert dataset.verdicts()[5] in (Verdict.DOUBTFUL, Verdict.WRONG)


def test_a_short_text_is_not_judged_however_wrong_it_is(dataset: Dataset, language: Language) -> None:
    dataset.texts[3] = language.text()[: FEWEST_SOUNDS - 1]
    dataset.texts[4] = language.text()[:FEWEST_SOUNDS]
    verdicts = dataset.verdicts()
    assert verdicts[3] is Verdict.SHORT
    assert verdicts[4] is not Verdict.SHORT


def test_the_same_text_twice_is_no_mismatch(dataset: Dataset, language: Language) -> None:
    text = dataset.texts[2]
    assert text is not None
    dataset.texts[3], dataset.heard[3] = text, language.heard(text)
    assert set(dataset.verdicts()) == OK


def test_a_language_that_is_not_heard_is_said_once_and_no_row_is_accused(language: Language) -> None:
    texts = [language.text() for _ in range(60)]
    judgement = judge([language.text() for _ in range(60)], list(texts))
    assert "as far from their texts as chance" in judgement.unusable


def test_too_few_recordings_are_not_judged(dataset: Dataset) -> None:
    few = FEWEST_CLIPS - 1
    assert str(few) in judge(dataset.heard[:few], dataset.texts[:few]).unusable
    assert judge(dataset.heard[: few + 1], dataset.texts[: few + 1]).unusable == ""


def test_an_empty_table_is_not_judged() -> None:
    assert judge([], []).unusable


def test_the_limit_follows_the_dataset_but_never_reaches_chance() -> None:
    random = np.random.default_rng(0)
    assert limit_of(random.normal(0.3, 0.01, 500)) == 0.65
    assert 0.65 < limit_of(random.normal(0.45, 0.07, 500)) < SURELY_WRONG
    assert limit_of(random.normal(1.0, 0.1, 500)) == SURELY_WRONG
