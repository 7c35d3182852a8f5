"""How likely a recording is under its text, by a trained voice: the alignment's score, without any random number.

A voice that has learned to read finds a recording unlikely whose text is wrong, whatever path it takes through it.

Legend: B utterances, T phoneme ids, F frames, D latent channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core_vits.align import align
from core_vits.dataset import Batch
from core_vits.layers.segments import length_mask
from core_vits.synthesizer import Synthesizer, alignment_score

OTHER_TEXTS = 3
"""Texts of other utterances that each recording is tried with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Likelihood:
    """Mean log-likelihood of a frame along the best path, summed over latent channels, float32."""

    own_B: Tensor
    """Under the utterance's own text."""
    others_B: Tensor
    """Under texts of other utterances of the batch, their mean; NaN where none of them fits into the frames."""


@torch.no_grad()
def path_likelihood(generator: Synthesizer, batch: Batch) -> Likelihood:
    """Align each recording with its own text and with others.

    The mean of the posterior takes the place of its sample, so the same batch gives the same numbers.

    Args:
        generator: from `core_vits.infer.load_generator`.
        batch: utterances of similar length, on the generator's device.

    Raises:
        AlignmentError: an utterance has more ids than frames.
        ValueError: speaker ids are missing.
    """
    frames = batch.spectrogram_BCF.shape[2]
    text_mask = length_mask(batch.phoneme_lengths_B, batch.phoneme_ids_BT.shape[1], torch.float32)
    frame_mask = length_mask(batch.spectrogram_lengths_B, frames, torch.float32)
    speaker = generator.speaker_embedding(batch.speaker_ids_B)
    _, mean_BDT, log_std_BDT = generator.enc_p(batch.phoneme_ids_BT, text_mask)
    noise_BDF = mean_BDT.new_zeros((len(batch.keys), mean_BDT.shape[1], frames))
    posterior_BDF, _, _ = generator.enc_q(batch.spectrogram_BCF, frame_mask, speaker, noise_BDF)
    prior_sample_BDF: Tensor = generator.flow(posterior_BDF, frame_mask, speaker)

    def under(order_B: Tensor) -> Tensor:
        """Likelihood of each utterance under the text of another one; NaN where that has more ids than frames."""
        text_lengths_B = batch.phoneme_lengths_B[order_B]
        fits_B = text_lengths_B <= batch.spectrogram_lengths_B
        score_BFT = alignment_score(prior_sample_BDF, mean_BDT[order_B], log_std_BDT[order_B])
        path_BF = align(score_BFT, batch.spectrogram_lengths_B, text_lengths_B.minimum(batch.spectrogram_lengths_B))
        along_BF = score_BFT.gather(2, path_BF.phoneme_of_frame_BF.clamp_min(0).unsqueeze(2)).squeeze(2)
        total_B = (along_BF * frame_mask.squeeze(1)).sum(1)
        mean_B = total_B / batch.spectrogram_lengths_B
        known_B: Tensor = mean_B.masked_fill(~fits_B, torch.nan)
        return known_B

    places_B = torch.arange(len(batch.keys), device=mean_BDT.device)
    tried = range(1, min(OTHER_TEXTS, len(batch.keys) - 1) + 1)
    others = [under(places_B.roll(shift)) for shift in tried]
    unknown_B = mean_BDT.new_full((len(batch.keys),), torch.nan)
    return Likelihood(own_B=under(places_B), others_B=torch.stack([*others, unknown_B]).nanmean(0))
