"""How much GPU memory a training step needs, before anything is there to measure it. Light: no torch.

What a run really takes, its rehearsal finds out (`core_vits.train.rehearsal`). These figures are such measurements, of
other batches: what torch had reserved at the peak of a second step (so with the optimizers' moments) on an NVIDIA H200
with torch 2.11, for 1 to 32 clips of 200 to 3,000 frames in each quality and number format, and for segments of 8,192
and 16,384 samples. The bytes rise with the clips and with the frames that these are padded to, along a plane from which
medium, high and x-low differ by 8 % at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PARAMETERS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "x-low": (7_073_360, 46_747_132),
        "low": (23_663_792, 46_747_132),
        "medium": (23_663_792, 46_747_132),
        "high": (36_336_048, 46_747_132),
        "tiny": (500_161, 208_015),
    }
)
"""Of generator and discriminators of each quality, for one speaker."""
CUDA_BYTES = 600_000_000
"""What CUDA takes for itself beside what torch reserves. By experience; not measured."""
_SEGMENT = 8192
_GRADIENT_BYTES = 4
_HELD_BYTES = 16
"""Of a parameter: weight, gradient and two moments."""


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Bytes of a training step of one quality in one number format."""

    fixed: float
    """Weights, gradients, moments, and workspaces of the operators."""
    a_clip: float
    """Of a segment of 8,192 samples, however long the clip is."""
    a_frame: float
    """Of a frame that a clip is padded to."""
    again: float = 0.0
    """Of the fixed ones, what steps that are recorded need a second time: gradients and workspaces."""

    def bytes(self, clips: int, frames: int, segment_size: int = _SEGMENT) -> float:
        """Of a batch.

        Args:
            clips: in it.
            frames: that all of them are padded to.
            segment_size: samples.
        """
        return self.fixed + clips * (self.a_clip * segment_size / _SEGMENT + self.a_frame * frames)

    def recorded(self, clips: int, frames: int, segment_size: int = _SEGMENT) -> float:
        """Of a batch that is trained both recorded and as usual (`core_vits.train.graphs`). Arithmetic, not measured.

        A shape is trained as usual before it is recorded, and what that took stays with torch. Recordings have memory
        of their own, in which they leave room for one another: that of the largest, with its workspaces. Their
        gradients lie in fixed places, beside those of shapes that are not recorded yet.
        """
        as_usual = self.bytes(clips, frames, segment_size)
        return as_usual + self.again + as_usual - self.fixed


_FLOAT = {
    "x-low": StepMemory(1.22e9, 216e6, 0.132e6),
    "low": StepMemory(1.50e9, 217e6, 0.226e6),
    "medium": StepMemory(1.50e9, 217e6, 0.226e6),
    "high": StepMemory(1.71e9, 325e6, 0.222e6),
    # What the convolutions take for a moment is more than the voice, and does not rise with the batch.
    "tiny": StepMemory(1.40e9, 8e6, 0.022e6),
}
_MIXED = {
    "x-low": StepMemory(1.14e9, 104e6, 0.088e6),
    "low": StepMemory(1.40e9, 105e6, 0.153e6),
    "medium": StepMemory(1.40e9, 105e6, 0.153e6),
    "high": StepMemory(1.56e9, 157e6, 0.161e6),
    "tiny": StepMemory(0.15e9, 5e6, 0.020e6),
}


def step_memory(quality: str, precision: str, *, devices: int = 1) -> StepMemory:
    """Memory of a training step on a GPU, without what CUDA takes for itself.

    Args:
        quality: of the voice, a preset.
        precision: `32-true`, or a mixed one, which are alike.
        devices: processes that train together; with several, gradients travel in copies.
    """
    memory = (_FLOAT if precision == "32-true" else _MIXED)[quality]
    parameters = sum(PARAMETERS[quality])
    copies = _GRADIENT_BYTES * parameters if devices > 1 else 0
    again = _GRADIENT_BYTES * parameters + max(0.0, memory.fixed - _HELD_BYTES * parameters)
    return StepMemory(memory.fixed + copies, memory.a_clip, memory.a_frame, again)
