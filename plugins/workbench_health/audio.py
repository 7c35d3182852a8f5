"""What is in the recordings: nothing, silence, clipping, or another sample rate than the voice's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from workbench.api import DatasetFacts, Finding, Severity, Utterance

# A 16-bit recording's smallest step is 1/32768: below two steps there is only dither.
_DIGITAL_SILENCE = 2 / 32768
_FULL_SCALE = 0.9985
# Samples in a row at full scale; speech that is only loud touches it once or twice.
_CLIPPED_RUN = 4
_CLIPPED_SAMPLES = 12
# Below -46 dBFS the quantisation noise of 16 bits is close to the speech.
_QUIET_PEAK = 0.005
# Recordings that were resampled upwards have nothing above half their first rate. Forty recordings tell.
_SPECTRA = 40
_FFT = 1024
_INAUDIBLE_DB = 70.0
_DULL = 0.75


class AudioRule:
    """Recordings that can't be decoded, are silent, clipped or very quiet; rates and channels of all of them."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._rates: dict[int, list[Utterance]] = defaultdict(list)
        self._several_channels: list[Utterance] = []
        self._highest: list[float] = []

    def check(self, utterance: Utterance) -> Iterator[Finding]:
        """Look at one recording."""
        if utterance.audio_error:
            message = f"'{utterance.file}' {utterance.audio_error} The row is not trained."
            yield _finding("audio.unusable", Severity.DROPS, utterance, message)
            return
        if utterance.sample_rate is not None and utterance.sample_rate != self._dataset.sample_rate:
            self._rates[utterance.sample_rate].append(utterance)
        if utterance.channels is not None and utterance.channels > 1:
            self._several_channels.append(utterance)
        if utterance.samples is not None:
            yield from _level(utterance, utterance.samples)
            rate = utterance.sample_rate or 0
            if rate >= self._dataset.sample_rate and len(self._highest) < _SPECTRA:
                self._highest += _highest_sound(utterance.samples, rate)

    def finish(self) -> Iterator[Finding]:
        """One finding for each sample rate that is not the voice's, one for channels, one for missing heights."""
        wanted = self._dataset.sample_rate
        for rate, utterances in sorted(self._rates.items()):
            if rate > wanted:
                effect = f"are resampled to the voice's {wanted} Hz."
                yield self._whole("audio.rate", Severity.INFO, utterances, f"{rate} Hz", effect)
            else:
                effect = (
                    f"lie below the voice's {wanted} Hz: it would learn that nothing sounds above {rate // 2} Hz. "
                    f"Use better recordings, or set [audio] sample_rate = {rate}."
                )
                yield self._whole("audio.rate", Severity.WARNS, utterances, f"{rate} Hz", effect)
        if self._several_channels:
            effect = "are mixed to mono."
            yield self._whole("audio.channels", Severity.INFO, self._several_channels, "several channels", effect)

        yield from self._upsampled()

    def _upsampled(self) -> Iterator[Finding]:
        """Whether the recordings end well below the highest sound that the voice could have."""
        if len(self._highest) < 5:
            return
        highest, could = float(np.median(self._highest)), self._dataset.sample_rate / 2
        if highest >= _DULL * could:
            return
        enough = next((rate for rate in (16_000, 22_050) if rate / 2 > highest and rate / 2 < could), None)
        advice = f"set [audio] sample_rate = {enough}, which loses nothing, or " if enough else ""
        yield Finding(
            rule="audio.bandwidth",
            severity=Severity.WARNS,
            subject=self._dataset.metadata.name,
            message=f"the recordings hold nothing above {highest / 1000:.1f} kHz, the voice's rate could carry "
            f"{could / 1000:.1f} kHz: they were probably resampled upwards, and the voice will sound as dull. "
            f"To mend it, {advice}use the original recordings.",
            evidence={"highest_hz": round(highest), "recordings": len(self._highest)},
        )

    def _whole(self, rule: str, severity: Severity, those: Sequence[Utterance], what: str, rest: str) -> Finding:
        """One finding about all recordings that have something in common."""
        example = those[0].file
        return Finding(
            rule=rule,
            severity=severity,
            subject=self._dataset.metadata.name,
            message=f"{len(those)} recording{'s' * (len(those) > 1)} with {what} ({example}) {rest}",
            evidence={"recordings": len(those), "example": example},
        )


def _level(utterance: Utterance, samples: npt.NDArray[np.float32]) -> Iterator[Finding]:
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < _DIGITAL_SILENCE:
        cause = " Its channels cancel each other out; keep one of them." if (utterance.channels or 1) > 1 else ""
        message = f"'{utterance.file}' is digital silence; the row is not trained.{cause or ' Record it again.'}"
        yield _finding("audio.silent", Severity.DROPS, utterance, message, peak=peak)
    elif peak < _QUIET_PEAK:
        message = (
            f"'{utterance.file}' is very quiet (peak {20 * np.log10(peak):.0f} dBFS): the voice learns its noise. "
            "Raise its level."
        )
        yield _finding("audio.quiet", Severity.WARNS, utterance, message, peak=round(peak, 5))
    elif peak >= _FULL_SCALE and (clipped := _clipped(samples)) >= _CLIPPED_SAMPLES:
        message = (
            f"'{utterance.file}' is clipped ({clipped} samples stay at full scale): the voice learns the distortion. "
            "Record it again at a lower level."
        )
        yield _finding("audio.clipped", Severity.WARNS, utterance, message, samples=clipped)


def _highest_sound(samples: npt.NDArray[np.float32], rate: int) -> list[float]:
    """Hz of the highest sound in the louder half of a recording; nothing when it is too short to tell."""
    frames = samples[: len(samples) // _FFT * _FFT].reshape(-1, _FFT)
    if len(frames) < 8:
        return []
    loud = frames[np.argsort((frames**2).sum(axis=1))[len(frames) // 2 :]]
    power = (np.abs(np.fft.rfft(loud * np.hanning(_FFT))) ** 2).mean(axis=0)
    audible = np.flatnonzero(power > power.max() * 10 ** (-_INAUDIBLE_DB / 10))
    return [float(audible[-1]) * rate / _FFT] if len(audible) else []


def _clipped(samples: npt.NDArray[np.float32]) -> int:
    """Samples that stand at full scale with several neighbours."""
    full = np.concatenate([[False], np.abs(samples) >= _FULL_SCALE, [False]])
    edges = np.flatnonzero(full[1:] != full[:-1])
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= _CLIPPED_RUN].sum())


def _finding(rule: str, severity: Severity, utterance: Utterance, message: str, **evidence: float) -> Finding:
    return Finding(rule=rule, severity=severity, subject=utterance.subject, message=message, evidence=evidence)
