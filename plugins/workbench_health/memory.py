"""Whether the clips and the batches that will be trained fit into the GPU's memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from core_vits.manifest import BUCKETS
from core_vits.needed_memory import CUDA_BYTES, StepMemory, step_memory
from workbench.api import DatasetFacts, Finding, Utterance
from workbench_health.gathered import Gathered, Value, worded
from workbench_health.kinds.training import KINDS
from workbench_health.limits import Limits

_TRAIN = "train"
# As many as `core_vits.batching.CLIP_FRAMES`, which costs the import of torch: what a clip costs beside its frames.
_CLIP_FRAMES = 900
# No batch of similar clips costs more than so many times the mean, but one that is a single clip.
_UNEVEN = 2.0


class MemoryRule:
    """Knows the frames of all clips, and asks for the batches themselves only where they may be too large."""

    def __init__(self, dataset: DatasetFacts) -> None:
        self._dataset = dataset
        limits = Limits(dataset)
        self._has = limits["gpu_gb"] * 1e9 or float(dataset.gpu_bytes)
        self._memory = step_memory(dataset.quality, dataset.precision, devices=dataset.devices)
        # In 16-mixed nothing is recorded.
        self._records = dataset.cuda_graphs and dataset.precision != "16-mixed"
        self._gathered = Gathered(dataset, KINDS)
        self._clips: dict[int, Utterance] = {}

    def check(self, utterance: Utterance) -> Iterable[Finding]:
        """Keep one clip that will be trained."""
        if self._has and utterance.is_trained and utterance.frames:
            self._clips[utterance.row] = utterance
        return ()

    def finish(self) -> Iterator[Finding]:
        """Clips that do not fit alone; else, the largest batch, recorded as well where steps are."""
        if not self._clips:
            return
        for clip in self._clips.values():
            need = self._need(1, clip.frames or 0)
            if need > self._has:
                what = (
                    f"'{clip.file}' ({clip.seconds or 0:.1f} s, {clip.frames} frames) needs about {need / 1e9:.1f} GB "
                    f"alone ({self._how()}), the GPU has {self._has / 1e9:.1f} GB"
                )
                evidence: dict[str, Value] = {
                    "need": round(need),
                    "has": round(self._has),
                    "seconds": round(clip.seconds or 0.0, 2),
                    "frames": clip.frames or 0,
                }
                self._gathered.add("memory.clip", clip, what, evidence)
        found = list(self._gathered.findings())
        yield from found
        if not found and self._may_be_too_large():
            yield from self._largest()

    def _largest(self) -> Iterator[Finding]:
        batches = largest_batches(self._dataset, {row: clip.frames or 0 for row, clip in self._clips.items()})
        sizes = [(self._need(len(batch), max(batch)), len(batch), max(batch)) for batch in batches]
        need, clips, frames = max(sizes, default=(0.0, 0, 0))
        evidence: dict[str, Value] = {
            "need": round(need),
            "has": round(self._has),
            "clips": clips,
            "frames": frames,
            "batch_size": self._dataset.batch_size,
            "batching": self._dataset.batching,
            "quality": self._dataset.quality,
            "precision": self._dataset.precision,
            "segment": self._dataset.segment_size,
        }
        largest = f"the largest batch, {clips} clips of up to {frames} frames, needs about"
        has, table = f"the GPU has {self._has / 1e9:.1f} GB", self._dataset.metadata.name
        if need > self._has:
            what = f"{largest} {need / 1e9:.1f} GB ({self._how()}), {has}"
            yield worded(KINDS["memory.batch"], table, what, evidence)
        elif self._records and (both := self._need_recorded(clips, frames)) > self._has:
            what = (
                f"{largest} {need / 1e9:.1f} GB, and recorded as well about {both / 1e9:.1f} GB ({self._how()}; by "
                f"arithmetic, not measured), {has}"
            )
            yield worded(
                KINDS["memory.graphs"], table, what, {**evidence, "need": round(both), "unrecorded": round(need)}
            )

    def _need(self, clips: int, frames: int) -> float:
        return CUDA_BYTES + self._memory.bytes(clips, frames, self._dataset.segment_size)

    def _need_recorded(self, clips: int, frames: int) -> float:
        return CUDA_BYTES + self._memory.recorded(clips, frames, self._dataset.segment_size)

    def _how(self) -> str:
        return f"quality {self._dataset.quality}, {self._dataset.precision}, segment {self._dataset.segment_size}"

    def _may_be_too_large(self) -> bool:
        """Whether a batch could be, by the longest clip and the mean; without torch."""
        frames = [clip.frames or 0 for clip in self._clips.values()]
        clips = self._dataset.batch_size
        need = self._need_recorded if self._records else self._need
        if self._dataset.batching != BUCKETS:
            return need(clips, max(frames)) > self._has
        cost = _UNEVEN * clips * (_CLIP_FRAMES + sum(frames) / len(frames))
        batch = cost * _a_frame(self._memory, self._dataset.segment_size)
        return need(0, 0) + (2 if self._records else 1) * batch > self._has


def _a_frame(memory: StepMemory, segment_size: int) -> float:
    """Bytes of a frame of cost, whatever share of it is a clip's."""
    return max(memory.a_frame, memory.bytes(1, 0, segment_size) / _CLIP_FRAMES - memory.fixed / _CLIP_FRAMES)


def largest_batches(dataset: DatasetFacts, frames: dict[int, int]) -> Sequence[Sequence[int]]:
    """Frames of the clips of each batch in the epochs that a rehearsal looks at.

    Args:
        dataset: says how batches are made, of which part of the split.
        frames: of each line.
    """
    from core_vits.batching import SAMPLERS, padded_size
    from core_vits.train.data import EPOCHS_AHEAD

    lengths = [frames[row] for row, part in dataset.parts().items() if part == _TRAIN and row in frames]
    if not lengths:
        return []
    batching, world = dataset.batching, dataset.devices
    batches = []
    for rank in range(world):
        sampler = SAMPLERS[batching](lengths, dataset.batch_size, dataset.seed, rank=rank, world=world)
        batches += [batch for epoch in range(EPOCHS_AHEAD) for batch in sampler.batches(epoch)]
    padded = padded_size if batching == BUCKETS else int
    return [[padded(lengths[clip]) for clip in batch] for batch in batches]
