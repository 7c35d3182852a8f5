"""The likelihood of recordings under their texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, pi

import pytest
import torch
from tiny_voice import tiny_generator, tiny_model
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from core_vits.dataset import Batch
from core_vits.likelihood import path_likelihood
from core_vits.synthesizer import Synthesizer

CHANNELS = 8
PERFECT = -0.5 * log(2 * pi) * CHANNELS
"""Log-likelihood of a frame that is exactly what is expected, with a deviation of 1."""


@dataclass(frozen=True)
class Clip:
    """An utterance that need not have been audio."""

    phoneme_ids_T: Tensor
    spectrogram_CF: Tensor
    speaker_id: int | None
    key: str


def collate(clips: Sequence[Clip]) -> Batch:
    """Clips as one batch, longest first."""
    ordered = sorted(clips, key=lambda clip: clip.spectrogram_CF.shape[1], reverse=True)
    speakers = [clip.speaker_id for clip in ordered if clip.speaker_id is not None]
    frames = [clip.spectrogram_CF.T for clip in ordered]
    return Batch(
        phoneme_ids_BT=pad_sequence([clip.phoneme_ids_T for clip in ordered], batch_first=True),
        phoneme_lengths_B=torch.tensor([len(clip.phoneme_ids_T) for clip in ordered]),
        spectrogram_BCF=pad_sequence(frames, batch_first=True).transpose(1, 2),
        spectrogram_lengths_B=torch.tensor([len(rows) for rows in frames]),
        audio_B1S=torch.zeros(len(ordered), 1, 10),
        audio_lengths_B=torch.full((len(ordered),), 10),
        speaker_ids_B=torch.tensor(speakers) if speakers else None,
        keys=tuple(clip.key for clip in ordered),
    )


class Plain(nn.Module):
    """A voice whose latent is the recording's spectrogram and whose phonemes each want one channel to be loud."""

    def speaker_embedding(self, speaker_ids_B: Tensor | None) -> None:
        return None

    def enc_p(self, ids_BT: Tensor, mask_B1T: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean_BDT = 3.0 * nn.functional.one_hot(ids_BT, CHANNELS).transpose(1, 2).float() * mask_B1T
        return mean_BDT, mean_BDT, torch.zeros_like(mean_BDT)

    def enc_q(self, spectrogram_BDF: Tensor, mask_B1F: Tensor, speaker: None, noise_BDF: Tensor) -> tuple[Tensor, ...]:
        assert not noise_BDF.any(), "the posterior's mean is wanted"
        return spectrogram_BDF * mask_B1F, spectrogram_BDF, spectrogram_BDF

    def flow(self, latent_BDF: Tensor, mask_B1F: Tensor, speaker: None) -> Tensor:
        return latent_BDF * mask_B1F


def spoken(ids: list[int], frames_each: int = 3) -> Tensor:
    """A recording in which each phoneme is said as the plain voice wants it."""
    loud_DF = 3.0 * nn.functional.one_hot(torch.tensor(ids), CHANNELS).T.float()
    return loud_DF.repeat_interleave(frames_each, dim=1)


def clip(key: str, said: list[int], text: list[int], frames_each: int = 3) -> Clip:
    return Clip(torch.tensor(text), spoken(said, frames_each), None, key)


def likelihoods(*clips: Clip) -> dict[str, tuple[float, float]]:
    batch = collate(clips)
    found = path_likelihood(Plain(), batch)  # type: ignore[arg-type]  # it has what is asked of a voice
    return dict(zip(batch.keys, zip(found.own_B.tolist(), found.others_B.tolist(), strict=True), strict=True))


TEXTS = [[1, 2, 3, 4], [5, 6, 7, 1], [2, 7, 4, 6], [3, 1, 6, 5]]


def test_a_recording_of_its_text_is_as_likely_as_can_be() -> None:
    found = likelihoods(*(clip(str(number), text, text) for number, text in enumerate(TEXTS)))
    assert [own for own, _ in found.values()] == pytest.approx([PERFECT] * 4, abs=1e-4)
    assert all(others < own - 4 for own, others in found.values())


def test_swapped_texts_lose_what_the_own_text_gains() -> None:
    said = dict(enumerate(TEXTS))
    texts = {**said, 0: TEXTS[1], 1: TEXTS[0]}
    found = likelihoods(*(clip(str(number), said[number], texts[number]) for number in said))
    gains = {key: own - others for key, (own, others) in found.items()}
    assert max(gains["0"], gains["1"]) < 2.4 < 4 < min(gains["2"], gains["3"])


def test_the_length_of_a_recording_and_padding_change_nothing() -> None:
    short, long = clip("short", TEXTS[0], TEXTS[0], 2), clip("long", TEXTS[0], TEXTS[0], 11)
    found = likelihoods(short, long)
    assert found["short"][0] == pytest.approx(found["long"][0], abs=1e-4)


def test_a_text_that_is_longer_than_a_recording_is_not_tried_with_it() -> None:
    short, long = clip("short", [1, 2], [1, 2], 1), clip("long", [1, 2, 3, 4], [1, 2, 3, 4], 3)
    found = likelihoods(short, long)
    assert found["short"][1] != found["short"][1]  # NaN
    assert found["long"][1] < found["long"][0]


def test_an_utterance_alone_has_no_other_text() -> None:
    ((own, others),) = likelihoods(clip("a", TEXTS[0], TEXTS[0])).values()
    assert own == pytest.approx(PERFECT, abs=1e-4)
    assert others != others  # NaN


def real_batch(generator: Synthesizer, utterances: int) -> Batch:
    random = torch.Generator().manual_seed(3)
    bins = generator.config.audio.spectrogram_bins
    return collate(
        [
            Clip(
                torch.randint(3, 100, (7 + number,), generator=random),
                torch.rand(bins, 30 - number, generator=random),
                number % 2,
                str(number),
            )
            for number in range(utterances)
        ]
    )


def test_a_real_voice_gives_the_same_numbers_each_time_alone_or_in_a_batch() -> None:
    generator = tiny_generator(tiny_model(speakers=2))
    batch = real_batch(generator, 4)
    torch.manual_seed(1)
    first = path_likelihood(generator, batch)
    torch.manual_seed(2)
    again = path_likelihood(generator, batch)
    assert torch.equal(first.own_B, again.own_B)
    assert torch.equal(first.others_B, again.others_B)
    assert first.own_B.isfinite().all()
    frames, ids = int(batch.spectrogram_lengths_B[3]), int(batch.phoneme_lengths_B[3])
    alone = replace(
        batch,
        phoneme_ids_BT=batch.phoneme_ids_BT[3:, :ids],
        phoneme_lengths_B=batch.phoneme_lengths_B[3:],
        spectrogram_BCF=batch.spectrogram_BCF[3:, :, :frames],
        spectrogram_lengths_B=batch.spectrogram_lengths_B[3:],
        speaker_ids_B=batch.speaker_ids_B[3:] if batch.speaker_ids_B is not None else None,
        keys=batch.keys[3:],
    )
    assert path_likelihood(generator, alone).own_B.item() == pytest.approx(first.own_B[3].item(), abs=1e-4)


def test_a_voice_of_several_speakers_wants_to_know_who_speaks() -> None:
    generator = tiny_generator(tiny_model(speakers=2))
    batch = replace(real_batch(generator, 2), speaker_ids_B=None)
    with pytest.raises(ValueError, match="2 speakers"):
        path_likelihood(generator, batch)
