"""What 16-bit weights cost: the checkpoint beside itself with rounded weights, on the same noise.

Legend: B utterances (1 here), T phonemes, S samples.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from math import inf, log10

import numpy as np
import torch

from core_vits.spectrogram import mel_spectrogram
from core_vits.synthesizer import Synthesizer
from workbench_onnx.comparison import MadeByTorch, cases
from workbench_onnx.graphs import can_be_halved
from workbench_onnx.sessions import Samples

LEAST_SNR = 15.0
"""Accepted signal to noise ratio in dB. A published medium voice has 24 to 44 dB on sequences of random phonemes, the
most that can be asked of a voice, and about 39 dB on sentences."""
MOST_MEL = 0.1
"""Accepted difference of log mel spectrograms, as a part of that of two samples of one sentence. Measured: 0.01."""
MOST_DURATIONS = 0.02
"""Accepted part of the phonemes whose duration becomes another one."""


def rounded_copy(generator: Synthesizer) -> Synthesizer:
    """The generator with those weights rounded to 16 bits that `halve_weights` rounds.

    Args:
        generator: weight norm folded.
    """
    rounded = copy.deepcopy(generator)
    with torch.no_grad():
        for parameter in rounded.parameters():
            halved = can_be_halved(parameter.numpy())
            if halved is not None:
                parameter.copy_(torch.from_numpy(halved.astype(np.float32)))
    return rounded


@dataclass(frozen=True, kw_only=True)
class RoundingCost:
    """How far rounded weights lead from the voice."""

    largest: float
    """Largest difference of any sample, full scale = 1."""
    snr: float
    """dB, over all cases together."""
    log_mel: float
    """Mean difference of log mel spectrograms."""
    log_mel_of_samples: float
    """The same between two samples of one sentence, which differ in their noise alone."""
    changed_durations: float
    """Part of the phonemes whose duration becomes another one; the comparison is made with the old durations."""

    @property
    def why_not(self) -> str:
        """Empty, or why this is too much."""
        if not self.snr >= LEAST_SNR:
            return f"16-bit weights lead too far away: {self.snr:.1f} dB; accepted are {LEAST_SNR:g} dB"
        if self.log_mel > MOST_MEL * self.log_mel_of_samples:
            return (
                f"16-bit weights lead too far away: log mel {self.log_mel:.3f}; accepted is {MOST_MEL:g} of what two "
                f"samples of a sentence differ by, {self.log_mel_of_samples:.3f}"
            )
        if self.changed_durations > MOST_DURATIONS:
            return (
                f"16-bit weights change {100 * self.changed_durations:.1f} % of the durations; accepted are "
                f"{100 * MOST_DURATIONS:g} %"
            )
        return ""

    def __str__(self) -> str:
        return (
            f"has 16-bit weights: {self.snr:.1f} dB SNR and a log mel difference of {self.log_mel:.4f} from its "
            f"checkpoint, where two samples of one sentence differ by {self.log_mel_of_samples:.3f}; "
            f"{100 * self.changed_durations:.2g} % of the durations change"
        )


def rounding_cost(generator: Synthesizer, rounded: Synthesizer) -> RoundingCost:
    """Compare the two on every case that has noise."""
    signal = error = largest = 0.0
    mels: list[float] = []
    mels_of_samples: list[float] = []
    changed = phonemes = 0
    for number, case in enumerate(cases(generator.config)):
        if not case.noise:
            continue
        made = MadeByTorch(generator, case, seed=number)
        other = made.speak(rounded, made.prior_noise)
        again = made.speak(generator, made.more_noise())
        difference = made.audio.astype(np.float64) - other
        signal += float(np.square(made.audio, dtype=np.float64).sum())
        error += float(np.square(difference).sum())
        largest = max(largest, float(np.abs(difference).max(initial=0.0)))
        mels.append(_mel_difference(generator, made.audio, other))
        mels_of_samples.append(_mel_difference(generator, made.audio, again))
        durations = made.latent(made.prior_noise[..., :1], generator=rounded).durations_B1T
        changed += int((durations != made.durations_B1T).sum())
        phonemes += durations.numel()
    return RoundingCost(
        largest=largest,
        snr=10 * log10(signal / error) if signal > 0 and error > 0 else (inf if signal > 0 else -inf),
        log_mel=float(np.mean(mels)),
        log_mel_of_samples=float(np.mean(mels_of_samples)),
        changed_durations=changed / phonemes,
    )


def _mel_difference(generator: Synthesizer, one: Samples, other: Samples) -> float:
    audio = generator.config.audio
    mels = [mel_spectrogram(torch.from_numpy(samples), audio) for samples in (one, other)]
    return float((mels[0] - mels[1]).abs().mean())
