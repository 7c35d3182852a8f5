"""The split is Piper's, a batch is copied out of the cache, and what the model sees of it does not hang on padding."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cache_clips import SETTINGS, clip_audio, fill

from core_vits.batching import BucketBatches, padded_size
from core_vits.cache import CacheReader, cache_folder
from core_vits.config import AudioConfig
from core_vits.dataset import ClipDataset, Collate, Split, split
from core_vits.spectrogram import linear_spectrogram

AUDIO = AudioConfig(sample_rate=16_000)
CPU = torch.device("cpu")
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


def test_a_clip_is_its_cached_audio(reader: CacheReader) -> None:
    clips = ClipDataset(reader, KEYS, AUDIO)
    clip = clips[3]
    assert np.array_equal(clip.audio_S, clip_audio(3))
    assert clip.phoneme_ids_T.tolist() == [1, 0, 3, 2]
    assert clips.lengths[3] == clip.frames == len(clip_audio(3)) // 256
    assert clips.phonemes[3] == 4
    assert clip.speaker_id is None


def test_a_batch_is_ordered_by_length_and_padded_with_zeros(reader: CacheReader) -> None:
    batch = Collate(audio_config=AUDIO)([ClipDataset(reader, KEYS, AUDIO)[index] for index in (2, 7, 0)])
    assert batch.keys == ("key7", "key2", "key0")
    assert batch.spectrogram_lengths_B.tolist() == sorted(batch.spectrogram_lengths_B.tolist(), reverse=True)
    assert batch.audio_BS.shape == (3, len(clip_audio(7)))
    assert batch.audio_BS.dtype == torch.int16
    assert batch.phoneme_ids_BT.dtype == torch.int64
    for row, key in enumerate(batch.keys):
        audio, samples = clip_audio(KEYS.index(key)), int(batch.audio_lengths_B[row])
        assert np.array_equal(batch.audio_BS[row, :samples].numpy(), audio)
        assert not batch.audio_BS[row, samples:].any()


@pytest.mark.parametrize("few_sizes", [False, True])
def test_the_model_sees_of_each_clip_what_it_would_see_of_it_alone(reader: CacheReader, few_sizes: bool) -> None:
    clips = ClipDataset(reader, KEYS, AUDIO)
    batch = Collate(audio_config=AUDIO, few_sizes=few_sizes)([clips[index] for index in (2, 7, 0)]).on(CPU)
    longest = clips.lengths[7]
    assert batch.spectrogram_BCF.shape[2] == (padded_size(longest) if few_sizes else longest)
    assert batch.phoneme_ids_BT.shape[1] == (16 if few_sizes else 4)
    for row, key in enumerate(batch.keys):
        audio = torch.from_numpy(clip_audio(KEYS.index(key)).astype("float32") / 32768)
        frames, samples = int(batch.spectrogram_lengths_B[row]), len(audio)
        alone = linear_spectrogram(audio, AUDIO)
        assert frames == alone.shape[1]
        assert torch.equal(batch.spectrogram_BCF[row, :, :frames], alone)
        assert not batch.spectrogram_BCF[row, :, frames:].any()
        assert torch.equal(batch.audio_B1S[row, 0, :samples], audio)
        assert not batch.audio_B1S[row, 0, samples:].any()


def test_some_utterances_of_a_batch_are_a_batch_of_their_own(reader: CacheReader) -> None:
    clips = ClipDataset(reader, KEYS, AUDIO)
    batch = Collate(audio_config=AUDIO, few_sizes=True)([clips[index] for index in (2, 7, 0)])
    wanted = Collate(audio_config=AUDIO)([clips[2], clips[0]])
    for part, other in ((batch.rows(1, 3), wanted), (batch.on(CPU).rows(1, 3), wanted.on(CPU))):
        assert (part.keys, part.names) == (other.keys, other.names)
        for item in fields(part):
            one = getattr(part, item.name)
            if isinstance(one, torch.Tensor):
                assert torch.allclose(one, getattr(other, item.name), rtol=1e-5, atol=1e-6), item.name


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one clip"):
        Collate(audio_config=AUDIO)([])


def test_clips_that_are_gone_and_speakers_without_an_id_are_one_clear_line(reader: CacheReader) -> None:
    with pytest.raises(ValueError, match=r"1 of 2 clips are gone.*Prepare the dataset again"):
        ClipDataset(reader, ["key1", "gone"], AUDIO)
    with pytest.raises(ValueError, match="no id"):
        ClipDataset(reader, KEYS, AUDIO, speaker_ids={"mia": 0})
    with pytest.raises(ValueError, match=r"too short for a spectrogram.* Leave the clip out"):
        ClipDataset(reader, KEYS, replace(AUDIO, filter_length=16_384))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_loader_gives_the_same_batches_with_and_without_workers(reader: CacheReader, workers: int) -> None:
    clips = ClipDataset(reader, KEYS, AUDIO)
    sampler, collate = BucketBatches(clips.lengths, 3, seed=9), Collate(audio_config=AUDIO, few_sizes=True)
    sampler.set_position(2, 1)
    loader = torch.utils.data.DataLoader(
        clips, batch_sampler=sampler, collate_fn=collate, num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
    )  # fmt: skip
    expected = [collate([clips[index] for index in batch]) for batch in sampler]
    got = list(loader)
    assert [batch.keys for batch in got] == [batch.keys for batch in expected]
    assert all(torch.equal(a.audio_BS, b.audio_BS) for a, b in zip(got, expected, strict=True))
