// One library is built for one precision: Scalar is what the maps hold, Number what the matrix products multiply.
//
// Products read their operands by 32-bit words: a word is one float, or two bf16 neighbours along the summed axis where
// the CPU multiplies and adds such pairs at once. Words travel as floats, which no load, store or shuffle changes.
#pragma once

#include "simd.h"

namespace vsfdat {

#if defined(VSFDAT_BF16)
using Scalar = bf16;
#elif defined(VSFDAT_FP16)
using Scalar = fp16;
#else
using Scalar = float;
#endif

#if defined(VSFDAT_BF16) && defined(__AVX512BF16__) && defined(VSFDAT_AVX512)
#define VSFDAT_PAIRS 1
using Number = bf16;
#else
using Number = float;
#endif

constexpr int PER_WORD = sizeof(float) / sizeof(Number);
constexpr int words(int numbers) { return (numbers + PER_WORD - 1) / PER_WORD; }

INLINE Number to_number(float value) {
#if defined(VSFDAT_PAIRS)
    return {to_bf16(splat<Vec>(value))[0]};
#else
    return value;
#endif
}

// acc + a·b over the word's numbers.
template <class V>
INLINE V multiply_add(V acc, V a, V b) {
#if defined(VSFDAT_PAIRS)
    if constexpr (WIDTH<V> == 16) return _mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b);
    if constexpr (WIDTH<V> == 8) return _mm256_dpbf16_ps(acc, (__m256bh)a, (__m256bh)b);
#endif
    return acc + a * b;
}

#if defined(VSFDAT_PAIRS)
// Words whose numbers come from two vectors, one each: neighbours along an axis that is not the lanes'.
INLINE Vec pair(Vec first, Vec second) {
    alignas(64) static constexpr uint16_t order[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
    return (Vec)_mm512_permutexvar_epi16(_mm512_load_si512(order), both);
}

INLINE Vec pair(const bf16* first, const bf16* second) {
    return bit_cast<Vec>(widen<Vec>(first) | (widen<Vec>(second) << 16));
}
#endif

}  // namespace vsfdat
