// The kernels of the forward pass: one for each instruction set, chosen when the program runs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "directions are written as bytes and read as words");

namespace vits {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();

// Rows of one utterance over which the same blocks of phonemes are advanced; the first block is block 0 here.
struct Rows {
    const float *score;  // the first row
    std::size_t stride;  // floats from row to row
    std::size_t count;
    std::size_t ahead;         // floats, how far in front of the reader memory is asked for
    float enters;              // what comes in at the left of the first row; nothing can in the others
    std::uint8_t *bits;        // directions of the first row, a bit a phoneme
    std::size_t bits_stride;   // bytes from row to row
};

struct Kernel {
    const char *name;
    std::size_t lanes;  // phonemes in a block
    // Advance the best scores `state`, which begins at a cache line, of `blocks` blocks. Reads whole blocks, so beyond
    // the last phoneme.
    void (*advance)(const Rows &rows, float *state, std::size_t blocks);
};

}  // namespace vits

#if defined(__x86_64__)
#include "lanes_avx2.hpp"
#include "lanes_avx512.hpp"
#endif
#include "lanes_base.hpp"

namespace vits {

// The kernels that this CPU can run, the fastest first.
inline const std::vector<Kernel> &kernels() {
    static const std::vector<Kernel> found = [] {
        std::vector<Kernel> list;
#if defined(__x86_64__)
        __builtin_cpu_init();
        // These also ask whether the operating system keeps the registers.
        if (__builtin_cpu_supports("avx512f")) list.push_back(avx512::kKernel);
        if (__builtin_cpu_supports("avx2")) list.push_back(avx2::kKernel);
#endif
        list.push_back(base::kKernel);
        return list;
    }();
    return found;
}

}  // namespace vits
