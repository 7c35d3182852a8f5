"""What is known of a recording before any rule judges it.

Both records are made once for each file, in whatever process or machine, and kept until the file changes. They are
small and plain, so rules compare thousands of them without opening a recording again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A file by its first bytes and its size, against what its name and header say."""

    kind: str
    """What it is: `wav`, `flac`, `ogg`, `mp3`, `aiff` and so on; `lfs-pointer`, `empty`, `directory`, `fifo`, `device`,
    `socket`, `link-loop`, `outside`, `unreadable` or `unknown` where it is no recording at all."""
    bytes: int = 0
    encoding: str = ""
    """`PCM_16`, `PCM_24`, `FLOAT`, as libsndfile calls them."""
    sample_rate: int = 0
    """Hz, by the header."""
    channels: int = 0
    frames: int = 0
    """Samples of one channel that are there."""
    frames_promised: int = 0
    """Samples of one channel by the header; equal to `frames` when it does not lie."""
    link: bool = False
    """A symbolic link leads to it."""
    problem: str = ""
    """Why it can't be decoded, one line; empty when it can."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioMeasures:
    """Numbers of one decoded recording, at its own rate, its channels mixed by their mean unless said otherwise.

    Levels in dB are relative to full scale and never below -200. Of a recording that is longer than five minutes, the
    first five are measured; `seconds` is its whole length.
    """

    seconds: float
    peak: float
    """Largest absolute sample of any channel, full scale = 1."""
    rms_db: float
    """Level of the whole."""
    loudness: float
    """Integrated loudness (ITU-R BS.1770, gated), LUFS; -inf when nothing is above the gate."""
    speech_db: float
    """Median level of the 10-ms windows that hold speech; -200 without speech."""
    noise_db: float
    """Level of the quietest tenth of the 10-ms windows."""
    dc: float
    """Mean, full scale = 1."""
    clipped: int
    """Samples in runs of three or more at full scale, of the worst channel."""
    flat_tops: int
    """Samples in runs of three or more that stay at the recording's own extreme, below full scale: clipped, and scaled
    down later."""
    leading_silence: float
    """Seconds before the first speech; all of them without speech."""
    trailing_silence: float
    """Seconds after the last speech; all of them without speech."""
    starts_loud_db: float
    """Level of the first 5 ms above `noise_db`: cut speech begins loud, a sound that begins there does not yet."""
    ends_loud_db: float
    """Level of the last 5 ms above `noise_db`."""
    longest_gap: float
    """Seconds of the longest run of exact zeros between the first sound and the last; 0 below 20 ms."""
    bandwidth: float
    """Hz of the highest sound (70 dB below the strongest) in its louder half; 0 when it is too short to tell."""
    hum_db: float
    """How far 50 or 60 Hz and their multiples stand out of their surroundings in the pauses; 0 without long pauses."""
    hum_hz: int
    """50, 60, or 0 when there is none."""
    clicks: int
    """Single samples that stick out of their surroundings, at most one in 10 ms."""
    echo: float
    """Strength of the clearest repetition of the signal after 40 to 400 ms, 0 to 1: its level relative to the first."""
    f0: float
    """Median fundamental frequency of the voiced parts, Hz; 0 when nothing is voiced."""
    f0_spread: float
    """Quartile distance of the fundamental frequency in semitones."""
    channels_agree: float
    """Correlation of the first two channels, -1 to 1; 1 for mono."""
    not_finite: int
    """Samples that are NaN or infinite; they count as zeros elsewhere."""
    digest: str
    """Hash of the mixed samples, whatever file they are in."""
    sketch: str
    """64 hexadecimal digits that follow the spectrum over time, whatever level, rate or encoding: nearly the same
    recordings differ in few of the 256 bits, different ones in half of them. Empty without speech."""

    def as_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_json` gave.

        Raises:
            KeyError, TypeError: it isn't that.
        """
        return cls(**{item.name: data[item.name] for item in fields(cls)})
