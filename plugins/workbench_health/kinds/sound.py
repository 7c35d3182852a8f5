"""Kinds of findings about how recordings sound, each by itself and among the others."""

from __future__ import annotations

from types import MappingProxyType

from workbench.api import Severity
from workbench_health.kinds import kind

_DROPS, _WARNS, _INFO = Severity.DROPS, Severity.WARNS, Severity.INFO

SIGNAL = (
    kind("signal.flat-tops", _WARNS, "clipped, then scaled down",
         "The voice learns the distortion.", "Record it again, or take the clip out."),
    kind("signal.offset", _WARNS, "the signal does not swing around zero (DC)",
         "Clips begin and end with a click, and the level is lost to the offset.", "High-pass it at 20 Hz."),
    kind("signal.noise", _WARNS, "noisy",
         "The voice learns the noise.", "Record it again, or take the clip out."),
    kind("signal.level", _WARNS, "much louder or quieter than the others",
         "The voice learns to change its loudness without a reason in the text.", "Bring it to the others' loudness."),
    kind("signal.hum", _WARNS, "mains hum",
         "The voice hums.", "Filter out the hum, or record it again."),
    kind("signal.dull", _WARNS, "much less treble than the others",
         "The voice learns two timbres, and which comes is chance.", "Use the original, or take the clip out."),
    kind("signal.leading-silence", _INFO, "long silence before the speech",
         "Trimming cuts it ([audio] trim_silence); without trimming the voice learns to wait.",
         "Cut it, or keep trimming on."),
    kind("signal.trailing-silence", _INFO, "long silence after the speech",
         "Trimming cuts it ([audio] trim_silence); without trimming the voice learns to stay silent.",
         "Cut it, or keep trimming on."),
    kind("signal.cut-start", _WARNS, "the speech is already loud when the recording begins",
         "A part of the first sound is missing, and the voice learns to swallow it.",
         "Cut the recording again with a pause before the speech."),
    kind("signal.cut-end", _WARNS, "the speech is still loud when the recording ends",
         "A part of the last sound is missing, and the voice learns to swallow it.",
         "Cut the recording again with a pause after the speech."),
    kind("signal.clicks", _WARNS, "clicks",
         "The voice learns to click.", "Repair the clicks, or take the clip out."),
    kind("signal.dropout", _WARNS, "exact zeros amid the recording",
         "Sound is missing, and the voice learns to stop.", "Record it again, or take the clip out."),
    kind("signal.echo", _WARNS, "an echo",
         "The voice learns the room.", "Record it again, or take the clip out."),
    kind("signal.pitch", _WARNS, "another pitch than the speaker's",
         "It is another person, or the recording runs at a wrong speed: the voice learns two timbres.",
         "Listen to it; correct the rate, or take the clip out."),
)  # fmt: skip

DUPLICATE = (
    kind("duplicate.audio", _WARNS, "two files hold the same sound",
         "The clip counts twice, and if the texts differ, one of them is wrong.", "Delete one of the rows."),
    kind("duplicate.near", _WARNS, "two files sound nearly the same",
         "The clip counts twice, and if the texts differ, one of them is wrong.",
         "Listen to both; delete one if they are the same take."),
    kind("duplicate.clip", _DROPS, "the same recording and text as another row, under another name",
         "It is trained once; Piper trains it twice, and its split may put it on both sides.",
         "Delete one of the rows."),
    kind("duplicate.split", _WARNS, "a validation clip that is trained as well, as sound or text",
         "The validation loss looks better than it is, and the best checkpoint may be the wrong one.",
         "Keep one row of each pair."),
)  # fmt: skip

KINDS = MappingProxyType({item.name: item for item in (*SIGNAL, *DUPLICATE)})
