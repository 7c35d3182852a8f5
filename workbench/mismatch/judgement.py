"""From distances to verdicts: which recordings don't say what their texts say, and what they say instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from workbench.mismatch.distance import Chance, Numbers
from workbench.mismatch.search import Match, best_anywhere, best_neighbours
from workbench.mismatch.sounds import Sounds

FEWEST_SOUNDS = 12
"""Of a text that can be judged: a shorter one comes as near to a recording by luck as by right."""
FEWEST_CLIPS = 10
SURELY_WRONG = 0.8
"""Of chance. Of 620 recordings of one speaker no right text is that far away, and hardly any wrong one nearer."""
_LOWEST_LIMIT = 0.65
_SPREADS = 3.5
"""Robust standard deviations above the dataset's median from which a recording is looked at."""
_NEARER = 0.2
"""By how much of chance another text must be nearer than a recording's own."""
_CERTAIN = 5.0
"""Standard deviations below chance that another text must be: the best of ten thousand reaches 4."""
_CERTAIN_NEIGHBOUR = 3.5
"""The same for a text nearby, where a recording is far from its own: the best of six reaches 2."""
_SHORTEST_BLOCK = 3
_UNHEARD_SHARE = 0.5


class Verdict(StrEnum):
    """What is said of a recording."""

    FITS = "fits"
    DOUBTFUL = "doubtful"
    """Further from its text than the others are, nearer than chance: a part may be missing, or it is hard to hear."""
    WRONG = "wrong"
    """As far from its text as from any other, and it fits none of them."""
    ELSEWHERE = "elsewhere"
    """It fits another text."""
    SWAPPED = "swapped"
    """It fits the text of a recording that fits its own."""
    SHIFTED = "shifted"
    """It and its neighbours fit the texts of the same number of rows further up or down."""
    SHORT = "short"
    """The text is too short to be judged."""
    UNHEARD = "unheard"
    """Nothing is known of the recording or the text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One recording."""

    verdict: Verdict
    distance: float | None = None
    """Between what is heard and what is expected, as a share of what chance gives; None where it wasn't judged."""
    match: Match | None = None
    """The text that it fits instead."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A dataset."""

    clips: Sequence[Judged]
    limit: float = SURELY_WRONG
    """Distance from which a recording was looked at."""
    median: float | None = None
    blocks: Sequence[range] = ()
    """Places of recordings that are shifted together."""
    unusable: str = ""
    """Why no recording was judged; empty when they were."""
    counts: Mapping[Verdict, int] = field(default_factory=dict)


def judge(heard: Sequence[Sounds | None], texts: Sequence[Sounds | None]) -> Judgement:
    """Judge every recording of a dataset.

    Args:
        heard: sounds of each row's recording, in the order of the table; None where it could not be heard.
        texts: sounds of each row's text; None where it has none.
    """
    verdicts = [_before(one, text) for one, text in zip(heard, texts, strict=True)]
    places = [place for place, verdict in enumerate(verdicts) if verdict is Verdict.FITS]
    clips = [Judged(verdict=verdict) for verdict in verdicts]
    if len(places) < FEWEST_CLIPS:
        return _complete(clips, unusable=f"only {len(places)} recordings can be judged, {FEWEST_CLIPS} are wanted")
    ones = [one for place in places if (one := heard[place]) is not None]
    others = [text for place in places if (text := texts[place]) is not None]
    chance = Chance(ones, others)
    own, _ = chance.relative(ones, others)
    limit = limit_of(own)
    matches = _matches(ones, others, places, own, limit, chance)
    for index, place in enumerate(places):
        match = matches.get(index)
        if match is not None:
            match = Match(index=places[match.index], distance=match.distance, certainty=match.certainty)
        clips[place] = Judged(
            verdict=_verdict(float(own[index]), limit, match), distance=float(own[index]), match=match
        )
    if np.median(own) > SURELY_WRONG and len(matches) < _UNHEARD_SHARE * len(places):
        return _complete(
            clips, limit=limit, median=float(np.median(own)),
            unusable="most recordings are as far from their texts as chance would have them",
        )  # fmt: skip
    blocks = _blocks(clips)
    for block in blocks:
        for place in block:
            if clips[place].verdict in (Verdict.ELSEWHERE, Verdict.WRONG, Verdict.DOUBTFUL):
                clips[place] = replace(clips[place], verdict=Verdict.SHIFTED)
    return _complete(_with_swaps(clips), limit=limit, median=float(np.median(own)), blocks=blocks)


def limit_of(distances: Numbers) -> float:
    """The distance from which a recording is looked at: far above the dataset's median, and never at chance."""
    median = float(np.median(distances))
    spread = 1.4826 * float(np.median(np.abs(distances - median)))
    return min(max(median + _SPREADS * spread, _LOWEST_LIMIT), SURELY_WRONG)


def _before(one: Sounds | None, text: Sounds | None) -> Verdict:
    if one is None or text is None:
        return Verdict.UNHEARD
    return Verdict.SHORT if len(text) < FEWEST_SOUNDS else Verdict.FITS


def _matches(
    ones: Sequence[Sounds],
    others: Sequence[Sounds],
    places: Sequence[int],
    own: Numbers,
    limit: float,
    chance: Chance,
) -> dict[int, Match]:
    """For each recording that clearly fits another text, that text; by index among those that are judged."""
    candidates = {
        index: match
        for index, match in enumerate(best_neighbours(ones, others, places, chance))
        if match is not None and _is_better(match, own[index], _CERTAIN_NEIGHBOUR if own[index] >= limit else _CERTAIN)
    }
    suspicious = [index for index in range(len(ones)) if own[index] >= limit and index not in candidates]
    everywhere = best_anywhere(ones, others, suspicious, chance) if suspicious else {}
    return candidates | {index: match for index, match in everywhere.items() if _is_better(match, own[index], _CERTAIN)}


def _is_better(match: Match, own: float, certainty: float) -> bool:
    return match.distance < SURELY_WRONG and match.distance <= own - _NEARER and match.certainty >= certainty


def _verdict(distance: float, limit: float, match: Match | None) -> Verdict:
    if match is not None:
        return Verdict.ELSEWHERE
    if distance >= SURELY_WRONG:
        return Verdict.WRONG
    return Verdict.DOUBTFUL if distance >= limit else Verdict.FITS


def _with_swaps(clips: list[Judged]) -> list[Judged]:
    swapped = [
        clip.verdict is Verdict.ELSEWHERE
        and clip.match is not None
        and (back := clips[clip.match.index].match) is not None
        and back.index == place
        for place, clip in enumerate(clips)
    ]
    return [
        replace(clip, verdict=Verdict.SWAPPED) if is_swapped else clip
        for clip, is_swapped in zip(clips, swapped, strict=True)
    ]


def _blocks(clips: Sequence[Judged]) -> list[range]:
    """Runs of recordings that fit texts equally many rows away.

    Only a recording that fits its own text, or one elsewhere, ends a run: a text in between may be too short.
    """
    blocks: list[range] = []
    run: list[int] = []
    offset = 0

    def end() -> None:
        if len(run) >= _SHORTEST_BLOCK:
            blocks.append(range(run[0], run[-1] + 1))

    for place, clip in enumerate(clips):
        if clip.match is None and clip.verdict is not Verdict.FITS:
            continue
        away = clip.match.index - place if clip.match is not None else 0
        if run and away != offset:
            end()
            run = []
        if away:
            run.append(place)
            offset = away
    end()
    return blocks


def _complete(
    clips: Sequence[Judged],
    *,
    limit: float = SURELY_WRONG,
    median: float | None = None,
    blocks: Sequence[range] = (),
    unusable: str = "",
) -> Judgement:
    counts = {verdict: sum(clip.verdict is verdict for clip in clips) for verdict in Verdict}
    return Judgement(clips=clips, limit=limit, median=median, blocks=blocks, unusable=unusable, counts=counts)
