"""The thresholds that rules stand on: their names in `[health]`, and what holds when the user sets none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from workbench.api import DatasetFacts


@dataclass(frozen=True, slots=True)
class Limit:
    """One threshold."""

    default: float
    about: str
    """What it limits, with its unit."""


LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "rows_named": Limit(50, "rows with the same kind of finding that are told one by one; more become one finding"),
        "outlier": Limit(4.5, "how many robust standard deviations from the median an outlier is"),
        "clipped_samples": Limit(12, "samples in runs at full scale, or at the recording's own extreme"),
        "quiet_peak": Limit(0.005, "peak, full scale = 1, below which a recording is very quiet"),
        "offset": Limit(0.01, "mean of the signal, full scale = 1"),
        "snr_db": Limit(20.0, "dB of speech above noise that every clip should have"),
        "snr_step_db": Limit(15.0, "dB of speech above noise less than usual, for an outlier"),
        "level_step_db": Limit(6.0, "dB of loudness from the speaker's usual, for an outlier"),
        "hum_db": Limit(12.0, "dB of hum above its surroundings"),
        "bandwidth_share": Limit(0.75, "share of the usual bandwidth, or of half the voice's rate for all clips"),
        "silence_seconds": Limit(1.0, "seconds of silence before or after the speech"),
        "cut_db": Limit(12.0, "dB below its usual level that speech may have at a recording's first or last moment"),
        "clicks": Limit(2, "clicks in a recording"),
        "gap_seconds": Limit(0.02, "seconds of exact zeros amid a recording"),
        "echo": Limit(0.3, "level of a repetition after 40 to 400 ms, relative to the first"),
        "echo_step": Limit(0.1, "the same above the usual clip's, for an outlier"),
        "pitch_step": Limit(4.0, "semitones from the speaker's usual pitch, for an outlier"),
        "pace_factor": Limit(1.35, "how many times faster or slower than usual, for an outlier"),
        "long_seconds": Limit(20.0, "seconds below which no clip is called long"),
        "long_factor": Limit(3.0, "times the usual length above which a clip is called long"),
        "gpu_gb": Limit(0.0, "GB of GPU memory that a step may take; 0: what the smallest GPU here has, if any"),
        "rare_phoneme": Limit(5, "occurrences below which a sound of the language is rare"),
        "near_bits": Limit(0.22, "share of a sketch in which two recordings of nearly the same sound may differ"),
    }
)


def limits_of(*names: str) -> dict[str, float]:
    """The usual values of some thresholds, as a rule's record declares them."""
    return {name: LIMITS[name].default for name in names}


class Limits:
    """The thresholds of one dataset: `limits["snr_db"]`."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._set = dataset.limits

    def __getitem__(self, name: str) -> float:
        return float(self._set.get(name, LIMITS[name].default))
