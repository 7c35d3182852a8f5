// Monotonic alignment search (Kim et al. 2020, "Glow-TTS", section 3.1): the most likely path that gives every
// frame one phoneme, starts at the first phoneme, ends at the last, and never goes back or skips a phoneme.
//
// No Python in here. Scores are row-major, one row a frame: score[frame * stride + phoneme].
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

namespace vits {

// Scratch memory of one thread; kept between items so that a batch allocates once a thread.
struct AlignScratch {
    std::vector<float> before, now;       // best cumulative score that ends at (the frame before / this frame, phoneme)
    std::vector<std::uint8_t> advanced;   // [frame * phonemes + phoneme]: came from the phoneme before?
};

// Align one utterance of `frames` x `phonemes`, 1 <= phonemes <= frames (the caller checks).
//
// Writes the phoneme of every frame to `phoneme_of_frame` and the number of frames of every phoneme to `durations`.
// Ties stay on the same phoneme. NaN and infinite scores give some valid path: the band alone keeps it in bounds.
inline void align_one(const float *score, std::size_t stride, std::size_t frames, std::size_t phonemes,
                      std::int32_t *phoneme_of_frame, std::int32_t *durations, AlignScratch &scratch) {
    constexpr float kImpossible = -std::numeric_limits<float>::infinity();
    scratch.before.assign(phonemes, kImpossible);
    scratch.now.assign(phonemes, kImpossible);
    scratch.advanced.resize(frames * phonemes);
    scratch.now[0] = score[0];

    for (std::size_t frame = 1; frame < frames; ++frame) {
        std::swap(scratch.before, scratch.now);
        const float *before = scratch.before.data();
        float *now = scratch.now.data();
        const float *score_row = score + frame * stride;
        std::uint8_t *advanced = scratch.advanced.data() + frame * phonemes;
        // A cell is reachable from the start (phoneme <= frame) and can still reach the end.
        const std::size_t left = frames - frame;  // frames from here on, this one included
        const std::size_t first = phonemes > left ? phonemes - left : 0;
        const std::size_t last = std::min(phonemes - 1, frame);
        if (first == 0) now[0] = before[0] + score_row[0];
        // No branch and no dependence from one phoneme to the next: the compiler makes vector code of it.
        for (std::size_t phoneme = std::max<std::size_t>(first, 1); phoneme <= last; ++phoneme) {
            const float stay = before[phoneme], advance = before[phoneme - 1];
            const bool from_before = stay < advance;
            advanced[phoneme] = from_before;
            now[phoneme] = (from_before ? advance : stay) + score_row[phoneme];
        }
        if (last == frame) {  // the diagonal can only be reached from before it, whatever the scores are
            advanced[frame] = 1;
            now[frame] = before[frame - 1] + score_row[frame];
        }
    }

    std::fill(durations, durations + phonemes, 0);
    std::size_t phoneme = phonemes - 1;
    for (std::size_t frame = frames; frame-- > 0;) {
        phoneme_of_frame[frame] = static_cast<std::int32_t>(phoneme);
        ++durations[phoneme];
        if (phoneme != 0 && scratch.advanced[frame * phonemes + phoneme]) --phoneme;
    }
}

// Align a padded batch [batch, max_frames, max_phonemes] on up to `threads` threads.
//
// Padding is -1 in `phoneme_of_frame` [batch, max_frames] and 0 in `durations` [batch, max_phonemes].
// Lengths must fit the tensor and satisfy phonemes <= frames for every item (the caller checks).
inline void align_batch(const float *score, std::size_t batch, std::size_t max_frames, std::size_t max_phonemes,
                        const std::int64_t *frames, const std::int64_t *phonemes, std::int32_t *phoneme_of_frame,
                        std::int32_t *durations, unsigned threads) {
    // Below this many cells, waking a thread costs more than it saves.
    constexpr std::size_t kCellsWorthAThread = 300'000;
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        AlignScratch scratch;
        for (std::size_t item; (item = next.fetch_add(1, std::memory_order_relaxed)) < batch;) {
            std::int32_t *index = phoneme_of_frame + item * max_frames;
            std::int32_t *duration = durations + item * max_phonemes;
            std::fill(index, index + max_frames, -1);
            std::fill(duration, duration + max_phonemes, 0);
            if (frames[item] == 0 || phonemes[item] == 0) continue;
            align_one(score + item * max_frames * max_phonemes, max_phonemes, static_cast<std::size_t>(frames[item]),
                      static_cast<std::size_t>(phonemes[item]), index, duration, scratch);
        }
    };
    const std::size_t useful = 1 + batch * max_frames * max_phonemes / kCellsWorthAThread;
    const std::size_t count = std::min({static_cast<std::size_t>(std::max(1u, threads)), batch, useful});
    std::vector<std::thread> helpers;
    for (std::size_t i = 1; i < count; ++i) helpers.emplace_back(work);
    work();
    for (auto &helper : helpers) helper.join();
}

}  // namespace vits
