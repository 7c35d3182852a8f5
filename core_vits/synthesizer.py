"""The generator of VITS (Kim et al. 2021): text and recorded audio in training, text to audio in inference.

Legend: B utterances, T phonemes, F frames, D latent channels, H hidden channels, N spectrogram bins, S samples,
L frames of a training segment, G speaker embedding channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi

import torch
from torch import Tensor, nn

from core_vits.align import align
from core_vits.config import ModelConfig
from core_vits.encoders import PosteriorEncoder, TextEncoder
from core_vits.layers.duration import DurationPredictor, StochasticDurationPredictor
from core_vits.layers.flow import CouplingFlow
from core_vits.layers.hifigan import Decoder
from core_vits.layers.precision import full_precision
from core_vits.layers.segments import length_mask, pad_to, slice_segments, slice_starts
from core_vits.layers.weight_norm import fold_weight_norm


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingOutput:
    """Everything the training forward computes."""

    audio_B1S: Tensor
    """The generated segment, segment_size samples."""
    slice_starts_B: Tensor
    """int64, first frame of each utterance's segment."""
    latent_segment_BDL: Tensor
    """What the decoder made the segment of."""
    duration_loss_B: Tensor
    """Each utterance's share of the duration loss; their sum is the loss of the batch."""
    phoneme_of_frame_BF: Tensor
    """int64, the alignment; padding frames hold -1."""
    durations_BT: Tensor
    """int64, frames of each phoneme under the alignment."""
    score_BFT: Tensor
    """Log-likelihood of each frame under each phoneme, without gradient."""
    text_mask_B1T: Tensor
    frame_mask_B1F: Tensor
    text_hidden_BHT: Tensor
    text_mean_BDT: Tensor
    text_log_std_BDT: Tensor
    posterior_BDF: Tensor
    """Sample of the posterior (z in the paper)."""
    posterior_mean_BDF: Tensor
    posterior_log_std_BDF: Tensor
    prior_sample_BDF: Tensor
    """The posterior's sample moved by the flow into the space of the prior (z_p, eq. 5)."""
    prior_mean_BDF: Tensor
    """The text's mean, each phoneme repeated for its frames."""
    prior_log_std_BDF: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentSpeech:
    """What the decoder makes audio of, and what that was made of."""

    durations_B1T: Tensor
    """Frames of each phoneme, whole numbers as floats; times hop length they are samples."""
    log_durations_B1T: Tensor
    frame_mask_B1F: Tensor
    prior_mean_BDF: Tensor
    prior_sample_BDF: Tensor
    latent_BDF: Tensor
    speaker_BG1: Tensor | None
    """None in a model of one speaker."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InferenceOutput:
    """Audio and what it was made of."""

    audio_B1S: Tensor
    durations_B1T: Tensor
    """Frames of each phoneme, whole numbers as floats; times hop length they are samples."""
    log_durations_B1T: Tensor
    frame_mask_B1F: Tensor
    prior_mean_BDF: Tensor
    prior_sample_BDF: Tensor
    latent_BDF: Tensor


class Synthesizer(nn.Module):
    """Text encoder, posterior encoder, flow, duration predictor and decoder.

    Attribute names and their order are those of Piper's checkpoints (prefix `model_g.`).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        hidden, latent, speaker = (
            config.hidden_channels,
            config.inter_channels,
            config.gin_channels,
        )
        self.enc_p = TextEncoder(config)
        self.dec = Decoder(config)
        self.enc_q = PosteriorEncoder(config)
        self.flow = CouplingFlow(latent, hidden, config.flow_layers, speaker)
        predictor = StochasticDurationPredictor if config.use_sdp else DurationPredictor
        self.dp = predictor(hidden, speaker)
        if config.num_speakers > 1:
            self.emb_g = nn.Embedding(config.num_speakers, speaker)

    def speaker_embedding(self, speaker_ids_B: Tensor | None) -> Tensor | None:
        """The speaker embedding [B, G, 1].

        Raises:
            ValueError: if a multi-speaker model gets no speaker ids.
        """
        if self.config.num_speakers == 1:
            return None
        if speaker_ids_B is None:
            raise ValueError(
                f"this model has {self.config.num_speakers} speakers. Pass speaker_ids_B, one id per utterance."
            )
        embedded: Tensor = self.emb_g(speaker_ids_B)
        return embedded.unsqueeze(-1)

    def forward(
        self,
        ids_BT: Tensor,
        text_lengths_B: Tensor,
        spectrogram_BNF: Tensor,
        frame_lengths_B: Tensor,
        speaker_ids_B: Tensor | None = None,
        *,
        posterior_noise_BDF: Tensor | None = None,
        duration_noise_B2T: Tensor | None = None,
        slice_uniform_B: Tensor | None = None,
    ) -> TrainingOutput:
        """Encode recording and text, align them, and decode one random segment of each utterance.

        A batch shorter than a segment is padded to one. Random sources that are not given are drawn in the order
        of the arguments: normal, normal, uniform from [0, 1).

        Args:
            ids_BT: int64 phoneme ids, zero-padded.
            text_lengths_B: int64, ids per utterance.
            spectrogram_BNF: linear spectrogram, zero-padded.
            frame_lengths_B: int64, frames per utterance, at least as many as ids.
            speaker_ids_B: int64, needed if the model has several speakers.
            posterior_noise_BDF: standard normal; F is that of the padded batch.
            duration_noise_B2T: standard normal.
            slice_uniform_B: chooses each segment's start.

        Raises:
            AlignmentError: if an utterance has more ids than frames.
            ValueError: if speaker ids are missing.
        """
        segment_frames = self.config.segment_frames
        spectrogram_BNF = pad_to(spectrogram_BNF, segment_frames)
        dtype = spectrogram_BNF.dtype
        text_mask = length_mask(text_lengths_B, ids_BT.shape[1], dtype)
        frame_mask = length_mask(frame_lengths_B, spectrogram_BNF.shape[2], dtype)
        speaker = self.speaker_embedding(speaker_ids_B)

        hidden, text_mean, text_log_std = self.enc_p(ids_BT, text_mask)
        posterior, mean, log_std = self.enc_q(spectrogram_BNF, frame_mask, speaker, posterior_noise_BDF)
        prior_sample: Tensor = self.flow(posterior, frame_mask, speaker)

        score = alignment_score(prior_sample, text_mean, text_log_std)
        alignment = align(score, frame_lengths_B, text_lengths_B)

        duration_loss = self._duration_loss(hidden, text_mask, alignment.durations_BT, speaker, duration_noise_B2T)
        if slice_uniform_B is None:
            slice_uniform_B = torch.rand(ids_BT.shape[0], device=ids_BT.device)
        starts = slice_starts(frame_lengths_B, slice_uniform_B, segment_frames)
        latent_segment = slice_segments(posterior, starts, segment_frames)
        return TrainingOutput(
            audio_B1S=self.dec(latent_segment, speaker),
            slice_starts_B=starts,
            latent_segment_BDL=latent_segment,
            duration_loss_B=duration_loss,
            phoneme_of_frame_BF=alignment.phoneme_of_frame_BF,
            durations_BT=alignment.durations_BT,
            score_BFT=score,
            text_mask_B1T=text_mask,
            frame_mask_B1F=frame_mask,
            text_hidden_BHT=hidden,
            text_mean_BDT=text_mean,
            text_log_std_BDT=text_log_std,
            posterior_BDF=posterior,
            posterior_mean_BDF=mean,
            posterior_log_std_BDF=log_std,
            prior_sample_BDF=prior_sample,
            prior_mean_BDF=repeat_phonemes(text_mean, alignment.phoneme_of_frame_BF, frame_mask),
            prior_log_std_BDF=repeat_phonemes(text_log_std, alignment.phoneme_of_frame_BF, frame_mask),
        )

    def _duration_loss(
        self,
        hidden_BHT: Tensor,
        text_mask_B1T: Tensor,
        durations_BT: Tensor,
        speaker_BG1: Tensor | None,
        noise_B2T: Tensor | None,
    ) -> Tensor:
        """Each utterance's duration loss [B], divided by the number of phonemes of the whole batch."""
        with full_precision(hidden_BHT):
            hidden_BHT = hidden_BHT.to(torch.float32)
            if noise_B2T is None:
                noise_B2T = torch.randn_like(hidden_BHT[:, :2])
            loss_B = self.dp.loss(
                hidden_BHT,
                text_mask_B1T,
                durations_BT.unsqueeze(1).to(hidden_BHT.dtype),
                speaker_BG1,
                noise_B2T,
            )
            return loss_B / text_mask_B1T.sum()

    def infer(
        self,
        ids_BT: Tensor,
        text_lengths_B: Tensor,
        noise_scale: float | Tensor = 0.667,
        length_scale: float | Tensor = 1.0,
        noise_scale_w: float | Tensor = 0.8,
        speaker_ids_B: Tensor | None = None,
        *,
        duration_noise_B2T: Tensor | None = None,
        prior_noise_BDF: Tensor | None = None,
    ) -> InferenceOutput:
        """Speak. Traceable: no control flow depends on the data.

        Args: those of `infer_latent`.

        Raises:
            ValueError: if speaker ids are missing.
        """
        made = self.infer_latent(
            ids_BT,
            text_lengths_B,
            noise_scale,
            length_scale,
            noise_scale_w,
            speaker_ids_B,
            duration_noise_B2T=duration_noise_B2T,
            prior_noise_BDF=prior_noise_BDF,
        )
        return InferenceOutput(
            audio_B1S=self.decode(made.latent_BDF, made.frame_mask_B1F, made.speaker_BG1),
            durations_B1T=made.durations_B1T,
            log_durations_B1T=made.log_durations_B1T,
            frame_mask_B1F=made.frame_mask_B1F,
            prior_mean_BDF=made.prior_mean_BDF,
            prior_sample_BDF=made.prior_sample_BDF,
            latent_BDF=made.latent_BDF,
        )

    def decode(self, latent_BDF: Tensor, frame_mask_B1F: Tensor, speaker_BG1: Tensor | None) -> Tensor:
        """Audio [B, 1, S] of latent frames. `core_vits.streaming` tells how far a frame's audio looks around it."""
        audio_B1S: Tensor = self.dec(latent_BDF * frame_mask_B1F, speaker_BG1)
        return audio_B1S

    def infer_latent(
        self,
        ids_BT: Tensor,
        text_lengths_B: Tensor,
        noise_scale: float | Tensor = 0.667,
        length_scale: float | Tensor = 1.0,
        noise_scale_w: float | Tensor = 0.8,
        speaker_ids_B: Tensor | None = None,
        *,
        duration_noise_B2T: Tensor | None = None,
        prior_noise_BDF: Tensor | None = None,
        durations_B1T: Tensor | None = None,
    ) -> LatentSpeech:
        """Everything before the decoder. Traceable: no control flow depends on the data.

        Args:
            ids_BT: int64 phoneme ids, zero-padded.
            text_lengths_B: int64, ids per utterance.
            noise_scale: variation of the voice; 0 = none.
            length_scale: factor on all durations; above 1 is slower.
            noise_scale_w: variation of the durations; 0 = none.
            speaker_ids_B: int64 of length B or 1, needed if the model has several speakers.
            duration_noise_B2T: standard normal; drawn if not given.
            prior_noise_BDF: standard normal; drawn if not given.
            durations_B1T: frames of each phoneme, whole numbers as floats; the predicted ones if not given.

        Raises:
            ValueError: if speaker ids are missing.
        """
        text_mask = length_mask(text_lengths_B, ids_BT.shape[1], self.enc_p.emb.weight.dtype)
        speaker = self.speaker_embedding(speaker_ids_B)
        hidden, text_mean, text_log_std = self.enc_p(ids_BT, text_mask)
        if duration_noise_B2T is None:
            duration_noise_B2T = torch.randn_like(hidden[:, :2])
        log_durations = self.dp.log_durations(hidden, text_mask, speaker, duration_noise_B2T * noise_scale_w)
        if durations_B1T is None:
            durations_B1T = torch.ceil(log_durations.exp() * text_mask * length_scale)

        ends_BT = durations_B1T.squeeze(1).cumsum(-1)
        frame_lengths_B = ends_BT[:, -1].clamp_min(1).to(torch.int64)
        frame_mask = length_mask(frame_lengths_B, frame_lengths_B.max(), text_mask.dtype)
        # A frame belongs to the phoneme that follows all phonemes that have ended by then.
        frames_F = torch.arange(frame_mask.shape[2], device=ids_BT.device)
        ended_BFT = ends_BT.unsqueeze(1) <= frames_F.unsqueeze(1)
        index_BF = ended_BFT.to(torch.int64).sum(-1).clamp_max(ids_BT.shape[1] - 1)

        mean = repeat_phonemes(text_mean, index_BF, frame_mask)
        log_std = repeat_phonemes(text_log_std, index_BF, frame_mask)
        noise = torch.randn_like(mean) if prior_noise_BDF is None else prior_noise_BDF
        prior_sample = mean + noise * log_std.exp() * noise_scale
        latent = self.flow(prior_sample, frame_mask, speaker, reverse=True)
        return LatentSpeech(
            durations_B1T=durations_B1T,
            log_durations_B1T=log_durations,
            frame_mask_B1F=frame_mask,
            prior_mean_BDF=mean,
            prior_sample_BDF=prior_sample,
            latent_BDF=latent,
            speaker_BG1=speaker,
        )

    def fold_weight_norm(self) -> None:
        """Turn all weight-normalised convolutions into plain ones, in place and for good; for export."""
        fold_weight_norm(self)


def alignment_score(prior_sample_BDF: Tensor, mean_BDT: Tensor, log_std_BDT: Tensor) -> Tensor:
    """Log-likelihood of each frame under each phoneme's normal distribution: [B, F, T], float32, without gradient.

    The square is multiplied out, so that the sum over channels becomes one matrix product.
    """
    with torch.no_grad(), full_precision(prior_sample_BDF):
        sample = prior_sample_BDF.to(torch.float32).transpose(1, 2)
        mean, log_std = mean_BDT.to(torch.float32), log_std_BDT.to(torch.float32)
        precision = (-2.0 * log_std).exp()
        constants = -0.5 * log(2 * pi) - log_std - 0.5 * mean.square() * precision
        factors_BFD = torch.cat((-0.5 * sample.square(), sample), dim=2)
        terms_BDT = torch.cat((precision, mean * precision), dim=1)
        return torch.baddbmm(constants.sum(1, keepdim=True), factors_BFD, terms_BDT)


def repeat_phonemes(x_BDT: Tensor, phoneme_of_frame_BF: Tensor, frame_mask_B1F: Tensor) -> Tensor:
    """Each frame's value is that of its phoneme: [B, D, F], zero in the padding."""
    index_B1F = phoneme_of_frame_BF.clamp_min(0).unsqueeze(1)
    return x_BDT.gather(2, index_B1F.expand(-1, x_BDT.shape[1], -1)) * frame_mask_B1F
