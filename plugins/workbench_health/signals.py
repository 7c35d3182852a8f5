"""How the recordings sound, each against what is usual for its speaker."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workbench.api import AudioMeasures, DatasetFacts, Finding, Utterance
from workbench_health.distribution import Usual, usual
from workbench_health.gathered import Gathered, Value
from workbench_health.kinds.sound import KINDS
from workbench_health.limits import Limits

# Channels that cancel each other out leave less than this.
_SILENT_DB = -90.0
# A shorter recording has too few voiced parts or pauses to be compared by them.
_PITCH_SECONDS = 1.0
_EDGES_SECONDS = 0.5
_PAUSE_SECONDS = 3.0
_PAUSE_SHARE = 0.1
# Where this much is heard beside the speech, noise is no reason to take a clip out, however quiet the others are.
_CLEAN_DB = 35.0
# Speech in the first or the last window has no pause before or after it; the last window may end up to 10 ms early.
_EDGE_SECONDS = 0.015
_CUT = "within {seconds:.2f} s of its {edge} at {level:+.0f} dB of its usual level"


@dataclass(frozen=True, slots=True)
class _Speaker:
    """What is usual for one speaker."""

    loudness: Usual
    snr: Usual
    bandwidth: Usual
    semitones: Usual
    echo: Usual


class SignalRule:
    """Keeps the measures of all recordings, and judges each when all are known."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        self._limits = Limits(dataset)
        self._gathered = Gathered(dataset, KINDS)
        self._heard: dict[str, list[tuple[Utterance, AudioMeasures]]] = defaultdict(list)

    def check(self, utterance: Utterance) -> Iterable[Finding]:
        """Keep one recording; silence and what can't be decoded are told elsewhere."""
        measures = utterance.measures
        heard = measures is not None and measures.peak > self._limits["quiet_peak"] and measures.speech_db > _SILENT_DB
        if measures is not None and heard and not utterance.audio_error:
            self._heard[utterance.speaker or ""].append((utterance, measures))
        return ()

    def finish(self) -> Iterator[Finding]:
        """Every recording against its limits and against the speaker's others."""
        for heard in self._heard.values():
            speaker = self._usual([measures for _, measures in heard])
            for utterance, measures in heard:
                self._damage(utterance, measures)
                if measures.seconds >= _EDGES_SECONDS:
                    self._edges(utterance, measures)
                self._among_others(utterance, measures, speaker)
        yield from self._gathered.findings()

    def _usual(self, heard: list[AudioMeasures]) -> _Speaker:
        return _Speaker(
            loudness=usual([item.loudness for item in heard if math.isfinite(item.loudness)]),
            snr=usual([_snr(item) for item in heard if _has_pauses(item)]),
            bandwidth=usual([item.bandwidth for item in heard if item.bandwidth]),
            semitones=usual([_semitones(item.f0) for item in heard if item.f0 and item.seconds >= _PITCH_SECONDS]),
            echo=usual([item.echo for item in heard]),
        )

    def _tell(self, kind: str, utterance: Utterance, what: str, limit: str, **evidence: Value) -> None:
        rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in evidence.items()}
        bound = self._limits[limit]
        shown = f"{what} (limit {bound:g})"
        self._gathered.add(kind, utterance, shown, {**rounded, "limit": bound, "limit_name": limit})

    def _damage(self, utterance: Utterance, measures: AudioMeasures) -> None:
        """What is wrong with a recording whatever the others are like."""
        file, limits = f"'{utterance.file}'", self._limits
        if measures.flat_tops >= limits["clipped_samples"]:
            what = f"{file} has {measures.flat_tops} samples in a row at its own extreme, {measures.peak:.2f}"
            self._tell("signal.flat-tops", utterance, what, "clipped_samples", samples=measures.flat_tops)
        if abs(measures.dc) > limits["offset"] and not self._is_clipped(measures):  # a clipped signal is lopsided
            self._tell(
                "signal.offset", utterance, f"{file} has a mean of {measures.dc:+.3f}", "offset", mean=measures.dc
            )
        if measures.hum_hz and measures.hum_db >= limits["hum_db"]:
            what = f"{file} hums at {measures.hum_hz} Hz, {measures.hum_db:.0f} dB above its surroundings"
            self._tell("signal.hum", utterance, what, "hum_db", hertz=measures.hum_hz, db=measures.hum_db)
        if measures.clicks >= limits["clicks"]:
            what = f"{file} has {measures.clicks} click{'s' * (measures.clicks > 1)}"
            self._tell("signal.clicks", utterance, what, "clicks", clicks=measures.clicks)
        if measures.longest_gap > limits["gap_seconds"]:
            what = f"{file} has {1000 * measures.longest_gap:.0f} ms of exact zeros in it"
            self._tell("signal.dropout", utterance, what, "gap_seconds", seconds=measures.longest_gap)

    def _edges(self, utterance: Utterance, measures: AudioMeasures) -> None:
        """Silence and speech at both ends."""
        file, limits = f"'{utterance.file}'", self._limits
        for edge, silence, loud in (
            ("start", measures.leading_silence, measures.starts_loud_db),
            ("end", measures.trailing_silence, measures.ends_loud_db),
        ):
            level = measures.noise_db + loud - measures.speech_db
            if silence > limits["silence_seconds"]:
                kind, where = ("leading", "before") if edge == "start" else ("trailing", "after")
                what = f"{file} has {silence:.1f} s of silence {where} the speech"
                self._tell(f"signal.{kind}-silence", utterance, what, "silence_seconds", seconds=silence)
            elif silence < _EDGE_SECONDS and level > -limits["cut_db"]:
                what = f"{file} speaks " + _CUT.format(seconds=_EDGE_SECONDS, edge=edge, level=level)
                self._tell(f"signal.cut-{edge}", utterance, what, "cut_db", level_db=level)

    def _among_others(self, utterance: Utterance, measures: AudioMeasures, speaker: _Speaker) -> None:
        """What is unusual about a recording."""
        file, limits = f"'{utterance.file}'", self._limits
        if _has_pauses(measures) and abs(measures.dc) <= limits["offset"]:  # an offset fills the pauses
            self._noise(utterance, _snr(measures), speaker.snr)
        unlike = math.isfinite(measures.loudness) and not self._is_clipped(measures)
        if unlike and self._is_far(speaker.loudness, measures.loudness, "level_step_db"):
            step = measures.loudness - speaker.loudness.middle
            what = f"{file} is {abs(step):.0f} dB {'louder' if step > 0 else 'quieter'} than the usual clip"
            self._tell("signal.level", utterance, what, "level_step_db", lufs=measures.loudness, step_db=step)
        self._echo(utterance, measures.echo, speaker.echo)
        self._bandwidth(utterance, measures, speaker.bandwidth)
        if measures.f0 and measures.seconds >= _PITCH_SECONDS:
            step = _semitones(measures.f0) - speaker.semitones.middle
            if self._is_far(speaker.semitones, _semitones(measures.f0), "pitch_step"):
                what = (
                    f"{file} speaks at {measures.f0:.0f} Hz, {abs(step):.1f} semitones "
                    f"{'above' if step > 0 else 'below'} the usual clip"
                )
                self._tell("signal.pitch", utterance, what, "pitch_step", hertz=measures.f0, semitones=step)

    def _echo(self, utterance: Utterance, echo: float, others: Usual) -> None:
        """An echo that is strong by itself, or where the others have none."""
        unlike = echo > others.middle and self._is_far(others, echo, "echo_step")
        if echo > self._limits["echo"] or unlike:
            limit = "echo" if echo > self._limits["echo"] else "echo_step"
            what = (
                f"'{utterance.file}' repeats itself after 40 to 400 ms at {echo:.2f} of its level, the usual clip at "
            )
            self._tell("signal.echo", utterance, f"{what}{others.middle:.2f}", limit, echo=echo, usual=others.middle)

    def _bandwidth(self, utterance: Utterance, measures: AudioMeasures, others: Usual) -> None:
        lower = utterance.sample_rate is not None and utterance.sample_rate < self._dataset.sample_rate
        if not measures.bandwidth or lower:  # a lower rate is told by itself
            return
        step = (1 - self._limits["bandwidth_share"]) * others.middle
        if measures.bandwidth < others.middle and others.is_far(measures.bandwidth, self._limits["outlier"], step):
            what = (
                f"'{utterance.file}' holds nothing above {measures.bandwidth / 1000:.1f} kHz, the usual clip reaches "
                f"{others.middle / 1000:.1f} kHz"
            )
            self._tell("signal.dull", utterance, what, "bandwidth_share", hertz=measures.bandwidth, usual=others.middle)

    def _is_clipped(self, measures: AudioMeasures) -> bool:
        return max(measures.clipped, measures.flat_tops) >= self._limits["clipped_samples"]

    def _is_far(self, others: Usual, value: float, step: str) -> bool:
        return others.is_far(value, self._limits["outlier"], self._limits[step])

    def _noise(self, utterance: Utterance, snr: float, others: Usual) -> None:
        """Noise that is loud by itself, or where the others have much less."""
        unlike = snr < min(_CLEAN_DB, others.middle) and self._is_far(others, snr, "snr_step_db")
        limit = "snr_step_db" if unlike and snr >= self._limits["snr_db"] else "snr_db"
        if snr < self._limits["snr_db"] or unlike:
            what = f"'{utterance.file}' has its speech {snr:.0f} dB above the noise, the usual clip {others.middle:.0f}"
            self._tell("signal.noise", utterance, what, limit, db=snr, usual=others.middle)


def _snr(measures: AudioMeasures) -> float:
    """Speech above noise, dB; without a pause the quietest tenth of a clip is speech, and its ends tell the noise."""
    ends = min(0.0, max(measures.starts_loud_db, measures.ends_loud_db))
    return measures.speech_db - (measures.noise_db + ends)


def _has_pauses(measures: AudioMeasures) -> bool:
    """Whether the quietest tenth of a recording is its noise and not quiet speech."""
    silence = measures.leading_silence + measures.trailing_silence
    short = measures.seconds < _PAUSE_SECONDS
    return not short or (measures.seconds >= _EDGES_SECONDS and silence >= _PAUSE_SHARE * measures.seconds)


def _semitones(hertz: float) -> float:
    return 12 * math.log2(hertz)
