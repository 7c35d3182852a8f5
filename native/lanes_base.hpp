// 8 lanes of what every CPU of the target has, in vectors of the compiler: SSE2 on x86-64, NEON on ARM, else plain code.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define VITS_TARGET
#define VITS_INLINE __attribute__((always_inline)) inline

namespace vits::base {

using Four = float __attribute__((vector_size(16)));
using Mask = std::int32_t __attribute__((vector_size(16)));

struct Lanes {
    Four low, high;
};
constexpr std::size_t kLanes = 8;
constexpr std::size_t kMostInRegisters = 8;

VITS_INLINE Lanes load(const float *from) {
    Lanes lanes;
    std::memcpy(&lanes.low, from, sizeof lanes.low);
    std::memcpy(&lanes.high, from + 4, sizeof lanes.high);
    return lanes;
}
VITS_INLINE void store(float *to, Lanes lanes) {
    std::memcpy(to, &lanes.low, sizeof lanes.low);
    std::memcpy(to + 4, &lanes.high, sizeof lanes.high);
}
VITS_INLINE Lanes repeat(float value) { return {Four{} + value, Four{} + value}; }
VITS_INLINE Lanes add(Lanes a, Lanes b) { return {a.low + b.low, a.high + b.high}; }

// The last of `left` and the first three of `here`.
VITS_INLINE Four shift_four(Four left, Four here) {
#if defined(__SSE2__)
    const Four border = _mm_shuffle_ps(left, here, _MM_SHUFFLE(0, 0, 3, 3));
    return _mm_shuffle_ps(border, here, _MM_SHUFFLE(2, 1, 2, 0));
#elif defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(left, here, 3, 4, 5, 6);
#else
    return __builtin_shuffle(left, here, Mask{3, 4, 5, 6});
#endif
}
VITS_INLINE Lanes shift_in(Lanes left, Lanes here) {
    return {shift_four(left.high, here.low), shift_four(here.low, here.high)};
}

VITS_INLINE unsigned pack(Mask low, Mask high) {
#if defined(__SSE2__)
    const auto four = [](Mask mask) { return static_cast<unsigned>(_mm_movemask_ps(reinterpret_cast<__m128>(mask))); };
    return four(low) | four(high) << 4;
#else
    const Mask marked = (low & Mask{1, 2, 4, 8}) | (high & Mask{16, 32, 64, 128});
#if defined(__aarch64__)
    return static_cast<unsigned>(vaddvq_s32(reinterpret_cast<int32x4_t>(marked)));
#else
    return static_cast<unsigned>(marked[0] | marked[1] | marked[2] | marked[3]);
#endif
#endif
}

// `advance` where `moved`, else `stay`.
VITS_INLINE Four better(Mask moved, Four stay, Four advance) {
#if defined(__SSE2__)
    static_cast<void>(moved);
    return _mm_max_ps(stay, advance);  // the second where one is NaN, as the comparison has it
#else
    const Mask kept = ~moved & reinterpret_cast<Mask>(stay);
    return reinterpret_cast<Four>((moved & reinterpret_cast<Mask>(advance)) | kept);
#endif
}

VITS_INLINE Lanes choose(Lanes stay, Lanes advance, std::uint8_t *bits) {
    const Mask low = ~(stay.low >= advance.low), high = ~(stay.high >= advance.high);
    *bits = static_cast<std::uint8_t>(pack(low, high));
    return {better(low, stay.low, advance.low), better(high, stay.high, advance.high)};
}

#include "rows.inc"

#if defined(__SSE2__)
constexpr Kernel kKernel{"sse2", kLanes, &advance_rows};
#elif defined(__aarch64__)
constexpr Kernel kKernel{"neon", kLanes, &advance_rows};
#else
constexpr Kernel kKernel{"plain", kLanes, &advance_rows};
#endif

}  // namespace vits::base

#undef VITS_TARGET
#undef VITS_INLINE
