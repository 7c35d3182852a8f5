"""Monotonic alignment of frames to phonemes on a GPU: one Triton program an utterance, and nothing the host waits for.

Imported only where there is a CUDA tensor to align; needs the package `triton`, which CUDA builds of torch bring.

Legend: B utterances, F frames, T phonemes.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

DIRECTIONS = tl.constexpr(32)
"""Frames whose directions share a word, a bit each."""


# Sizes change from batch to batch; a kernel made for some of them would be compiled again and again.
@triton.jit(do_not_specialize=["most_frames", "most_phonemes", "words"])  # type: ignore[untyped-decorator]
def _search(  # type: ignore[no-untyped-def]  # Triton reads annotations as its own
    score,
    frame_lengths,
    text_lengths,
    phoneme_of_frame,
    durations,
    directions,
    alignable,
    most_frames,
    most_phonemes,
    words,
    WIDTH: tl.constexpr,
):
    """Align the utterance of this program. `WIDTH` is a power of two, at least `most_phonemes`.

    The row of best scores stays in registers, and its shift by one phoneme is a gather: shuffles within a warp.
    """
    item = tl.program_id(0).to(tl.int64)
    frames = tl.load(frame_lengths + item).to(tl.int32)
    phonemes = tl.load(text_lengths + item).to(tl.int32)
    fits = (phonemes >= 1) & (phonemes <= frames) & (frames <= most_frames) & (phonemes <= most_phonemes)
    tl.store(alignable + item, fits | ((frames == 0) & (phonemes == 0)))
    frames = tl.where(fits, frames, 0)
    phonemes = tl.where(fits, phonemes, 0)

    lanes = tl.arange(0, WIDTH)
    score += item * most_frames * most_phonemes
    directions += item * words * WIDTH
    phoneme_of_frame += item * most_frames
    durations += item * most_phonemes

    # Forward. What lies above the diagonal stays -infinity or NaN, and a cell leaves both behind.
    best = tl.full([WIDTH], float("-inf"), tl.float32)
    row = tl.load(score + lanes, mask=lanes < phonemes, other=0.0)
    for word in range(tl.cdiv(frames, DIRECTIONS)):
        advanced = tl.zeros([WIDTH], tl.int32)
        for bit in range(DIRECTIONS):
            frame = word * DIRECTIONS + bit
            # Asked for before it is needed, so that the chain of scores doesn't wait for memory.
            next_row = tl.load(
                score + (frame + 1) * most_phonemes + lanes,
                mask=lanes < tl.where(frame + 1 < frames, phonemes, 0),
                other=0.0,
            )
            before = tl.gather(best, tl.maximum(lanes - 1, 0), 0)
            before = tl.where(lanes == 0, tl.where(frame == 0, 0.0, float("-inf")), before)
            advance = (best >= before) == 0  # a tie stays
            best = tl.where(advance, before, best) + row
            advanced |= advance.to(tl.int32) << bit
            row = next_row
        tl.store(directions + word * WIDTH + lanes, advanced)

    # Back, along the directions. Until the end, `durations` holds the frame at which each phoneme begins.
    tl.debug_barrier()
    phoneme = phonemes - 1
    for back in range(frames):
        frame = frames - 1 - back
        tl.store(phoneme_of_frame + frame, phoneme.to(tl.int64))
        tl.store(durations + phoneme, frame.to(tl.int64))
        advanced_word = tl.load(directions + (frame // DIRECTIONS) * WIDTH + phoneme)
        moved = (advanced_word >> (frame % DIRECTIONS)) & 1
        moved = tl.where(phoneme == frame, 1, moved)  # on the diagonal there is one way left
        phoneme -= tl.where(phoneme == 0, 0, moved)

    tl.debug_barrier()
    begins = tl.load(durations + lanes, mask=lanes < phonemes, other=0)
    ends = tl.load(durations + lanes + 1, mask=lanes + 1 < phonemes, other=frames.to(tl.int64))
    tl.debug_barrier()
    tl.store(durations + lanes, tl.where(lanes < phonemes, ends - begins, 0), mask=lanes < most_phonemes)
    for first in range(frames, most_frames, WIDTH):
        tl.store(phoneme_of_frame + first + lanes, tl.full([WIDTH], -1, tl.int64), mask=first + lanes < most_frames)


def search(score_BFT: Tensor, frame_lengths_B: Tensor, text_lengths_B: Tensor) -> tuple[Tensor, Tensor]:
    """Align a batch where it lies. Only queues work: it can be part of a CUDA graph.

    Args:
        score_BFT: log-likelihood of each frame under each phoneme.
        frame_lengths_B: int64, frames per utterance, at least as many as phonemes.
        text_lengths_B: int64, phonemes per utterance, at least one.

    Returns:
        Phoneme of each frame [B, F], padding -1, and frames of each phoneme [B, T], padding 0; both int64.

    Raises:
        RuntimeError: if an utterance has more phonemes than frames or a length does not fit; on a GPU not by this
            call, but by one that comes later.
    """
    score = score_BFT.to(torch.float32).contiguous()
    utterances, frames, phonemes = score.shape
    phoneme_of_frame = torch.empty((utterances, frames), dtype=torch.int64, device=score.device)
    durations = torch.empty((utterances, phonemes), dtype=torch.int64, device=score.device)
    if score.numel() == 0:
        return phoneme_of_frame.fill_(-1), durations.zero_()
    width = triton.next_power_of_2(phonemes)
    words = triton.cdiv(frames, DIRECTIONS.value)
    directions = torch.empty((utterances, words, width), dtype=torch.int32, device=score.device)
    alignable = torch.empty(utterances, dtype=torch.bool, device=score.device)
    # Triton starts a kernel on the current device, not on that of its tensors.
    with torch.cuda.device_of(score):  # type: ignore[no-untyped-call]
        _search[(utterances,)](
            score,
            frame_lengths_B,
            text_lengths_B,
            phoneme_of_frame,
            durations,
            directions,
            alignable,
            frames,
            phonemes,
            words,
            WIDTH=width,
            num_warps=min(16, max(1, width // 128)),
        )
    torch._assert_async(alignable.all(), "an utterance has more phonemes than frames, or a length that does not fit")
    return phoneme_of_frame, durations
