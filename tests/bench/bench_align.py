"""Native alignment search against the classic one: `python tests/bench/bench_align.py`.

Two tables. *Kernel*: the search alone, each of our kernels against the classic recursion in Cython, and against plain
reading of the same memory. *Whole call*: what a training step pays, from scores to something it can use: `align`
against the way of Piper (lengths from a mask, copies to numpy, a dense path back) and the package on PyPI.

The other sides are in `align_rivals.py`; what is missing there is said and left out. Variants take turns (A B A B),
each on scores that were just written, as in training. Medians are printed, and ratios of medians; a busy machine
stretches both sides. All paths are checked to be equal; times are printed, never asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

# Before torch loads its OpenMP, as the trainer does it: threads that spin after a copy would have the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import align_rivals
import numpy as np
import torch
from torch import Tensor

from core_vits import _align, machine
from core_vits.align import align, maximum_path
from core_vits.synthesizer import alignment_score

SHAPES = [
    (16, 200, 50),
    (16, 500, 150),
    (32, 500, 150),
    (32, 800, 200),
    (32, 800, 400),
    (16, 1500, 400),
    (32, 1500, 400),
]
"""Utterances, frames, phonemes."""

MILLI, GIGA = 1e3, 1e-9
LARGE = 10e6
"""Bytes of a large batch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A batch, and room for what the searches make of it."""

    score: Tensor
    """What the model gives."""
    scores: Tensor
    """The copy that the searches read, and the classic one spoils."""
    lengths: tuple[Tensor, Tensor]
    mask: Tensor
    paths: Any
    index: Any
    durations: Any

    def renew(self, with_paths: bool = False) -> None:
        """Write the scores. The classic search also needs a path of zeros; it is not asked to pay for it."""
        if with_paths:
            self.paths.fill(0)
        self.scores.copy_(self.score)

    @property
    def name(self) -> str:
        return "x".join(map(str, self.score.shape))

    @property
    def size(self) -> int:
        """Bytes of the padded scores."""
        return 4 * self.score.numel()

    @property
    def band(self) -> float:
        """Bytes of the scores that some path can use: what must be read."""
        frames, phonemes = self.lengths
        return float((4 * (frames - phonemes + 1) * phonemes).sum())


def make_work(shape: tuple[int, int, int], ragged: bool) -> Work:
    """Scores as a model that has learned gives them: each frame is near the phoneme that it belongs to."""
    utterances, frames, phonemes = shape
    channels = 32
    mean = torch.randn(utterances, channels, phonemes)
    owner = (torch.arange(frames) * phonemes // frames).expand(utterances, channels, frames)
    sample = mean.gather(2, owner) + torch.randn(utterances, channels, frames)
    score = alignment_score(sample, mean, torch.zeros_like(mean))
    if ragged:
        share = torch.linspace(0.5, 1, utterances)
        lengths = ((share * frames).long(), (share * phonemes).long())
    else:
        lengths = torch.full((utterances,), frames), torch.full((utterances,), phonemes)
    inside = [torch.arange(size) < length[:, None] for size, length in zip(shape[1:], lengths, strict=True)]
    return Work(
        score=score,
        scores=torch.empty_like(score),
        lengths=lengths,
        mask=(inside[0][:, :, None] & inside[1][:, None, :]).float(),
        paths=np.zeros(shape, dtype=np.int32),
        index=np.zeros((utterances, frames), dtype=np.int64),
        durations=np.zeros((utterances, phonemes), dtype=np.int64),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """Something to time, with the number of threads that torch may use for it."""

    run: Callable[[], object]
    threads: int = 1
    with_paths: bool = False


def take_turns(variants: Mapping[str, Variant], work: Work, rounds: int) -> dict[str, float]:
    """The median time of each variant in seconds. The first round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, variant in variants.items():
            torch.set_num_threads(variant.threads)
            work.renew(variant.with_paths)
            begin = time.perf_counter()
            variant.run()
            if number:
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


def check(same: bool, what: str, work: Work) -> None:
    if not same:
        raise SystemExit(f"{what} differs at {work.name}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A line of a table: what is printed, and the ratios that its last line has the medians of."""

    text: str
    ratios: list[float]


def times_faster(values: list[float]) -> str:
    return " ".join(f"{value:7.1f}x" if value == value else f"{'–':>8}" for value in values)


MISSING = float("nan")


def kernel_row(work: Work, classic: ModuleType | None, reader: align_rivals.Reader, threads: int, rounds: int) -> Row:
    """The search alone: one row of the first table."""
    names = _align.kernels()
    scores = work.scores.numpy()
    lengths = tuple(length.numpy() for length in work.lengths)
    narrow = tuple(length.astype(np.int32) for length in lengths)

    def ours(kernel: str, count: int) -> Variant:
        return Variant(run=lambda: _align.align(scores, *lengths, work.index, work.durations, count, kernel))

    variants = {name: ours(name, 1) for name in names} | {"threads": ours(names[0], threads)}
    if classic:
        variants["classic"] = Variant(run=lambda: classic.align_batch(work.paths, scores, *narrow), with_paths=True)
        check_kernels(work, variants)
    variants["read"] = Variant(run=lambda: reader(work.scores, 1))
    variants["read all"] = Variant(run=lambda: reader(work.scores, threads))
    times = take_turns(variants, work, rounds)
    other = times.get("classic", MISSING)
    ratios = [other / times[name] for name in (*names, "threads")]
    spent = f"{MILLI * other:8.3f} {MILLI * times[names[0]]:8.3f} {MILLI * times['threads']:8.3f}"
    shares = []
    for ours_name, read_name in ((names[0], "read"), ("threads", "read all")):
        read, band = work.size / times[read_name], work.band / times[ours_name]
        # A small batch is read sooner than the reader's threads are awake.
        told = read_name == "read" or work.size > LARGE
        shares.append(f"{GIGA * read:8.1f} {100 * band / read:5.0f} %" if told else f"{'–':>8} {'–':>7}")
    return Row(text=f"{spent} {times_faster(ratios)} {' '.join(shares)}", ratios=ratios)


def check_kernels(work: Work, variants: Mapping[str, Variant]) -> None:
    """The paths and durations of all variants are those of the classic search."""
    work.renew(with_paths=True)
    variants["classic"].run()
    path = work.paths.copy()
    for name in variants.keys() - {"classic"}:
        work.renew()
        work.index.fill(-7)
        variants[name].run()
        check(bool((path == (work.index[:, :, None] == np.arange(path.shape[2]))).all()), f"the path of {name}", work)
        check(bool((path.sum(1) == work.durations).all()), f"the durations of {name}", work)


def call_row(work: Work, classic: ModuleType | None, pypi: Any, threads: int, rounds: int) -> Row:
    """What a training step pays: one row of the second table. The other sides get as many threads as ours."""
    calls: dict[str, Callable[[], object]] = {
        "ours": lambda: align(work.scores, *work.lengths),
        "dense": lambda: maximum_path(work.scores, *work.lengths),
    }
    work.renew()
    path = maximum_path(work.scores, *work.lengths)
    if classic:
        calls["classic"] = lambda: align_rivals.classic_call(classic, work.scores, work.mask)
        check(torch.equal(align_rivals.classic_call(classic, work.scores, work.mask), path), "Piper's way", work)
    if pypi:
        scores, mask = work.score.transpose(1, 2).contiguous(), work.mask.transpose(1, 2).contiguous()
        calls["pypi"] = lambda: pypi(scores, mask)
        check(torch.equal(pypi(scores, mask).transpose(1, 2).to(path.dtype), path), "PyPI's path", work)
    variants = {f"{name} 1": Variant(run=call) for name, call in calls.items()}
    variants |= {f"{name} n": Variant(run=call, threads=threads) for name, call in calls.items()}
    times = take_turns(variants, work, rounds)
    # More threads can make a side slower, on a busy machine: it is taken at its best.
    others = {}
    for name in ("classic", "pypi"):
        one = times.get(f"{name} 1", MISSING)
        others[name] = {"1": one, "n": min(one, times.get(f"{name} n", MISSING))}
    ratios = [others[name][count] / times[f"ours {count}"] for name in others for count in ("1", "n")]
    ratios.append(others["classic"]["n"] / times["dense n"])
    spent = [others["classic"]["1"], others["pypi"]["1"], times["ours 1"], times["ours n"]]
    return Row(text=f"{' '.join(f'{MILLI * value:8.3f}' for value in spent)} {times_faster(ratios)}", ratios=ratios)


class Others:
    """How busy other programs keep the cores: what the kernel has counted, without what this process has used."""

    def __init__(self, cores: int, patience: float) -> None:
        self._cores = cores
        self._patience = patience
        self._last = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        user, nice, system, _idle, _wait, *more = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:8])
        busy = (user + nice + system + sum(more)) / os.sysconf("SC_CLK_TCK")
        return time.perf_counter(), busy - time.process_time()

    def share(self) -> float:
        """Since the last call, 0 to 1."""
        before, self._last = self._last, self._now()
        passed, busy = (now - then for now, then in zip(self._last, before, strict=True))
        return max(0.0, busy / passed / self._cores)

    def wait(self) -> None:
        """Until the others are quiet, but no longer than `patience` seconds."""
        end = time.perf_counter() + self._patience
        quiet = 0
        while time.perf_counter() < end and quiet < 3:
            time.sleep(0.2)
            quiet = quiet + 1 if self.share() < 0.1 else 0


def print_table(head: str, works: Iterable[Work], make_row: Callable[[Work], Row], before: int, others: Others) -> None:
    """One row a batch, and the medians of the ratios; they stand behind `before` columns of times."""
    print(f"{'shape':>12} {'MB':>6} {'others':>6} {head}")
    rows = []
    for work in works:
        others.wait()
        others.share()
        row = make_row(work)
        print(f"{work.name:>12} {work.size / 1e6:6.1f} {100 * others.share():4.0f} % {row.text}", flush=True)
        rows.append(row.ratios)
    medians = [statistics.median(column) for column in zip(*rows, strict=True)]
    print(f"{'median':>12} {'':{13 + 9 * before}} {times_faster(medians)}\n")


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith(("model name", "CPU part")):
            return line.split(":", 1)[1].strip()
    return "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = machine.cores()
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--threads", type=int, default=min(2, cores), help="beside one (default: %(default)s)")
    parser.add_argument("--ragged", action="store_true", help="lengths from half to all of the padded ones")
    parser.add_argument("--wait", type=float, default=0, help="seconds to wait before each row until others are quiet")
    options = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(1)
    names = _align.kernels()
    with tempfile.TemporaryDirectory() as folder:
        classic, about_classic = align_rivals.classic_search(Path(folder))
        pypi, about_pypi = align_rivals.pypi_search()
        reader = align_rivals.Reader(Path(folder), options.threads)
        print(f"CPU      {processor()}, {cores} cores, load {os.getloadavg()[0]:.1f}; kernels {', '.join(names)}")
        print(f"classic  {about_classic}\nPyPI     {about_pypi}\nread     {reader.about}\n")
        others = Others(cores, options.wait)
        works = [make_work(shape, options.ragged) for shape in SHAPES]
        more = f"{options.threads} thr."
        print("Kernel: ms; times faster than classic; GB/s that can be read, and how much of it ours reads of the band")
        heads = "classic", names[0], more, *names, more
        print_table(
            f"{' '.join(f'{head:>8}' for head in heads)} {'read':>8} {'share':>7} {more:>8} {'share':>7}",
            works,
            lambda work: kernel_row(work, classic, reader, options.threads, options.rounds),
            before=3,
            others=others,
        )
        print("Whole call: ms on one thread; times faster than the classic one, than PyPI's, and with a dense path")
        heads = "classic", "PyPI", "1 thr.", more, "1 thr.", more, "PyPI 1", f"PyPI {options.threads}", "dense"
        print_table(
            " ".join(f"{head:>8}" for head in heads),
            works,
            lambda work: call_row(work, classic, pypi, options.threads, options.rounds),
            before=4,
            others=others,
        )


if __name__ == "__main__":
    main()
