"""The oracle of the alignment search."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from vits_parity import read_arrays

from core_vits.align_reference import reference_path


def test_oracle_gives_every_path_that_piper_recorded(shared: Path) -> None:
    arrays = read_arrays(shared / "fixtures/parity/mas_cases.npz")
    cases = [name.removesuffix("_value") for name in arrays if name.endswith("_value")]
    assert len(cases) == 7
    for case in cases:
        for item, (frames, phonemes) in enumerate(zip(arrays[f"{case}_ty"], arrays[f"{case}_tx"], strict=True)):
            path = reference_path(arrays[f"{case}_value"][item, :frames, :phonemes])
            recorded = arrays[f"{case}_path"][item]
            assert np.array_equal(path, recorded[:frames, :phonemes]), f"{case} item {item}"
            assert recorded.sum() == frames


def _best_by_trying_all(score_FT: NDArray[np.float32]) -> float:
    frames, phonemes = score_FT.shape
    totals = []
    for moves in combinations(range(1, frames), phonemes - 1):
        of_frame = np.searchsorted(np.array(moves, dtype=int), np.arange(frames), side="right")
        totals.append(float(score_FT[np.arange(frames), of_frame].astype(np.float64).sum()))
    return max(totals)


@pytest.mark.parametrize(("frames", "phonemes"), [(1, 1), (5, 1), (5, 5), (7, 3), (9, 4)])
def test_oracle_path_is_the_best_of_all_paths(frames: int, phonemes: int) -> None:
    generator = np.random.default_rng(frames * 10 + phonemes)
    score = generator.normal(size=(frames, phonemes)).astype(np.float32)
    found = float((reference_path(score) * score).astype(np.float64).sum())
    assert found == pytest.approx(_best_by_trying_all(score), rel=1e-6)


def test_a_tie_stays_on_the_phoneme() -> None:
    path = reference_path(np.zeros((5, 3), dtype=np.float32))
    # Read backwards: stay on the last phoneme as long as there are frames enough for the others.
    assert path.argmax(1).tolist() == [0, 1, 2, 2, 2]


@pytest.mark.parametrize("shape", [(2, 3), (0, 0), (4, 0)])
def test_oracle_refuses_more_phonemes_than_frames(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot be aligned"):
        reference_path(np.zeros(shape, dtype=np.float32))
