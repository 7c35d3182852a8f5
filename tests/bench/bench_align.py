"""Native alignment search against Piper's method of calling it, from PyPI: `python tests/bench/bench_align.py`.

The other side is `monotonic-alignment-search` (the same recurrence in Cython, layout [B, T, F]); install it to compare:
`.venv/bin/pip install monotonic-alignment-search`. Without it the table shows our side alone. Variants alternate
(A B A B) and medians are compared, because machines are noisy. Results are checked to be equal; times are printed,
never asserted.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from core_vits.align import align, maximum_path

SHAPES = [(16, 200, 50), (16, 500, 150), (32, 500, 150), (32, 800, 200), (16, 1500, 400)]
"""Utterances, frames, phonemes."""


def seconds(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def rival() -> Callable[[Tensor, Tensor], Any] | None:
    try:
        found: Callable[[Tensor, Tensor], Any] = importlib.import_module("monotonic_alignment_search").maximum_path
    except ImportError:
        return None
    return found


def table_row(shape: tuple[int, int, int], other: Callable[[Tensor, Tensor], Any] | None, rounds: int) -> str:
    """Check that both sides agree, time them in turns, and format the medians."""
    utterances, frames, phonemes = shape
    score = torch.randn(shape) * 10
    lengths = torch.full((utterances,), frames), torch.full((utterances,), phonemes)
    variants: list[Callable[[], Any]] = [lambda: align(score, *lengths), lambda: maximum_path(score, *lengths)]
    if other:
        transposed, mask = score.transpose(1, 2).contiguous(), torch.ones(utterances, phonemes, frames)
        if not torch.equal(other(transposed, mask).transpose(1, 2).to(score.dtype), maximum_path(score, *lengths)):
            raise SystemExit(f"the two sides differ at {utterances}x{frames}x{phonemes}")
        variants.append(lambda: other(transposed, mask))
    times: list[list[float]] = [[] for _ in variants]
    for _ in range(rounds):
        for index, variant in enumerate(variants):
            times[index].append(1e3 * seconds(variant))
    medians = [statistics.median(values) for values in times]
    against = f"{medians[2]:9.3f}  {medians[2] / medians[0]:6.1f}x" if other else f"{'–':>9}  {'–':>7}"
    return f"{utterances:4d}x{frames:4d}x{phonemes:4d}  {medians[0]:9.3f}  {medians[1]:9.3f}  {against}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    other = rival()
    print(f"{'shape':>14}  {'ours ms':>9}  {'dense ms':>9}  {'PyPI ms':>9}  {'ratio':>7}   threads {options.threads}")
    for shape in SHAPES:
        print(table_row(shape, other, options.rounds))


if __name__ == "__main__":
    main()
