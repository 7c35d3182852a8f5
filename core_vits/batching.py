"""Which clips make a batch: at random, or of similar length.

A batch is padded to its longest clip, and padding costs as much as speech. Clips at random waste a third of the work on
a usual data set and two thirds on one with very short and very long clips; clips of similar length waste 2 to 4 %.

Whichever way, the batches of an epoch are a pure function of seed and epoch, every epoch has as many, nothing is left
out, and all processes of a run have the same number. So a position is two numbers, epoch and batch, and a resumed run
goes on with exactly the batches that it had not seen.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import torch
from torch.utils.data import Sampler

from core_vits.manifest import BUCKETS, RANDOM, batches_per_epoch

CLIP_FRAMES = 900
"""What a clip costs beside its frames, in frames. Decoder and discriminators work on one segment of each clip, however
long it is. For quality medium that is as much memory as 950 frames take, and as much arithmetic as 870."""
WINDOW_STEPS = 100
"""Steps whose clips are sorted together: enough for clips of one length to meet, few enough for other ones to meet the
next time."""
_FEWEST_STEPS = 8
"""An epoch shorter than this is one window."""


def padded_size(length: int) -> int:
    """Frames or phonemes that a batch is padded to when its longest clip has `length`.

    There are few such sizes, so that what is chosen or compiled for a shape serves many batches: multiples of 16, and
    above 512 of a 32nd of the next power of two.
    """
    step = max(16, (1 << (length - 1).bit_length()) // 32)
    return -(-length // step) * step


def padded_cost(clips: int, frames: int) -> int:
    """What a batch of so many clips costs, padded to so many frames; in frames."""
    return clips * (CLIP_FRAMES + frames)


class EpochSampler(Sampler[list[int]], ABC):
    """Batches of indices of one process."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, *, rank: int = 0, world: int = 1) -> None:
        """Plan for clips of these lengths.

        Args:
            lengths: frames of each clip.
            batch_size: clips a rank and step; in the mean, where batches have different numbers.
            seed: of the order.
            rank: of this process.
            world: number of processes.

        Raises:
            ValueError: no clips, or a batch size below 1.
        """
        if not lengths or batch_size < 1:
            raise ValueError(f"{len(lengths)} clips can't be put into batches of {batch_size}. Use at least one clip.")
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._rank, self._world = rank, world
        self._epoch = 0
        self._start_batch = 0

    def set_position(self, epoch: int, start_batch: int = 0) -> None:
        """Choose what the next iteration gives: the batches of `epoch` from `start_batch` on."""
        self._epoch, self._start_batch = epoch, start_batch

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return batches_per_epoch(len(self._lengths), self._batch_size, self._world)

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.batches(self._epoch)[self._start_batch :]

    @abstractmethod
    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch for this rank."""

    def _generator(self, epoch: int) -> torch.Generator:
        # torch uses 32 bits of a seed; the hash keeps (seed, epoch) and (seed + 1, epoch - 1) apart in them.
        digest = hashlib.blake2b(f"{self._seed} {epoch}".encode(), digest_size=4).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


class RandomBatches(EpochSampler):
    """As many clips in each batch, whatever their lengths; the last batch holds what is left.

    With several ranks clips from the beginning of the order fill the last batches up, as no rank may wait for another
    for ever.
    """

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch for this rank."""
        clips = len(self._lengths)
        order = torch.randperm(clips, generator=self._generator(epoch)).tolist()
        order += [order[index % clips] for index in range(-clips % self._world)]
        mine = order[self._rank :: self._world]
        return [mine[begin : begin + self._batch_size] for begin in range(0, len(mine), self._batch_size)]


class BucketBatches(EpochSampler):
    """Clips of similar length in each batch; the shorter they are, the more, so that all batches cost the same.

    The shuffled clips are divided into windows. Those of a window are sorted by length and cut into batches, of which
    neighbours go to the ranks of one step; then the steps of the epoch are shuffled. There are as many steps as with
    batches at random, so a batch has `batch_size` clips in the mean, and epochs and learning rates mean the same.
    Every clip is in exactly one batch, unless there are fewer clips than batches.
    """

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch for this rank."""
        return [step[self._rank] for step in self.steps(epoch)]

    def steps(self, epoch: int) -> list[list[list[int]]]:
        """The batches of all ranks, step by step."""
        generator, steps, clips = self._generator(epoch), len(self), len(self._lengths)
        order = torch.randperm(clips, generator=generator).tolist()
        order += [order[index % clips] for index in range(steps * self._world - clips)]
        windows = max(steps // WINDOW_STEPS, min(2, steps // _FEWEST_STEPS), 1)
        made: list[list[list[int]]] = []
        ends = [steps * number // windows for number in range(windows + 1)]
        for first, end in pairwise(ends):
            window = order[len(order) * first // steps : len(order) * end // steps]
            batches = self._cut(window, (end - first) * self._world)
            for begin in range(0, len(batches), self._world):
                ranks = torch.randperm(self._world, generator=generator).tolist()
                made.append([batches[begin + rank] for rank in ranks])
        return [made[index] for index in torch.randperm(steps, generator=generator).tolist()]

    def _cut(self, clips: Sequence[int], count: int) -> list[list[int]]:
        """Exactly `count` batches of clips of similar length, each with its share of the cost that is left.

        Clips that are padded to the same size stay in their random order.
        """
        size_of = {clip: padded_size(self._lengths[clip]) for clip in clips}
        ordered = sorted(clips, key=lambda clip: -size_of[clip])
        left = sum(padded_cost(1, size_of[clip]) for clip in ordered)
        batches, begin = [], 0
        for after in reversed(range(count)):
            cost = padded_cost(1, size_of[ordered[begin]])
            # At least one clip here, and one for each batch that follows; the last one takes all.
            most = len(ordered) - begin - after
            number = min(max(1, round(left / (after + 1) / cost)), most) if after else most
            batch = ordered[begin : begin + number]
            left -= sum(padded_cost(1, size_of[clip]) for clip in batch)
            batches.append(batch)
            begin += number
        return batches


SAMPLERS: Mapping[str, type[EpochSampler]] = {BUCKETS: BucketBatches, RANDOM: RandomBatches}
