// 16 lanes of AVX-512.
#pragma once

#include <immintrin.h>

#define VITS_TARGET __attribute__((target("avx512f")))
#define VITS_INLINE __attribute__((target("avx512f"), always_inline)) inline

namespace vits::avx512 {

using Lanes = __m512;
constexpr std::size_t kLanes = 16;
constexpr std::size_t kMostInRegisters = 25;

VITS_INLINE Lanes load(const float *from) { return _mm512_loadu_ps(from); }
VITS_INLINE void store(float *to, Lanes lanes) { _mm512_storeu_ps(to, lanes); }
VITS_INLINE Lanes repeat(float value) { return _mm512_set1_ps(value); }
VITS_INLINE Lanes add(Lanes a, Lanes b) { return _mm512_add_ps(a, b); }

VITS_INLINE Lanes shift_in(Lanes left, Lanes here) {
    return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(here), _mm512_castps_si512(left), 15));
}

VITS_INLINE Lanes choose(Lanes stay, Lanes advance, std::uint8_t *bits) {
    const __mmask16 moved = _mm512_cmp_ps_mask(stay, advance, _CMP_NGE_UQ);
    std::memcpy(bits, &moved, sizeof moved);
    return _mm512_max_ps(stay, advance);  // the second where one is NaN, as the comparison has it
}

#include "rows.inc"

constexpr Kernel kKernel{"avx512", kLanes, &advance_rows};

}  // namespace vits::avx512

#undef VITS_TARGET
#undef VITS_INLINE
