"""Clips as training batches: a stored split, what a loader reads, and what the model sees of it.

A loader only copies: 16-bit samples go to the device as they lie in the cache, a quarter of what spectrograms would
take, and become numbers and spectrograms there.

B utterances, T phoneme ids, C spectrogram bins, F frames, S samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from core_vits.batching import padded_size
from core_vits.cache import CacheReader
from core_vits.config import AudioConfig
from core_vits.manifest import split_sizes
from core_vits.spectrogram import linear_spectrograms, shortest_audio


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
    """One utterance as it is cached."""

    phoneme_ids_T: NDArray[np.int64]
    audio_S: NDArray[np.int16]
    frames: int
    speaker_id: int | None
    key: str
    name: str
    """File of the recording, for messages."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Utterances by decreasing number of frames, padded with zeros."""

    phoneme_ids_BT: Tensor
    phoneme_lengths_B: Tensor
    spectrogram_BCF: Tensor
    spectrogram_lengths_B: Tensor
    audio_B1S: Tensor
    audio_lengths_B: Tensor
    """Samples of each recording."""
    speaker_ids_B: Tensor | None
    keys: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What messages call the clips."""
        return self.keys

    def on(self, device: torch.device) -> Batch:
        """The same batch on another device; the host does not wait for it."""
        return _each(self, lambda tensor: tensor.to(device, non_blocking=True))

    def rows(self, begin: int, end: int) -> Batch:
        """Some of the utterances, padded to the longest of them."""
        chosen = _each(self, lambda tensor: tensor[begin:end])
        return replace(
            chosen,
            phoneme_ids_BT=_narrow(chosen.phoneme_ids_BT, chosen.phoneme_lengths_B),
            spectrogram_BCF=_narrow(chosen.spectrogram_BCF, chosen.spectrogram_lengths_B),
            audio_B1S=_narrow(chosen.audio_B1S, chosen.audio_lengths_B),
            keys=self.keys[begin:end],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedBatch:
    """Utterances by decreasing number of frames as a loader gives them: 16-bit audio, padded with zeros."""

    phoneme_ids_BT: Tensor
    phoneme_lengths_B: Tensor
    audio_BS: Tensor
    """int16."""
    audio_lengths_B: Tensor
    spectrogram_lengths_B: Tensor
    """Frames of each recording."""
    speaker_ids_B: Tensor | None
    keys: tuple[str, ...]
    names: tuple[str, ...]
    """File of each recording, for messages."""
    audio_config: AudioConfig

    def on(self, device: torch.device) -> Batch:
        """What the model sees of it; computed on the device, and the host does not wait for it."""
        there = _each(self, lambda tensor: tensor.to(device, non_blocking=True))
        audio_BS = there.audio_BS.to(torch.float32) / 32768
        return Batch(
            phoneme_ids_BT=there.phoneme_ids_BT,
            phoneme_lengths_B=there.phoneme_lengths_B,
            spectrogram_BCF=linear_spectrograms(audio_BS, there.audio_lengths_B, self.audio_config),
            spectrogram_lengths_B=there.spectrogram_lengths_B,
            audio_B1S=audio_BS.unsqueeze(1),
            audio_lengths_B=there.audio_lengths_B,
            speaker_ids_B=there.speaker_ids_B,
            keys=self.keys,
        )

    def rows(self, begin: int, end: int) -> CachedBatch:
        """Some of the utterances, padded to the longest of them."""
        chosen = _each(self, lambda tensor: tensor[begin:end])
        return replace(
            chosen,
            phoneme_ids_BT=_narrow(chosen.phoneme_ids_BT, chosen.phoneme_lengths_B),
            audio_BS=_narrow(chosen.audio_BS, chosen.audio_lengths_B),
            keys=self.keys[begin:end],
            names=self.names[begin:end],
        )

    def pin_memory(self) -> CachedBatch:
        """The same batch in page-locked memory; torch's DataLoader calls this."""
        return _each(self, Tensor.pin_memory)


LoadedBatch: TypeAlias = Batch | CachedBatch
"""What data may give: both say `on(device)` to become what the model sees, and `rows` to become smaller."""

Held = TypeVar("Held", Batch, CachedBatch)


def _each(batch: Held, change: Callable[[Tensor], Tensor]) -> Held:
    tensors: dict[str, Any] = {
        item.name: change(value) for item in fields(batch) if isinstance(value := getattr(batch, item.name), Tensor)
    }
    return replace(batch, **tensors)


def _narrow(rows: Tensor, lengths_B: Tensor) -> Tensor:
    return rows[..., : int(lengths_B.max())]


class ClipDataset(Dataset[Clip]):
    """Clips of a cache, in the order of the keys."""

    def __init__(
        self,
        reader: CacheReader,
        keys: Sequence[str],
        audio_config: AudioConfig,
        *,
        speaker_ids: Mapping[str, int] | None = None,
    ) -> None:
        """Look up all clips.

        Args:
            reader: an open cache.
            keys: of the clips.
            audio_config: how spectrograms are made.
            speaker_ids: of a voice with several speakers.

        Raises:
            ValueError: a clip is not in the cache, is too short, or has a speaker without an id.
        """
        absent = [key for key in keys if key not in reader.entries]
        if absent:
            raise ValueError(
                f"{reader.folder}: {len(absent)} of {len(keys)} clips are gone. Prepare the dataset again."
            )
        self.audio_config = audio_config
        self._reader = reader
        self._entries = [reader.entries[key] for key in keys]
        self._speaker_ids = speaker_ids
        shortest = shortest_audio(audio_config)
        for entry in self._entries:
            if entry.samples < shortest:
                raise ValueError(
                    f"{entry.file}: {entry.samples} samples are too short for a spectrogram; "
                    f"{shortest} are needed. Leave the clip out."
                )
            if speaker_ids is not None and entry.speaker not in speaker_ids:
                raise ValueError(f"{entry.file}: speaker '{entry.speaker}' has no id. Prepare the dataset again.")

    @property
    def lengths(self) -> list[int]:
        """Frames of each clip; nothing is read for it."""
        return [entry.samples // self.audio_config.hop_length for entry in self._entries]

    @property
    def phonemes(self) -> list[int]:
        """Phoneme ids of each clip."""
        return [len(entry.phoneme_ids) for entry in self._entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Clip:
        entry = self._entries[index]
        return Clip(
            phoneme_ids_T=np.array(entry.phoneme_ids, dtype=np.int64),
            audio_S=self._reader.audio(entry),
            frames=entry.samples // self.audio_config.hop_length,
            speaker_id=None if self._speaker_ids is None else self._speaker_ids[entry.speaker or ""],
            key=entry.key,
            name=entry.file,
        )


@dataclass(frozen=True, kw_only=True)
class Collate:
    """Puts clips into one batch, longest first."""

    audio_config: AudioConfig
    few_sizes: bool = False
    """Whether frames and phonemes are padded to one of few sizes (`padded_size`), not just to the longest clip."""

    def __call__(self, clips: Sequence[Clip]) -> CachedBatch:
        """
        Raises:
            ValueError: there are no clips.
        """
        if not clips:
            raise ValueError("a batch needs at least one clip.")
        ordered = sorted(clips, key=lambda clip: clip.frames, reverse=True)
        samples = max(len(clip.audio_S) for clip in ordered)
        phonemes = max(len(clip.phoneme_ids_T) for clip in ordered)
        if self.few_sizes:
            samples = max(samples, padded_size(ordered[0].frames) * self.audio_config.hop_length)
            phonemes = padded_size(phonemes)
        speakers = [clip.speaker_id for clip in ordered if clip.speaker_id is not None]
        return CachedBatch(
            phoneme_ids_BT=_padded([clip.phoneme_ids_T for clip in ordered], phonemes),
            phoneme_lengths_B=torch.tensor([len(clip.phoneme_ids_T) for clip in ordered]),
            audio_BS=_padded([clip.audio_S for clip in ordered], samples),
            audio_lengths_B=torch.tensor([len(clip.audio_S) for clip in ordered]),
            spectrogram_lengths_B=torch.tensor([clip.frames for clip in ordered]),
            speaker_ids_B=torch.tensor(speakers) if speakers else None,
            keys=tuple(clip.key for clip in ordered),
            names=tuple(clip.name for clip in ordered),
            audio_config=self.audio_config,
        )


def _padded(rows: Sequence[NDArray[Any]], width: int) -> Tensor:
    """Rows of one batch, padded with zeros."""
    batch = np.zeros((len(rows), width), dtype=rows[0].dtype)
    for place, row in zip(batch, rows, strict=True):
        place[: len(row)] = row
    return torch.from_numpy(batch)
