// Monotonic alignment search (Kim et al. 2020, "Glow-TTS", section 3.1): the most likely path that gives every
// frame one phoneme, starts at the first phoneme, ends at the last, and never goes back or skips a phoneme.
//
// No Python in here. Scores are row-major, one row a frame: score[frame * stride + phoneme].
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <numeric>
#include <vector>

#include "kernel.hpp"
#include "pool.hpp"
#include "search.hpp"

namespace vits {

// A padded batch; lengths must fit the tensors and satisfy phonemes <= frames for every item (the caller checks).
struct Batch {
    const float *score;  // [items, max_frames, max_phonemes]
    std::size_t items, max_frames, max_phonemes;
    const std::int64_t *frames, *phonemes;  // [items]
    std::int64_t *phoneme_of_frame;         // [items, max_frames], out; padding is -1
    std::int64_t *durations;                // [items, max_phonemes], out; padding is 0
};

inline void align_item(const Kernel &kernel, const Batch &batch, std::size_t item, Scratch &scratch) {
    std::int64_t *index = batch.phoneme_of_frame + item * batch.max_frames;
    std::int64_t *durations = batch.durations + item * batch.max_phonemes;
    const std::size_t cells = batch.max_frames * batch.max_phonemes;
    const auto frames = static_cast<std::size_t>(batch.frames[item]);
    const auto phonemes = static_cast<std::size_t>(batch.phonemes[item]);
    if (frames != 0) {
        const Utterance utterance{batch.score + item * cells, batch.max_phonemes, frames, phonemes,
                                  batch.score + batch.items * cells};
        align_one(kernel, utterance, index, durations, scratch);
    }
    std::fill(index + frames, index + batch.max_frames, -1);
    std::fill(durations + phonemes, durations + batch.max_phonemes, 0);
}

// Align a batch on up to `threads` threads, this one included. Throws std::bad_alloc.
inline void align_batch(const Kernel &kernel, const Batch &batch, unsigned threads) {
    // Below this many cells a thread, waking it costs more than it saves.
    constexpr std::int64_t kCellsWorthAThread = 300'000;
    std::int64_t cells = 0;
    for (std::size_t item = 0; item < batch.items; ++item) cells += batch.frames[item] * batch.phonemes[item];
    const auto useful = static_cast<std::size_t>(1 + cells / kCellsWorthAThread);
    const std::size_t count = std::min({static_cast<std::size_t>(std::max(1u, threads)), batch.items, useful});

    std::vector<std::size_t> order(batch.items);
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (count > 1) {
        // The longest first, so that no thread begins it when the others are done.
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return batch.frames[a] * batch.phonemes[a] > batch.frames[b] * batch.phonemes[b];
        });
    }
    std::atomic<std::size_t> next{0};
    std::atomic<bool> out_of_memory{false};
    const auto work = [&]() noexcept {
        thread_local Scratch scratch;
        try {
            for (std::size_t at; (at = next.fetch_add(1, std::memory_order_relaxed)) < batch.items;) {
                align_item(kernel, batch, order[at], scratch);
            }
        } catch (const std::bad_alloc &) {
            out_of_memory = true;
        }
    };
    Pool::instance().run(static_cast<unsigned>(count - 1), work);
    if (out_of_memory) throw std::bad_alloc();
}

}  // namespace vits
