"""Recordings to cut 16-bit clips, and texts to phonemes meanwhile, a group at a time, on any executor."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core_vits.cutting import Cut, CutPlan, cut
from core_vits.speech_detector import SpeechDetector
from workbench.errors import DatasetError
from workbench.executors import one_by_one
from workbench.workers.targets.phoneme_memo import Sentences
from workbench.workers.targets.process_front import PhonemeSettings, load_front, phonemes_here

# To start a process takes as long as cutting ten clips, and it ends when the last group does.
_CLIPS_A_PROCESS = 100
# Recordings that are listened to at once: half the time of one after the other, and more gain nothing.
_LARGEST_GROUP, _SMALLEST_GROUP = 32, 8

PRELOAD = (__name__, "onnx")
"""What processes that cut silence are forked from; onnxruntime starts threads, so each loads it for itself."""


def worth_starting(clips: int) -> int:
    """Processes that have enough to do, if there are so many cores; 0 or 1: none."""
    return clips // _CLIPS_A_PROCESS


def group_size(clips: int, processes: int) -> int:
    """Recordings to cut at once, so that all processes have several groups."""
    return max(_SMALLEST_GROUP, min(_LARGEST_GROUP, clips // (4 * processes)))


@dataclass(frozen=True, slots=True)
class Group:
    """Recordings that are cut together, and texts to phonemize meanwhile."""

    paths: Sequence[Path]
    texts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a group."""

    cuts: list[Cut | str]
    """Of each recording the clip, or why there is none."""
    phonemes: Mapping[str, Sentences] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cutter:
    """Cuts a group; small, so that it can be sent to another process."""

    plan: CutPlan
    phonemes: PhonemeSettings | None = None
    """None: texts stay as they are."""

    def __call__(self, group: Group) -> Made:
        """Cut and phonemize."""
        detector = _detector() if self.plan.trim_silence and group.paths else None
        return Made(cut(group.paths, self.plan, detector), phonemes_here(self.phonemes, group.texts))

    def ready(self) -> None:
        """Load what a group will need."""
        if self.plan.trim_silence:
            _detector()
        if self.phonemes is not None:
            load_front(self.phonemes)

    def lost(self, group: Group) -> Made:
        """A group that ended its process twice, recording by recording, which takes the least memory.

        Raises:
            DatasetError: one of them does it alone, or each process ends.
        """
        recordings = [Group([path]) for path in group.paths]
        texts = [Group([], [text]) for text in group.texts]
        # Nothing first: whether processes can live here at all.
        made = one_by_one(self, [Group([]), *recordings, *texts], _end)
        phonemes = {text: sentences for part in made for text, sentences in part.phonemes.items()}
        return Made([clip for part in made for clip in part.cuts], phonemes)


def _end(single: Group) -> Made:
    """Not a row to leave out: with more memory the recording might be cut, and the dataset would be another one."""
    if not single.paths and not single.texts:
        raise DatasetError("processes that prepare recordings end as soon as they start; try --executor here.")
    what = f"the recording {single.paths[0]}" if single.paths else f"the text '{single.texts[0]}'"
    raise DatasetError(
        f"{what} ended the process that prepares it, twice: it crashes a library, or needs more memory than there is. "
        "Mend it, or leave it out (workbench curate exclude), and start again; what is prepared is kept."
    )


@functools.cache
def _detector() -> SpeechDetector:
    """That of this process."""
    return SpeechDetector()
