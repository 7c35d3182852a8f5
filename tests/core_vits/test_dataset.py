"""Batches: the split is Piper's, the order depends on seed and epoch only, padding changes nothing."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from cache_clips import SETTINGS, clip_audio, fill

from core_vits.cache import CacheReader, cache_folder
from core_vits.config import AudioConfig
from core_vits.dataset import Batch, ClipDataset, EpochSampler, Split, collate, split
from core_vits.spectrogram import linear_spectrogram

AUDIO = AudioConfig(sample_rate=16_000)
KEYS = [f"key{number}" for number in range(8)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> CacheReader:
    base = tmp_path_factory.mktemp("cache")
    fill(base, range(8))
    return CacheReader(cache_folder(base, SETTINGS))


def test_the_split_is_the_peers_for_the_same_seed(shared: Path) -> None:
    peer = json.loads((shared / "fixtures/dataset/peer_setup.json").read_text("utf-8"))["split_indices_seed1234"]
    ours = split([str(index) for index in range(5)], 0.1, 5, 1234)
    assert {"train": list(ours.train), "val": list(ours.validation), "test": list(ours.test)} == {
        name: [str(index) for index in indices] for name, indices in peer.items()
    }


def test_every_clip_is_in_exactly_one_part_and_nothing_else_moves_it() -> None:
    keys = [f"clip{number}" for number in range(101)]
    torch.manual_seed(1)
    first = split(keys, 0.1, 5, seed=7)
    state = torch.get_rng_state()
    torch.rand(10)
    assert split(keys, 0.1, 5, seed=7) == first
    assert split(keys, 0.1, 5, seed=8) != first
    assert [len(part) for part in (first.train, first.validation, first.test)] == [86, 10, 5]
    assert sorted(first.train + first.validation + first.test) == sorted(keys)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state), "splitting used the global generator"


def test_a_split_survives_its_file() -> None:
    parts = split(KEYS, 0.25, 2, 1)
    assert Split.from_json(json.loads(json.dumps(parts.as_json()))) == parts
    for damaged in ({}, {"train": 1, "validation": [], "test": []}):
        with pytest.raises(ValueError, match="Start a new run"):
            Split.from_json(damaged)


def test_a_clip_is_its_cached_audio_and_the_spectrogram_of_it(reader: CacheReader) -> None:
    clips = ClipDataset(reader, KEYS, AUDIO)
    clip = clips[3]
    audio = torch.from_numpy(clip_audio(3).astype("float32")) / 32768
    assert torch.equal(clip.audio_S[: len(audio)], audio)
    assert torch.equal(clip.spectrogram_CF, linear_spectrogram(audio, AUDIO))
    assert clip.phoneme_ids_T.tolist() == [1, 0, 3, 2]
    assert clips.lengths[3] == clip.spectrogram_CF.shape[1] == len(audio) // 256
    assert clip.speaker_id is None


def test_short_audio_is_filled_up_to_a_segment_with_silence(reader: CacheReader) -> None:
    clip = ClipDataset(reader, KEYS, AUDIO, segment_size=8192)[0]
    assert len(clip.audio_S) == 8192
    assert not clip.audio_S[4000:].any()
    assert clip.spectrogram_CF.shape[1] == 4000 // 256, "the model must not see the padding as frames"


def test_a_batch_is_ordered_by_length_and_padded_with_zeros(reader: CacheReader) -> None:
    clips = ClipDataset(reader, KEYS, AUDIO, segment_size=256)
    batch = collate([clips[index] for index in (2, 7, 0)])
    assert batch.keys == ("key7", "key2", "key0")
    assert batch.spectrogram_lengths_B.tolist() == sorted(batch.spectrogram_lengths_B.tolist(), reverse=True)
    assert batch.audio_B1S.shape == (3, 1, len(clip_audio(7)))
    assert batch.spectrogram_BCF.shape == (3, 513, len(clip_audio(7)) // 256)
    assert batch.phoneme_ids_BT.dtype == torch.int64
    for row, key in enumerate(batch.keys):
        clip = clips[KEYS.index(key)]
        frames, samples = int(batch.spectrogram_lengths_B[row]), int(batch.audio_lengths_B[row])
        assert torch.equal(batch.spectrogram_BCF[row, :, :frames], clip.spectrogram_CF)
        assert not batch.spectrogram_BCF[row, :, frames:].any()
        assert torch.equal(batch.audio_B1S[row, 0, :samples], clip.audio_S)
        assert not batch.audio_B1S[row, 0, samples:].any()
    moved = batch.to("cpu")
    assert isinstance(moved, Batch)
    assert moved.keys == batch.keys
    assert moved.speaker_ids_B is None


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one clip"):
        collate([])


def test_clips_that_are_gone_and_speakers_without_an_id_are_one_clear_line(reader: CacheReader) -> None:
    with pytest.raises(ValueError, match=r"1 of 2 clips are gone.*Prepare the dataset again"):
        ClipDataset(reader, ["key1", "gone"], AUDIO)
    with pytest.raises(ValueError, match="no id"):
        ClipDataset(reader, KEYS, AUDIO, speaker_ids={"mia": 0})


def test_every_epoch_has_every_clip_once_in_an_order_of_its_own() -> None:
    sampler = EpochSampler([100] * 23, 5, seed=3)
    orders = set()
    for epoch in range(6):
        batches = sampler.batches(epoch)
        assert [len(batch) for batch in batches] == [5, 5, 5, 5, 3]
        flat = tuple(itertools.chain(*batches))
        assert sorted(flat) == list(range(23))
        orders.add(flat)
    assert len(orders) == 6
    assert len(sampler) == 5


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return EpochSampler([1] * 40, 8, seed).batches(epoch)

    torch.manual_seed(5)
    first = order(3, 1)
    torch.manual_seed(6)
    assert order(3, 1) == first
    seen = {json.dumps(order(seed, epoch)) for seed in (0, 1, 2, 2**31, 2**32 - 1) for epoch in range(5)}
    assert len(seen) == 25


def test_a_resumed_epoch_goes_on_with_exactly_what_was_not_seen() -> None:
    whole = EpochSampler([1] * 23, 5, seed=3)
    whole.set_position(4)
    everything = list(whole)
    for start in range(6):
        rest = EpochSampler([1] * 23, 5, seed=3)
        rest.set_position(4, start)
        assert list(rest) == everything[start:]


@pytest.mark.parametrize(("clips", "world"), [(23, 2), (24, 3), (5, 4), (2, 3)])
def test_ranks_share_an_epoch_and_have_the_same_number_of_batches(clips: int, world: int) -> None:
    ranks = [EpochSampler([1] * clips, 2, seed=1, rank=rank, world=world) for rank in range(world)]
    shares = [list(itertools.chain(*rank.batches(0))) for rank in ranks]
    assert len({len(share) for share in shares}) == 1
    assert {len(rank.batches(0)) for rank in ranks} == {len(ranks[0])}
    seen = Counter(itertools.chain(*shares))
    assert set(seen) == set(range(clips))
    assert sum(seen.values()) - clips == -clips % world


def test_nothing_to_train_is_refused() -> None:
    for lengths, batch in (([], 4), ([1], 0)):
        with pytest.raises(ValueError, match="at least one clip"):
            EpochSampler(lengths, batch, 1)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_loader_gives_the_same_batches_with_and_without_workers(reader: CacheReader, workers: int) -> None:
    clips = ClipDataset(reader, KEYS, AUDIO)
    sampler = EpochSampler(clips.lengths, 3, seed=9)
    sampler.set_position(2, 1)
    loader = torch.utils.data.DataLoader(
        clips, batch_sampler=sampler, collate_fn=collate, num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
    )  # fmt: skip
    expected = [collate([clips[index] for index in batch]) for batch in sampler]
    got = list(loader)
    assert [batch.keys for batch in got] == [batch.keys for batch in expected]
    assert all(torch.equal(a.audio_B1S, b.audio_B1S) for a, b in zip(got, expected, strict=True))
