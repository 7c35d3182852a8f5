// 8 lanes of AVX2.
#pragma once

#include <immintrin.h>

#define VITS_TARGET __attribute__((target("avx2")))
#define VITS_INLINE __attribute__((target("avx2"), always_inline)) inline

namespace vits::avx2 {

using Lanes = __m256;
constexpr std::size_t kLanes = 8;
constexpr std::size_t kMostInRegisters = 12;

VITS_INLINE Lanes load(const float *from) { return _mm256_loadu_ps(from); }
VITS_INLINE void store(float *to, Lanes lanes) { _mm256_storeu_ps(to, lanes); }
VITS_INLINE Lanes repeat(float value) { return _mm256_set1_ps(value); }
VITS_INLINE Lanes add(Lanes a, Lanes b) { return _mm256_add_ps(a, b); }

VITS_INLINE Lanes shift_in(Lanes left, Lanes here) {
    const __m256i middle = _mm256_castps_si256(_mm256_permute2f128_ps(left, here, 0x21));
    return _mm256_castsi256_ps(_mm256_alignr_epi8(_mm256_castps_si256(here), middle, 12));
}

VITS_INLINE Lanes choose(Lanes stay, Lanes advance, std::uint8_t *bits) {
    *bits = static_cast<std::uint8_t>(_mm256_movemask_ps(_mm256_cmp_ps(stay, advance, _CMP_NGE_UQ)));
    return _mm256_max_ps(stay, advance);  // the second where one is NaN, as the comparison has it
}

#include "rows.inc"

constexpr Kernel kKernel{"avx2", kLanes, &advance_rows};

}  // namespace vits::avx2

#undef VITS_TARGET
#undef VITS_INLINE
