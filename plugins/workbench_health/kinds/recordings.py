"""Kinds of findings about rows, the files they name, and how these are encoded."""

from __future__ import annotations

from types import MappingProxyType

from workbench.api import Severity
from workbench_health.kinds import kind

_DROPS, _WARNS, _INFO = Severity.DROPS, Severity.WARNS, Severity.INFO

RECORDING = (
    kind("recording.missing", _DROPS, "the recording is not there",
         "The row is not trained.", "Rename the file or fix the row."),
    kind("recording.header", _DROPS, "the first row is a heading",
         "Piper takes it for a clip whose recording is missing.", "Delete the line."),
    kind("recording.outside", _DROPS, "the path leads out of the folder of recordings",
         "It is not followed and the row is not trained; Piper opens it.",
         "Copy the recording into the folder and name it without '..'."),
    kind("recording.special", _DROPS, "no regular file: a folder, a pipe or a device",
         "The row is not trained; a pipe would stop Piper for ever.", "Put the recording there."),
    kind("recording.twice", _WARNS, "two rows name the same recording",
         "Two texts for one recording teach at least one wrong reading.", "Delete the wrong row."),
    kind("recording.repeated", _DROPS, "the same row stands twice",
         "It is trained once; Piper trains it twice, and its split may put it on both sides.",
         "Delete one of the rows."),
    kind("recording.link", _INFO, "the recording is a symbolic link",
         "A copy of the folder without its target has no recording.", "Copy the files if the dataset is to be moved."),
    kind("recording.orphan", _INFO, "recordings that no row names",
         "They are not trained.", "Add rows for them, or take them out of the folder."),
)  # fmt: skip

AUDIO = (
    kind("audio.unusable", _DROPS, "the recording can't be decoded, is cut short, empty or a Git LFS pointer",
         "The row is not trained.", "Copy, convert or record it again."),
    kind("audio.silent", _DROPS, "digital silence",
         "The row is not trained.", "Record it again."),
    kind("audio.rate", _WARNS, "another sample rate than the voice's",
         "A lower rate than the voice's teaches that nothing sounds above half of it; a higher one is resampled.",
         "Use better recordings, or set [audio] sample_rate."),
    kind("audio.channels", _INFO, "several channels",
         "They are mixed to mono.", "Nothing, unless only one of them holds the voice."),
    kind("audio.antiphase", _WARNS, "the channels cancel each other out",
         "Mixed to mono, little or nothing of the voice is left.", "Keep one channel, or turn one of them over."),
    kind("audio.8-bit", _WARNS, "8 bits a sample",
         "The voice learns the quantisation noise, which is 48 dB below full scale.",
         "Use the recording with 16 bits or more; converting this one does not help."),
    kind("audio.extension", _WARNS, "the file is not what its name says",
         "It is trained here, other programs refuse it or read it as noise.",
         "Convert it, or give it the right suffix."),
    kind("audio.lossy", _INFO, "a lossy format",
         "The voice learns what the compression left out.", "Use the original recordings if there are any."),
    kind("audio.header", _WARNS, "the header gives a shorter length than the file has",
         "What lies beyond is not trained, and the text may not match.", "Copy or convert it again."),
    kind("audio.quiet", _WARNS, "very quiet",
         "The voice learns its noise.", "Raise its level."),
    kind("audio.clipped", _WARNS, "clipped at full scale",
         "The voice learns the distortion.", "Record it again at a lower level."),
    kind("audio.bandwidth", _WARNS, "the recordings were resampled upwards",
         "The voice sounds as dull as they do.", "Use the original recordings, or set a lower [audio] sample_rate."),
)  # fmt: skip

KINDS = MappingProxyType({item.name: item for item in (*RECORDING, *AUDIO)})
