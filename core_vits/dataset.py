"""Clips as training batches: a stored split, spectrograms, and batches that depend on seed and epoch only.

B utterances, T phoneme ids, C spectrogram bins, F frames, S samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from core_vits.audio import from_int16
from core_vits.cache import CacheReader
from core_vits.config import AudioConfig
from core_vits.manifest import batches_per_epoch, split_sizes
from core_vits.spectrogram import linear_spectrogram


@dataclass(frozen=True, slots=True)
class Split:
    """Keys of the clips for training, validation and the spoken samples; every clip is in exactly one list."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def as_json(self) -> dict[str, list[str]]:
        """For `split.json` of a run."""
        return {"train": list(self.train), "validation": list(self.validation), "test": list(self.test)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_json` gave.

        Raises:
            ValueError: it isn't that.
        """
        try:
            parts = [tuple(str(key) for key in data[name]) for name in ("train", "validation", "test")]
        except (KeyError, TypeError):
            raise ValueError("split.json has no lists train, validation and test. Start a new run.") from None
        return cls(*parts)


def split(keys: Sequence[str], validation_split: float, test_clips: int, seed: int) -> Split:
    """Split by a generator of its own, so that no other use of random numbers moves a clip.

    The order of `keys` matters: pass them in the order of the metadata.
    """
    train, validation, _ = split_sizes(len(keys), validation_split, test_clips)
    order = torch.randperm(len(keys), generator=torch.Generator().manual_seed(seed)).tolist()
    shuffled = [keys[index] for index in order]
    # Piper shuffles in the order train, test, validation; the test clips stand between the two.
    end_of_test = len(keys) - validation
    return Split(tuple(shuffled[:train]), tuple(shuffled[end_of_test:]), tuple(shuffled[train:end_of_test]))


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance, not padded, except that the audio is at least one segment long."""

    phoneme_ids_T: Tensor
    spectrogram_CF: Tensor
    audio_S: Tensor
    speaker_id: int | None
    key: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Utterances by decreasing number of frames, padded with zeros."""

    phoneme_ids_BT: Tensor
    phoneme_lengths_B: Tensor
    spectrogram_BCF: Tensor
    spectrogram_lengths_B: Tensor
    audio_B1S: Tensor
    audio_lengths_B: Tensor
    """Samples of each recording before padding to the longest (but after padding to one segment)."""
    speaker_ids_B: Tensor | None
    keys: tuple[str, ...]

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """The same batch on another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory; torch's DataLoader calls this."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        tensors = {
            item.name: change(value) for item in fields(self) if isinstance(value := getattr(self, item.name), Tensor)
        }
        return replace(self, **tensors)  # type: ignore[arg-type]  # every key is a field that holds a tensor


class ClipDataset(Dataset[Clip]):
    """Clips of a cache, in the order of the keys."""

    def __init__(
        self,
        reader: CacheReader,
        keys: Sequence[str],
        audio_config: AudioConfig,
        *,
        segment_size: int = 8192,
        speaker_ids: Mapping[str, int] | None = None,
    ) -> None:
        """Look up all clips.

        Args:
            reader: an open cache.
            keys: of the clips.
            audio_config: how spectrograms are made.
            segment_size: samples; shorter audio is padded to it.
            speaker_ids: of a voice with several speakers.

        Raises:
            ValueError: a clip is not in the cache, or has a speaker without an id.
        """
        absent = [key for key in keys if key not in reader.entries]
        if absent:
            raise ValueError(
                f"{reader.folder}: {len(absent)} of {len(keys)} clips are gone. Prepare the dataset again."
            )
        self._reader = reader
        self._entries = [reader.entries[key] for key in keys]
        self._audio_config = audio_config
        self._segment_size = segment_size
        self._speaker_ids = speaker_ids
        for entry in self._entries if speaker_ids is not None else ():
            if entry.speaker not in (speaker_ids or {}):
                raise ValueError(f"{entry.file}: speaker '{entry.speaker}' has no id. Prepare the dataset again.")

    @property
    def lengths(self) -> list[int]:
        """Frames of each clip; nothing is read for it."""
        return [entry.samples // self._audio_config.hop_length for entry in self._entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Clip:
        entry = self._entries[index]
        audio_S = torch.from_numpy(from_int16(self._reader.audio(entry)))
        spectrogram_CF = linear_spectrogram(audio_S, self._audio_config)
        if len(audio_S) < self._segment_size:
            audio_S = torch.nn.functional.pad(audio_S, (0, self._segment_size - len(audio_S)))
        speaker_id = None if self._speaker_ids is None else self._speaker_ids[entry.speaker or ""]
        return Clip(torch.tensor(entry.phoneme_ids), spectrogram_CF, audio_S, speaker_id, entry.key)


def collate(clips: Sequence[Clip]) -> Batch:
    """Pad clips into one batch, longest first.

    Raises:
        ValueError: there are no clips.
    """
    if not clips:
        raise ValueError("a batch needs at least one clip.")
    ordered = sorted(clips, key=lambda clip: clip.spectrogram_CF.shape[1], reverse=True)
    ids_BT, id_lengths_B = _padded([clip.phoneme_ids_T for clip in ordered])
    spectrogram_BCF, frame_lengths_B = _padded([clip.spectrogram_CF for clip in ordered])
    audio_BS, audio_lengths_B = _padded([clip.audio_S for clip in ordered])
    speakers = [clip.speaker_id for clip in ordered if clip.speaker_id is not None]
    return Batch(
        ids_BT,
        id_lengths_B,
        spectrogram_BCF,
        frame_lengths_B,
        audio_BS.unsqueeze(1),
        audio_lengths_B,
        torch.tensor(speakers) if speakers else None,
        tuple(clip.key for clip in ordered),
    )


def _padded(items: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Items of one batch padded with zeros along their last axis, and their lengths there."""
    lengths_B = torch.tensor([item.shape[-1] for item in items])
    longest = int(lengths_B.max())
    batch = items[0].new_zeros((len(items), *items[0].shape[:-1], longest))
    for row, item in zip(batch, items, strict=True):
        row[..., : item.shape[-1]] = item
    return batch, lengths_B


class EpochSampler(Sampler[list[int]]):
    """Batches of indices; those of an epoch are a pure function of seed and epoch.

    So the position inside an epoch is one number, and a resumed run goes on with exactly the batches it had not seen.
    Nothing is dropped: the last batch holds what is left. With several ranks every rank gets the same number of
    batches; clips from the beginning of the order fill the last ones up, as no rank may wait for another for ever.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, *, rank: int = 0, world: int = 1) -> None:
        """Plan for clips of these lengths.

        Args:
            lengths: frames of each clip; only their number decides the batches.
            batch_size: clips a rank and step.
            seed: of the order.
            rank: of this process.
            world: number of processes.

        Raises:
            ValueError: no clips, or a batch size below 1.
        """
        if not lengths or batch_size < 1:
            raise ValueError(f"{len(lengths)} clips can't be put into batches of {batch_size}. Use at least one clip.")
        self._clips = len(lengths)
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
        return batches_per_epoch(self._clips, self._batch_size, self._world)

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.batches(self._epoch)[self._start_batch :]

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch for this rank."""
        # torch uses 32 bits of a seed; the hash keeps (seed, epoch) and (seed + 1, epoch - 1) apart in them.
        digest = hashlib.blake2b(f"{self._seed} {epoch}".encode(), digest_size=4).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
        order = torch.randperm(self._clips, generator=generator).tolist()
        order += [order[index % self._clips] for index in range(-self._clips % self._world)]
        mine = order[self._rank :: self._world]
        return [mine[begin : begin + self._batch_size] for begin in range(0, len(mine), self._batch_size)]
