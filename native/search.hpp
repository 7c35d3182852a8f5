// The alignment search over one utterance: a forward pass over the band of cells that some path can use, which leaves
// one direction bit a cell, and the way back along the bits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernel.hpp"

namespace vits {

// Scores of one utterance, one row a frame; only whole padded rows are in memory behind the last phoneme.
struct Utterance {
    const float *score;
    std::size_t stride;             // floats from row to row
    std::size_t frames, phonemes;   // 1 <= phonemes <= frames
    const float *end;               // behind the last score that may be read
};

// A vector that straddled two cache lines would be stored and loaded at half the speed.
struct alignas(64) CacheLine {
    float score[16];
};

// Memory of one thread, kept so that a batch allocates at most once a thread.
struct Scratch {
    std::vector<CacheLine> lines;       // best cumulative score that ends at (the last frame done, phoneme)
    std::vector<float> last_row;        // a row that is copied because a block would be read beyond the tensor
    std::vector<std::uint8_t> bits;     // directions [frame][phoneme / 8]: came from the phoneme before?
    std::size_t bits_stride = 0;        // bytes, a multiple of a word

    float *state() { return lines.data()->score; }
};

constexpr std::size_t kWord = 64;  // phonemes in a word of directions

namespace detail {

// How far ahead of the reader memory is asked for, in floats. Whole rows, so that the band stays the band.
inline std::size_t prefetch_distance(std::size_t stride) {
    constexpr std::size_t kAhead = 4096;
    return std::max<std::size_t>(1, kAhead / stride) * stride;
}

// Advance over rows, those by their own whose last block reaches beyond the tensor.
inline void advance(const Kernel &kernel, Rows rows, const Utterance &utterance, std::size_t blocks, Scratch &scratch,
                    std::size_t lane) {
    const std::size_t width = blocks * kernel.lanes;
    float *state = scratch.state() + lane;
    std::size_t inside = rows.count;  // rows that can be read as they are
    while (inside > 0 && static_cast<std::size_t>(utterance.end - rows.score) < (inside - 1) * rows.stride + width) --inside;
    const std::size_t copied = rows.count - inside;
    if (inside > 0) {
        rows.count = inside;
        kernel.advance(rows, state, blocks);
        rows.enters = kImpossible;
        rows.score += inside * rows.stride;
        rows.bits += inside * rows.bits_stride;
    }
    for (std::size_t row = 0; row < copied; ++row) {
        const std::size_t left = static_cast<std::size_t>(utterance.end - rows.score);
        std::copy_n(rows.score, std::min(width, left), scratch.last_row.data());
        Rows one = rows;
        one.score = scratch.last_row.data();
        one.count = 1;
        one.ahead = 0;
        kernel.advance(one, state, blocks);
        rows.enters = kImpossible;
        rows.score += rows.stride;
        rows.bits += rows.bits_stride;
    }
}

}  // namespace detail

// Cells outside the band, that no path can use, may be computed, but never reach a cell inside it: the cell at the left
// of the band's first one comes in only where the band begins, and what lies above the diagonal stays -infinity or NaN.
inline void search_forward(const Kernel &kernel, const Utterance &utterance, Scratch &scratch) {
    const auto [score, stride, frames, phonemes, end] = utterance;
    const std::size_t blocks = (phonemes + kernel.lanes - 1) / kernel.lanes;
    scratch.lines.resize(std::max(scratch.lines.size(), (blocks * kernel.lanes + 15) / 16));
    std::fill_n(scratch.state(), blocks * kernel.lanes, kImpossible);
    scratch.last_row.assign(blocks * kernel.lanes, 0.0f);
    scratch.bits_stride = (phonemes + kWord - 1) / kWord * (kWord / 8);
    if (scratch.bits.size() < frames * scratch.bits_stride) scratch.bits.resize(frames * scratch.bits_stride);

    const std::size_t slack = frames - phonemes;
    const std::size_t lanes = kernel.lanes;
    for (std::size_t frame = 0; frame < frames;) {
        const std::size_t first = frame > slack ? (frame - slack) / lanes : 0;   // the first block with a cell of the band
        const std::size_t behind = std::min(blocks, frame / lanes + 1);         // behind the last one
        std::size_t until = std::min(frames, (first + 1) * lanes + slack);
        if (behind < blocks) until = std::min(until, behind * lanes);
        const std::size_t lane = first * lanes;
        Rows rows;
        rows.score = score + frame * stride + lane;
        rows.stride = stride;
        rows.count = until - frame;
        rows.ahead = detail::prefetch_distance(stride);
        rows.enters = frame == 0 ? 0.0f : first == 0 ? kImpossible : scratch.state()[lane - 1];
        rows.bits = scratch.bits.data() + frame * scratch.bits_stride + lane / 8;
        rows.bits_stride = scratch.bits_stride;
        detail::advance(kernel, rows, utterance, behind - first, scratch, lane);
        frame = until;
    }
}

// Follow the directions from the last cell back. Any bits give a path that starts at the first phoneme.
inline void trace_back(const Utterance &utterance, const Scratch &scratch, std::int64_t *phoneme_of_frame,
                       std::int64_t *durations) {
    std::int64_t *begins = durations;  // until the end, the frame at which each phoneme begins
    std::size_t frame = utterance.frames - 1, phoneme = utterance.phonemes - 1;
    while (phoneme != 0 && phoneme != frame) {
        // As long as the phoneme stays in one word, where to load from doesn't depend on what was loaded.
        const std::size_t word = phoneme / kWord;
        const std::uint8_t *column = scratch.bits.data() + word * (kWord / 8);
        const std::int64_t base = static_cast<std::int64_t>(word * kWord), lowest = word == 0;
        std::int64_t bit = static_cast<std::int64_t>(phoneme % kWord);
        while (bit >= lowest && base + bit != static_cast<std::int64_t>(frame)) {
            phoneme_of_frame[frame] = base + bit;
            begins[base + bit] = static_cast<std::int64_t>(frame);
            std::uint64_t directions;
            std::memcpy(&directions, column + frame * scratch.bits_stride, sizeof directions);
            bit -= static_cast<std::int64_t>(directions >> bit & 1);
            --frame;
        }
        phoneme = static_cast<std::size_t>(base + bit);
    }
    // On the diagonal, or at the first phoneme, there is one way left.
    for (std::size_t row = 0; row <= frame; ++row) phoneme_of_frame[row] = static_cast<std::int64_t>(phoneme == 0 ? 0 : row);
    for (std::size_t row = 0; row <= phoneme; ++row) begins[row] = static_cast<std::int64_t>(row);
    for (std::size_t at = 0; at + 1 < utterance.phonemes; ++at) durations[at] = begins[at + 1] - begins[at];
    begins[utterance.phonemes - 1] = static_cast<std::int64_t>(utterance.frames) - begins[utterance.phonemes - 1];
}

// Align one utterance: the phoneme of every frame, and the number of frames of every phoneme.
//
// On equal scores a frame stays with the phoneme of the frame before. NaN and infinite scores give some valid path.
inline void align_one(const Kernel &kernel, const Utterance &utterance, std::int64_t *phoneme_of_frame,
                      std::int64_t *durations, Scratch &scratch) {
    search_forward(kernel, utterance, scratch);
    trace_back(utterance, scratch, phoneme_of_frame, durations);
}

}  // namespace vits
