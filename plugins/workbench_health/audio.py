"""What is in the recordings: nothing, silence, clipping, another format, or another sample rate than the voice's."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from statistics import median
from types import MappingProxyType

from workbench.api import AudioMeasures, Container, DatasetFacts, Finding, Severity, Utterance, ranges
from workbench_health.gathered import Gathered
from workbench_health.kinds.recordings import KINDS
from workbench_health.limits import Limits

# A 16-bit recording's smallest step is 1/32768: below two steps there is only dither.
_DIGITAL_SILENCE = 2 / 32768
# Channels that agree less than this cancel more than they add.
_OPPOSED = -0.5
_EIGHT_BITS = frozenset({"PCM_U8", "PCM_S8", "ULAW", "ALAW"})
_LOSSY = frozenset({"mp3", "mp4", "ogg", "opus", "matroska", "amr"})
# What a suffix may hold; a suffix that is not here promises nothing.
_BY_SUFFIX = MappingProxyType(
    {
        ".wav": frozenset({"wav", "w64"}),
        ".flac": frozenset({"flac"}),
        ".ogg": frozenset({"ogg", "opus"}),
        ".opus": frozenset({"ogg", "opus"}),
        ".mp3": frozenset({"mp3"}),
        ".aiff": frozenset({"aiff"}),
        ".aif": frozenset({"aiff"}),
        ".m4a": frozenset({"mp4"}),
    }
)
_BYTES = MappingProxyType({"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4})
# Tags and pictures take less of a file; more than this is sound that the header does not speak of.
_SURPLUS = 0.2
# Fewer recordings than this tell nothing of the whole dataset.
_FEWEST = 5


class AudioRule:
    """Recordings that can't be decoded, are silent, clipped or very quiet; formats, rates and channels of all."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._limits = Limits(dataset)
        self._gathered = Gathered(dataset, KINDS)
        self._rates: dict[int, list[Utterance]] = defaultdict(list)
        self._several_channels: list[Utterance] = []
        self._highest: list[float] = []

    def check(self, utterance: Utterance) -> Iterator[Finding]:
        """Look at one recording."""
        if utterance.audio_error:
            cause = utterance.container.kind if utterance.container is not None else ""
            message = f"'{utterance.file}' {utterance.audio_error} The row is not trained."
            evidence = {"cause": cause} if cause else {}
            yield _finding("audio.unusable", Severity.DROPS, utterance, message, **evidence)
            return
        if utterance.sample_rate is not None and utterance.sample_rate != self._dataset.sample_rate:
            self._rates[utterance.sample_rate].append(utterance)
        if utterance.channels is not None and utterance.channels > 1:
            self._several_channels.append(utterance)
        if utterance.container is not None and utterance.path is not None:
            self._format(utterance, utterance.container)
        if utterance.measures is not None:
            yield from self._level(utterance, utterance.measures)

    def finish(self) -> Iterator[Finding]:
        """One finding for each sample rate that is not the voice's, one for channels, one for missing heights."""
        wanted = self._dataset.sample_rate
        for rate, utterances in sorted(self._rates.items()):
            rates = {"rate": rate, "wanted": wanted}
            if rate > wanted:
                effect = f"are resampled to the voice's {wanted} Hz."
                yield self._whole("audio.rate", Severity.INFO, utterances, f"{rate} Hz", effect, **rates)
            elif self._is_shared(utterances):
                effect = (
                    f"lie below the voice's {wanted} Hz: it would learn that nothing sounds above {rate // 2} Hz. "
                    f"Use better recordings, or set [audio] sample_rate = {rate}."
                )
                yield self._whole("audio.rate", Severity.WARNS, utterances, f"{rate} Hz", effect, **rates)
            else:
                for utterance in utterances:
                    message = (
                        f"'{utterance.file}' has {rate} Hz, below the voice's {wanted} Hz: nothing in it sounds above "
                        f"{rate // 2} Hz, and the voice learns two timbres. Use a better recording, or take it out."
                    )
                    yield _finding("audio.rate", Severity.WARNS, utterance, message, rate=rate, wanted=wanted)
        if self._several_channels:
            effect = "are mixed to mono."
            yield self._whole("audio.channels", Severity.INFO, self._several_channels, "several channels", effect)
        yield from self._upsampled()
        yield from self._gathered.findings()

    def _is_shared(self, utterances: Sequence[Utterance]) -> bool:
        """Whether a rate belongs to the dataset rather than to single rows."""
        return len(utterances) > self._limits["rows_named"] or 2 * len(utterances) > len(self._highest)

    def _format(self, utterance: Utterance, container: Container) -> None:
        file, add = utterance.file, self._gathered.add
        promised = _BY_SUFFIX.get(PurePath(utterance.path or file).suffix.lower())
        if promised is not None and container.kind not in promised:
            add(
                "audio.extension",
                utterance,
                f"'{file}' is {container.kind} by its content",
                {"content": container.kind},
            )
        elif container.kind in _LOSSY:
            add("audio.lossy", utterance, f"'{file}' is {container.kind}", {"content": container.kind})
        if container.encoding in _EIGHT_BITS:
            what = f"'{file}' has 8 bits a sample ({container.encoding})"
            add("audio.8-bit", utterance, what, {"encoding": container.encoding})
        surplus = container.bytes - container.frames * container.channels * _BYTES.get(container.encoding, 0)
        if container.kind == "wav" and container.encoding in _BYTES and surplus > _SURPLUS * container.bytes:
            there = container.frames / max(container.sample_rate, 1)
            what = f"the header of '{file}' says {there:.2f} s, {surplus:,} of {container.bytes:,} bytes lie beyond"
            add("audio.header", utterance, what, {"bytes": container.bytes, "beyond": surplus, "limit": _SURPLUS})

    def _level(self, utterance: Utterance, measures: AudioMeasures) -> Iterator[Finding]:
        peak, file, channels = measures.peak, utterance.file, utterance.channels or 1
        mixed = 10 ** (measures.rms_db / 20) if math.isfinite(measures.rms_db) else 0.0
        opposed = channels == 2 and measures.channels_agree < _OPPOSED
        # What the trainer has cut already is silent if nothing was left; else nearly everything tells it.
        left = utterance.frames if "silence" in utterance.dropped else None
        silent = peak < _DIGITAL_SILENCE or (channels > 1 and mixed < _DIGITAL_SILENCE / 2)
        if left == 0 or (silent and (utterance.dropped or not utterance.frames)):
            cause = " Its channels cancel each other out; keep one of them." if peak >= _DIGITAL_SILENCE else ""
            message = f"'{file}' is digital silence; the row is not trained.{cause or ' Record it again.'}"
            yield _finding("audio.silent", Severity.DROPS, utterance, message, peak=peak)
            return
        if opposed:
            what = f"the channels of '{file}' are opposed (correlation {measures.channels_agree:.2f})"
            self._gathered.add(
                "audio.antiphase", utterance, what, {"correlation": measures.channels_agree, "limit": _OPPOSED}
            )
        quiet, many = self._limits["quiet_peak"], self._limits["clipped_samples"]
        if peak < quiet:
            what = f"'{file}' has a peak of {20 * math.log10(max(peak, 1e-9)):.0f} dBFS"
            self._gathered.add("audio.quiet", utterance, what, {"peak": round(peak, 5), "limit": quiet})
        elif measures.clipped >= many:
            what = f"'{file}' is clipped: {measures.clipped} samples stay at full scale"
            self._gathered.add("audio.clipped", utterance, what, {"samples": measures.clipped, "limit": many})
        if measures.bandwidth and (utterance.sample_rate or 0) >= self._dataset.sample_rate:
            self._highest.append(measures.bandwidth)

    def _upsampled(self) -> Iterator[Finding]:
        """Whether the recordings end well below the highest sound that the voice could have."""
        if len(self._highest) < _FEWEST:
            return
        highest, could = median(self._highest), self._dataset.sample_rate / 2
        limit = self._limits["bandwidth_share"]
        if highest >= limit * could:
            return
        enough = next((rate for rate in (16_000, 22_050) if rate / 2 > highest and rate / 2 < could), None)
        advice = f"set [audio] sample_rate = {enough}, which loses nothing, or " if enough else ""
        message = (
            f"the recordings hold nothing above {highest / 1000:.1f} kHz, the voice's rate could carry "
            f"{could / 1000:.1f} kHz: they were probably resampled upwards, and the voice will sound as dull. "
            f"To mend it, {advice}use the original recordings."
        )
        evidence = {"highest_hz": round(highest), "limit_hz": round(limit * could), "recordings": len(self._highest)}
        subject = self._dataset.metadata.name
        yield Finding(
            rule="audio.bandwidth", severity=Severity.WARNS, subject=subject, message=message, evidence=evidence
        )

    def _whole(
        self, rule: str, severity: Severity, those: Sequence[Utterance], what: str, rest: str, **more: int
    ) -> Finding:
        """One finding about all recordings that have something in common."""
        example, lines = those[0].file, ranges(item.row for item in those)
        return Finding(
            rule=rule,
            severity=severity,
            subject=self._dataset.metadata.name,
            message=f"{len(those)} recording{'s' * (len(those) > 1)} with {what} ({example}) {rest}",
            evidence={"recordings": len(those), "example": example, "lines": lines, **more},
        )


def _finding(rule: str, severity: Severity, utterance: Utterance, message: str, **evidence: float | str) -> Finding:
    return Finding(rule=rule, severity=severity, subject=utterance.subject, message=message, evidence=evidence)
