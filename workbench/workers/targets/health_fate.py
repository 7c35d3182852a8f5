"""What the trainer will make of each row, worked out as the preparation does it, before there is one.

Most rows need nothing for that which the scan has not measured. Where only the cut clip can tell (silence around little
speech, next to no signal), the recording is cut as the preparation cuts it, once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core_vits.cache import clip_key
from core_vits.cutting import Cut, CutPlan, cut
from core_vits.manifest import Row
from core_vits.recordings import hash_recording
from core_vits.speech_detector import SpeechDetector
from workbench.api import Utterance
from workbench.config import HOP_LENGTH, Workspace
from workbench.config.settings import TEXT
from workbench.jobs.background import Background, background_of
from workbench.jobs.checks import not_found
from workbench.jobs.untrained import EMPTY_TEXT, why_repeated, why_uncut, why_unfit, why_unspoken
from workbench.scan.cut_memo import CutMemo, Left
from workbench.workers.targets.frontend import FrontEnd, Spoken, cache_settings, known_recordings

# Below this, rounding to 16 bits and mixing decide whether anything is left.
_NEARLY_SILENT = 4 / 32768
# Usual speech has two to four frames a phoneme id. Where a whole recording, or what in it is louder than its noise, has
# hardly more frames than ids, what the cut leaves may be too short.
_FRAMES_AN_ID = 1.5
_LOUD_FRAMES_AN_ID = 1.2


class Fates:
    """Tells of each row, in the order of the table, whether it will be trained, and at the end in which part."""

    def __init__(self, workspace: Workspace, front: FrontEnd | None) -> None:
        """
        Args:
            workspace: whose dataset it is.
            front: makes phoneme ids; without one nothing is dropped for its text, since nothing can start anyway.
        """
        self._workspace = workspace
        self._front = front
        audio = workspace.audio
        self._plan = CutPlan(audio.sample_rate, audio.trim_silence, audio.keep_seconds_before, audio.keep_seconds_after)
        self._detector: SpeechDetector | None = None
        self._cuts = CutMemo(workspace.cache / "measures" / "cuts.jsonl", self._plan)
        self._clips: dict[tuple[object, ...], list[tuple[Path, int]]] = {}
        self._hashes: dict[Path, str] = {}
        self._trained: list[tuple[Row, Path]] = []
        self._parts: dict[int, str] | None = None

    def tell(self, row: Row, utterance: Utterance, spoken: Spoken | None) -> Utterance:
        """The utterance with its `frames`, `same_as` and `dropped`."""
        utterance = replace(utterance, frames=self._whole_frames(utterance), same_as=self._same(row, utterance))
        why = self._why_without_cut(utterance, spoken)
        if not why and self._is_doubtful(utterance):
            utterance, why = self._cut(utterance)
        if not why and utterance.frames is not None:
            why = why_unfit(utterance.phoneme_ids or (), utterance.frames)
        if why:
            return replace(utterance, dropped=why)
        if utterance.path is not None:
            self._trained.append((row, utterance.path))
        return utterance

    def _why_without_cut(self, utterance: Utterance, spoken: Spoken | None) -> str:
        if utterance.path is None:
            return not_found(self._workspace, utterance.file)
        if self._workspace.dataset.type == TEXT and not utterance.text.strip():
            return EMPTY_TEXT
        if utterance.same_as is not None:
            return why_repeated(utterance.same_as)
        if spoken is not None and (why := why_unspoken(spoken.error, spoken.phonemes)):
            return why
        return why_uncut(utterance.audio_error) if utterance.audio_error else ""

    def _same(self, row: Row, utterance: Utterance) -> int | None:
        """The line of the clip that is this one as well: the file's bytes, text, speaker and ids are the same."""
        path, measures = utterance.path, utterance.measures
        # Bytes can be the same only where samples are.
        if path is None or measures is None or (self._workspace.dataset.type == TEXT and not row.text.strip()):
            return None
        others = self._clips.setdefault((measures.digest, row.text, row.speaker, row.phoneme_ids), [])
        for other, line in others:
            if other == path or self._hash(other) == self._hash(path):
                return line
        others.append((path, row.line))
        return None

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            try:
                self._hashes[path] = hash_recording(path)
            except OSError:
                self._hashes[path] = str(path)
        return self._hashes[path]

    def _whole_frames(self, utterance: Utterance) -> int | None:
        if utterance.seconds is None or utterance.sample_rate is None:
            return None
        samples = round(utterance.seconds * utterance.sample_rate)
        return math.ceil(samples * self._plan.sample_rate / utterance.sample_rate) // HOP_LENGTH

    def _is_doubtful(self, utterance: Utterance) -> bool:
        """Whether only the cut clip tells what becomes of it."""
        measures, frames = utterance.measures, utterance.frames
        if measures is None or frames is None:
            return False
        mixed = 10 ** (measures.rms_db / 20) if (utterance.channels or 1) > 1 else math.inf
        if min(measures.peak, mixed) < _NEARLY_SILENT:
            return True
        loud = measures.seconds - measures.leading_silence - measures.trailing_silence
        loud_frames = max(0.0, loud) * self._plan.sample_rate / HOP_LENGTH
        needed = len(utterance.phoneme_ids or ())
        return self._plan.trim_silence and (
            frames < _FRAMES_AN_ID * needed or loud_frames < _LOUD_FRAMES_AN_ID * needed
        )

    def _cut(self, utterance: Utterance) -> tuple[Utterance, str]:
        """With the frames that are left after cutting, and why there are none."""
        left = self._cuts.left(utterance.path, self._left) if utterance.path is not None else "is gone"
        if isinstance(left, int):
            return replace(utterance, frames=left // HOP_LENGTH), ""
        return replace(utterance, frames=0), why_uncut(left)

    def _left(self, recording: Path) -> Left:
        if self._plan.trim_silence and self._detector is None:
            self._detector = SpeechDetector()
        (made,) = cut([recording], self._plan, self._detector)
        return len(made.samples) if isinstance(made, Cut) else made

    def keep(self) -> None:
        """Keep what cutting left, for the next scan. Asked once all rows were told."""
        self._cuts.save()

    # --- the split ---------------------------------------------------------------------------------------------------

    def parts(self) -> Mapping[int, str]:
        """Part of the split of each line that is trained: `train`, `validation` or `test`, as a new run will have it.

        Asked once all rows were told. Costs the import of torch, which draws the split, so rules ask only where the
        answer matters. Empty where nothing can be trained.
        """
        if self._parts is None:
            try:
                self._parts = self._split()
            except OSError:  # a recording went away meanwhile
                self._parts = {}
        return self._parts

    @property
    def known_parts(self) -> Mapping[int, str]:
        """The same, empty if nobody has asked."""
        return self._parts or {}

    def _split(self) -> dict[int, str]:
        from workbench.workers.targets.splitting import planned_split

        start = self._workspace.start_checkpoint
        before = background_of(start) if start is not None else Background()
        rows = [row for row, _ in self._trained]
        # A split is drawn by the number of clips; keys only say which of them a run before had.
        keys = self._keys() if before.part_of_key else [str(row.line) for row in rows]
        files = {key: row.file for key, row in zip(keys, rows, strict=True)}
        lines = {key: row.line for key, row in zip(keys, rows, strict=True)}
        planned, _ = planned_split(tuple(files), self._workspace.training, before, files)
        return {lines[key]: part for part, chosen in planned.as_json().items() for key in chosen}

    def _keys(self) -> list[str]:
        """Keys of the clips in the cache. It reads recordings whose hash is not known yet."""
        if self._front is None:
            return [str(row.line) for row, _ in self._trained]
        settings = cache_settings(self._workspace, self._front)
        hashes = known_recordings(self._workspace, settings).hashes([(path, path.stat()) for _, path in self._trained])
        return [
            clip_key(settings.fingerprint(), str(digest), row.text, row.speaker, row.phoneme_ids)
            for (row, _), digest in zip(self._trained, hashes, strict=True)
        ]
