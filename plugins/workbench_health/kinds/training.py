"""Kinds of findings about lengths, memory, and what is left to train."""

from __future__ import annotations

from types import MappingProxyType

from workbench.api import Severity
from workbench_health.kinds import kind

_BLOCKS, _DROPS, _WARNS, _INFO = Severity.BLOCKS, Severity.DROPS, Severity.WARNS, Severity.INFO

LENGTH = (
    kind("length.text", _DROPS, "fewer frames than phoneme ids",
         "No alignment is possible and the row is not trained; Piper trains a wrong one.",
         "Check that recording and text belong together."),
    kind("length.segment", _INFO, "shorter than a training segment",
         "It is filled up with silence; a batch of such clips alone stops Piper.",
         "Join it to another clip, or leave it if there are few."),
    kind("length.long", _WARNS, "much longer than the others",
         "A batch with it takes as much memory as if all its clips were as long.", "Split it at a pause."),
    kind("length.pace", _WARNS, "far more or less text a second than the others",
         "The text is probably not what is said, or the recording runs at a wrong speed, or has long silence.",
         "Listen to it; correct the text or the rate."),
)  # fmt: skip

MEMORY = (
    kind("memory.clip", _WARNS, "a clip that alone does not fit into the GPU's memory",
         "Training ends with its name as soon as it meets it.",
         "Split it at a pause, take it out, or choose a smaller quality."),
    kind("memory.batch", _WARNS, "a largest batch that does not fit into the GPU's memory",
         "It is trained in parts: the same gradients, but more time. Piper would stop.",
         "Set a smaller [training] batch_size, or split the longest clips."),
    kind("memory.graphs", _WARNS, "recorded steps that do not fit into the GPU's memory beside others",
         "The run gives up recording, says so once, and goes on more slowly.",
         "Set [training] cuda_graphs = false, or a smaller batch_size."),
)  # fmt: skip

DATASET = (
    kind("dataset.too-few", _BLOCKS, "fewer than two clips that can be trained",
         "Training can't start.", "Mend the rows that are dropped."),
    kind("dataset.batch", _WARNS, "fewer clips than one batch",
         "Every batch holds all clips.", "Set a smaller [training] batch_size, or record more."),
    kind("dataset.validation", _WARNS, "no clip for validation",
         "Nothing shows when the voice gets worse.", "Set a larger [training] validation_split."),
    kind("dataset.speakers", _WARNS, "one speaker in a voice of several",
         "The voice carries what only several speakers need.", "Set [dataset] multi_speaker = false."),
)  # fmt: skip

KINDS = MappingProxyType({item.name: item for item in (*LENGTH, *MEMORY, *DATASET)})
