"""Speaking before all is spoken: how a sentence's latent frames are decoded in chunks that join without a trace.

A frame's audio depends on the frames around it, as far as the decoder's convolutions reach and no farther. A chunk that
is decoded with that many frames more on both sides, whose audio is then cut away, is the same audio as if all frames
were decoded at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from core_vits.config import ModelConfig
from core_vits.layers.hifigan import OUTER_KERNEL

FIRST_FRAMES = 24
"""Of the first chunk; a quarter of a second of speech at 22,050 Hz and 256 samples a frame."""
GROWTH = 2
"""Each chunk is so much longer than the one before: fewer chunks, fewer margins to decode for nothing. While a chunk is
heard the next one is made, so a machine must speak at least so many times faster than it is heard."""
MOST_FRAMES = 768
"""Of a chunk, margins aside; eight seconds. It bounds the memory, and how long a stop waits."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How many steps before and after its own place an output looks at."""

    before: int
    after: int

    def through_convolution(self, kernel_size: int, dilation: int = 1) -> Self:
        """The reach at the input of a convolution that keeps the length (odd kernel)."""
        side = dilation * (kernel_size - 1) // 2
        return type(self)(self.before + side, self.after + side)


def decoder_reach(config: ModelConfig) -> Reach:
    """How many latent frames before and after a frame its audio depends on, counted from the architecture.

    The interval of samples of one frame is followed back through the decoder, layer by layer, to the frames it is made
    of.
    """
    first, last = 0, config.audio.hop_length - 1
    # The parallel blocks of a stage are added up, so the widest counts.
    widest = max(_block_reach(config, index) for index in range(len(config.resblock_kernel_sizes)))
    outer = OUTER_KERNEL // 2
    first, last = first - outer, last + outer
    for rate, kernel in reversed(list(zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True))):
        first, last = first - widest, last + widest
        padding = (kernel - rate) // 2
        # A transposed convolution puts input i at the outputs i * rate - padding to i * rate - padding + kernel - 1.
        first, last = -((kernel - 1 - padding - first) // rate), (last + padding) // rate
    return Reach(outer - first, last + outer)


def _block_reach(config: ModelConfig, index: int) -> int:
    """Steps that a residual block reaches to either side."""
    half = config.resblock_kernel_sizes[index] // 2
    dilations = config.resblock_dilation_sizes[index]
    # Block "1" has a plain convolution behind each dilated one.
    return half * (sum(dilations) + (len(dilations) if config.resblock == "1" else 0))


def decoder_margin(config: ModelConfig) -> int:
    """Frames to decode before and after a chunk so that its audio is exact; one fewer is not enough."""
    reach = decoder_reach(config)
    return max(reach.before, reach.after)


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """Frames that are decoded together."""

    begin: int
    end: int
    """The frames whose audio is kept."""
    context_begin: int
    context_end: int
    """The frames that are decoded: the margins too, as far as there are frames."""

    def samples(self, hop_length: int) -> slice:
        """What to keep of the decoded audio."""
        return slice((self.begin - self.context_begin) * hop_length, (self.end - self.context_begin) * hop_length)


def chunks(
    frames: int, margin: int, *, first: int = FIRST_FRAMES, growth: float = GROWTH, most: int = MOST_FRAMES
) -> Iterator[Chunk]:
    """The chunks of a sentence: a short one, so that something is heard soon, then longer ones.

    Args:
        frames: of the sentence.
        margin: from `decoder_margin`.
        first: frames of the first chunk.
        growth: of each chunk over the one before.
        most: frames of the longest chunk.
    """
    begin, size = 0, float(first)
    while begin < frames:
        end = min(frames, begin + int(size))
        # A remnant costs as much margin as a chunk, so it is added to the last one.
        if frames - end < margin:
            end = frames
        yield Chunk(begin=begin, end=end, context_begin=max(0, begin - margin), context_end=min(frames, end + margin))
        begin, size = end, min(most, size * growth)
