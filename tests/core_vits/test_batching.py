"""Which clips make a batch: every clip once, the same for the same seed and epoch, little padding, ever new."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from clip_lengths import DISTRIBUTIONS, clip_lengths
from training_parts import CONFIG, settings, small_payload

from core_vits.batching import SAMPLERS, BucketBatches, EpochSampler, RandomBatches, padded_cost, padded_size
from core_vits.checkpoint import EXTRAS_KEY
from core_vits.train.begin import Choices, plan_begin
from core_vits.train.settings import Position
from core_vits.train.telling import facts_of

CLIPS = 8_397


@pytest.fixture(params=list(SAMPLERS))
def kind(request: pytest.FixtureRequest) -> type[EpochSampler]:
    return SAMPLERS[request.param]


def lengths(clips: int) -> list[int]:
    """Frames, each clip another length."""
    return [40 + 7 * (index * 17 % clips) for index in range(clips)]


def cost(batch: Sequence[int], frames: Sequence[int]) -> int:
    return padded_cost(len(batch), padded_size(max(frames[clip] for clip in batch)))


def test_every_epoch_has_every_clip_once_in_an_order_of_its_own(kind: type[EpochSampler]) -> None:
    sampler = kind(lengths(123), 5, seed=3)
    orders = set()
    for epoch in range(6):
        flat = tuple(itertools.chain(*sampler.batches(epoch)))
        assert len(sampler.batches(epoch)) == len(sampler) == 25
        assert sorted(flat) == list(range(123))
        orders.add(flat)
    assert len(orders) == 6


def test_random_batches_are_as_large_as_was_said_and_the_last_one_takes_the_rest() -> None:
    assert [len(batch) for batch in RandomBatches([100] * 23, 5, seed=3).batches(0)] == [5, 5, 5, 5, 3]


def test_random_batches_are_those_of_runs_from_before_there_were_buckets() -> None:
    assert RandomBatches([1] * 7, 3, seed=1234).batches(2) == [[6, 5, 2], [1, 0, 3], [4]]


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else(kind: type[EpochSampler]) -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return kind(lengths(40), 4, seed).batches(epoch)

    torch.manual_seed(5)
    first = order(3, 1)
    torch.manual_seed(6)
    state = torch.get_rng_state()
    assert order(3, 1) == first
    assert torch.equal(torch.get_rng_state(), state)
    seen = {json.dumps(order(seed, epoch)) for seed in (0, 1, 2, 2**31, 2**32 - 1) for epoch in range(5)}
    assert len(seen) == 25


def test_a_resumed_epoch_goes_on_with_exactly_what_was_not_seen(kind: type[EpochSampler]) -> None:
    whole = kind(lengths(23), 5, seed=3)
    whole.set_position(4)
    everything = list(whole)
    for start in range(6):
        rest = kind(lengths(23), 5, seed=3)
        rest.set_position(4, start)
        assert list(rest) == everything[start:]


@pytest.mark.parametrize(("clips", "world"), [(23, 2), (24, 3), (5, 4), (2, 3), (301, 4)])
@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_ranks_have_the_same_number_of_batches_and_see_every_clip(
    kind: type[EpochSampler], clips: int, world: int, batch_size: int
) -> None:
    ranks = [kind(lengths(clips), batch_size, seed=1, rank=rank, world=world) for rank in range(world)]
    assert {len(rank.batches(0)) for rank in ranks} == {len(ranks[0])}
    assert all(batch for rank in ranks for batch in rank.batches(0))
    seen = Counter(clip for rank in ranks for batch in rank.batches(0) for clip in batch)
    assert set(seen) == set(range(clips))
    # No more of them twice than the processes need to have as many batches.
    assert sum(seen.values()) - clips <= -clips % world


def test_with_buckets_no_clip_is_twice_in_an_epoch_where_there_are_enough() -> None:
    ranks = [BucketBatches(lengths(301), 4, seed=1, rank=rank, world=4) for rank in range(4)]
    assert sorted(clip for rank in ranks for batch in rank.batches(0) for clip in batch) == list(range(301))


def test_nothing_to_train_is_refused(kind: type[EpochSampler]) -> None:
    for frames, batch in (([], 4), ([1], 0)):
        with pytest.raises(ValueError, match="at least one clip"):
            kind(frames, batch, 1)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
class TestBucketsOf8397Clips:
    @pytest.mark.parametrize("batch_size", [16, 32])
    def test_at_least_95_percent_of_the_frames_are_speech(self, distribution: str, batch_size: int) -> None:
        frames = clip_lengths(distribution, CLIPS)
        batches = BucketBatches(frames, batch_size, seed=1).batches(0)
        padded = sum(len(batch) * padded_size(max(frames[clip] for clip in batch)) for batch in batches)
        assert sum(frames) / padded >= 0.95

    def test_all_batches_cost_about_the_same(self, distribution: str) -> None:
        frames = clip_lengths(distribution, CLIPS)
        costs = [cost(batch, frames) for batch in BucketBatches(frames, 16, seed=1).batches(0)]
        mean = sum(costs) / len(costs)
        assert max(costs) < 1.15 * mean
        assert min(costs) > 0.85 * mean

    def test_the_ranks_of_a_step_have_as_much_to_do(self, distribution: str) -> None:
        frames = clip_lengths(distribution, CLIPS)
        for step in BucketBatches(frames, 16, seed=1, world=4).steps(0):
            costs = [cost(batch, frames) for batch in step]
            assert max(costs) < 1.2 * min(costs)

    def test_clips_that_meet_in_one_epoch_rarely_meet_in_the_next(self, distribution: str) -> None:
        sampler = BucketBatches(clip_lengths(distribution, CLIPS), 16, seed=1)
        first, second = (
            {pair for batch in sampler.batches(epoch) for pair in itertools.combinations(sorted(batch), 2)}
            for epoch in (0, 1)
        )
        assert len(first & second) < 0.1 * len(first)

    def test_batches_of_short_and_long_clips_come_in_no_order(self, distribution: str) -> None:
        frames = clip_lengths(distribution, CLIPS)
        longest = [max(frames[clip] for clip in batch) for batch in BucketBatches(frames, 16, seed=1).batches(0)]
        neighbours = torch.corrcoef(torch.tensor([longest[:-1], longest[1:]], dtype=torch.float64))
        assert abs(float(neighbours[0, 1])) < 0.2

    def test_there_are_few_sizes(self, distribution: str) -> None:
        frames = clip_lengths(distribution, CLIPS)
        batches = BucketBatches(frames, 16, seed=1).batches(0)
        assert len({padded_size(max(frames[clip] for clip in batch)) for batch in batches}) < 70


def test_clips_of_a_small_data_set_meet_others_too() -> None:
    sampler = BucketBatches(lengths(85), 4, seed=1)
    epochs = [{tuple(sorted(batch)) for batch in sampler.batches(epoch)} for epoch in range(10)]
    assert len(set.union(*epochs)) > 150, "22 batches an epoch, of which few may come again"


def test_padded_sizes_are_never_smaller_and_at_most_a_sixteenth_larger_above_256() -> None:
    sizes = [padded_size(length) for length in range(1, 5000)]
    assert all(length <= size for length, size in enumerate(sizes, start=1))
    assert all(size < length * (1 + 1 / 16) + 1 for length, size in enumerate(sizes, start=1) if length > 256)
    assert sizes == sorted(sizes)
    assert (padded_size(1), padded_size(512), padded_size(513), padded_size(1025)) == (16, 512, 544, 1088)


def test_a_place_inside_an_epoch_counts_only_if_its_batches_were_made_in_the_same_way(tmp_path: Path) -> None:
    payload = small_payload(tmp_path)

    def begin(file: str | None, now: str) -> tuple[Position, str]:
        extras = {"epoch": 3, "batch": 1, "step": 7, "batches_per_epoch": 2, **({"batching": file} if file else {})}
        wanted = settings(epochs=9, batching=now)
        plan = plan_begin({**payload, EXTRAS_KEY: extras}, CONFIG, wanted, Choices(), batches_per_epoch=2)
        return plan.position, next(fact.text for fact in facts_of(plan) if fact.label == "goes on")

    inside, first = Position(epoch=3, batch=1, step=7), Position(epoch=3, step=7)
    assert begin("buckets", "buckets")[0] == begin("random", "random")[0] == inside
    # A file from before there was a choice has random batches, as Piper's.
    assert begin(None, "random")[0] == inside
    for file in ("random", None):
        position, told = begin(file, "buckets")
        assert position == first
        assert "its place inside the epoch means nothing here" in told
