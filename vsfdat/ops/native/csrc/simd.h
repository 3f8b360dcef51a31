// Vectors of floats that compile to AVX-512, AVX2, NEON or whatever the compiler has: GCC's and Clang's vector
// extensions, with intrinsics only where they do not reach.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

#define INLINE inline __attribute__((always_inline))

namespace vsfdat {

template <int N>
struct VecOf {
    typedef float floats __attribute__((vector_size(4 * N)));
    typedef uint32_t words __attribute__((vector_size(4 * N)));
    typedef uint16_t halves __attribute__((vector_size(2 * N)));
};

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define VSFDAT_AVX512 1
constexpr int LANES = 16;
constexpr int TILE_ROWS = 8;  // 8 rows × 3 vectors of accumulators, 3 of B and a broadcast: 28 of 32 registers
#elif defined(__AVX__)
constexpr int LANES = 8;
constexpr int TILE_ROWS = 4;  // 4 × 3 accumulators in 16 registers
#else
constexpr int LANES = 4;
constexpr int TILE_ROWS = 8;
#endif

template <int N>
using Floats = typename VecOf<N>::floats;
using Vec = Floats<LANES>;
template <class V>
constexpr int WIDTH = sizeof(V) / sizeof(float);
template <class V>
using WordsOf = typename VecOf<WIDTH<V>>::words;
template <class V>
using HalvesOf = typename VecOf<WIDTH<V>>::halves;

constexpr int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

struct bf16 {
    uint16_t bits;
};
struct fp16 {
    uint16_t bits;
};

template <class To, class From>
INLINE To bit_cast(From from) {
    static_assert(sizeof(To) == sizeof(From), "same size");
    To to;
    memcpy(&to, &from, sizeof(to));
    return to;
}

template <class V, size_t... I>
INLINE V splat(float value, std::index_sequence<I...>) {
    return V{((void)I, value)...};
}

template <class V>
INLINE V splat(float value) {
    return splat<V>(value, std::make_index_sequence<WIDTH<V>>{});
}

// --- float ---

template <class V>
INLINE V load(const float* p) {
    V v;
    memcpy(&v, p, sizeof(v));
    return v;
}

template <class V>
INLINE void store(float* p, V v) {
    memcpy(p, &v, sizeof(v));
}

// --- bf16: the upper half of a float, rounded to nearest even ---

// 16-bit numbers as words.
template <class V>
INLINE WordsOf<V> widen(const bf16* p) {
#if defined(VSFDAT_AVX512)  // GCC 12 makes five instructions of the one
    if constexpr (WIDTH<V> == 16) return (WordsOf<V>)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
#endif
#if defined(__AVX2__)
    if constexpr (WIDTH<V> == 8) return (WordsOf<V>)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p));
#endif
    HalvesOf<V> bits;
    memcpy(&bits, p, sizeof(bits));
    return __builtin_convertvector(bits, WordsOf<V>);
}

template <class V>
INLINE V load(const bf16* p) {
    return bit_cast<V>(widen<V>(p) << 16);
}

template <class V>
INLINE HalvesOf<V> to_bf16(V v) {
#if defined(__AVX512BF16__) && defined(VSFDAT_AVX512)
    if constexpr (WIDTH<V> == 16) return bit_cast<HalvesOf<V>>(_mm512_cvtneps_pbh(v));
#endif
    WordsOf<V> bits = bit_cast<WordsOf<V>>(v);
    WordsOf<V> rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    WordsOf<V> quiet_nan = (bits >> 16) | 0x40;
    WordsOf<V> is_nan = bit_cast<WordsOf<V>>(v != v);
    return __builtin_convertvector((rounded & ~is_nan) | (quiet_nan & is_nan), HalvesOf<V>);
}

template <class V>
INLINE void store(bf16* p, V v) {
    auto bits = to_bf16(v);
    memcpy(p, &bits, sizeof(bits));
}

// --- fp16 ---

template <class V>
INLINE V load(const fp16* p) {
#if defined(VSFDAT_AVX512)
    if constexpr (WIDTH<V> == 16) return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
#endif
#if defined(__F16C__)
    if constexpr (WIDTH<V> == 8) return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
#endif
    V v;
#if defined(__FLT16_MANT_DIG__) || defined(__ARM_FP16_FORMAT_IEEE)
    _Float16 values[WIDTH<V>];
    memcpy(values, p, sizeof(values));
    for (int i = 0; i < WIDTH<V>; ++i) v[i] = float(values[i]);
#else
    for (int i = 0; i < WIDTH<V>; ++i) v[i] = 0.0f / 0.0f;  // never reached: build.py does not offer fp16 there
#endif
    return v;
}

template <class V>
INLINE void store(fp16* p, V v) {
#if defined(VSFDAT_AVX512)
    if constexpr (WIDTH<V> == 16) {
        _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
        return;
    }
#endif
#if defined(__F16C__)
    if constexpr (WIDTH<V> == 8) {
        _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
        return;
    }
#endif
#if defined(__FLT16_MANT_DIG__) || defined(__ARM_FP16_FORMAT_IEEE)
    _Float16 values[WIDTH<V>];
    for (int i = 0; i < WIDTH<V>; ++i) values[i] = _Float16(v[i]);
    memcpy(p, values, sizeof(values));
#endif
}

// --- the last vector of a pixel: `count` numbers, the rest reads as zero and stays unwritten ---

template <class V, class T>
INLINE V load(const T* p, int count) {
    if (count >= WIDTH<V>) return load<V>(p);
#if defined(VSFDAT_AVX512)
    if constexpr (WIDTH<V> == 16) {
        const __mmask16 mask = __mmask16((1u << count) - 1);
        if constexpr (sizeof(T) == 4) return _mm512_maskz_loadu_ps(mask, p);
        T values[16];
        _mm256_storeu_si256((__m256i*)values, _mm256_maskz_loadu_epi16(mask, p));
        return load<V>(values);
    }
#endif
    T values[WIDTH<V>] = {};
    memcpy(values, p, count * sizeof(T));
    return load<V>(values);
}

template <class V, class T>
INLINE void store(T* p, V v, int count) {
    if (count >= WIDTH<V>) return store(p, v);
#if defined(VSFDAT_AVX512)
    if constexpr (WIDTH<V> == 16) {
        const __mmask16 mask = __mmask16((1u << count) - 1);
        if constexpr (sizeof(T) == 4) {
            _mm512_mask_storeu_ps(p, mask, v);
        } else {
            T values[16];
            store(values, v);
            _mm256_mask_storeu_epi16(p, mask, _mm256_loadu_si256((const __m256i*)values));
        }
        return;
    }
#endif
    T values[WIDTH<V>];
    store(values, v);
    memcpy(p, values, count * sizeof(T));
}

// --- arithmetic ---

// The second operand wins where one is NaN, as in x86's own instruction.
template <class V>
INLINE V max(V a, V b) {
#if defined(VSFDAT_AVX512)
    if constexpr (WIDTH<V> == 16) return _mm512_max_ps(a, b);
#endif
#if defined(__AVX__)
    if constexpr (WIDTH<V> == 8) return _mm256_max_ps(a, b);
#endif
    return a > b ? a : b;
}

template <class V>
INLINE V min(V a, V b) {
#if defined(VSFDAT_AVX512)
    if constexpr (WIDTH<V> == 16) return _mm512_min_ps(a, b);
#endif
#if defined(__AVX__)
    if constexpr (WIDTH<V> == 8) return _mm256_min_ps(a, b);
#endif
    return a < b ? a : b;
}

template <class V, size_t... I>
INLINE Floats<WIDTH<V> / 2> upper_half(V v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, (I + WIDTH<V> / 2)...);
}

template <class V, size_t... I>
INLINE Floats<WIDTH<V> / 2> lower_half(V v, std::index_sequence<I...>) {
    return __builtin_shufflevector(v, v, I...);
}

template <class V>
INLINE float sum(V v) {
    constexpr int half = WIDTH<V> / 2;
    auto indices = std::make_index_sequence<half>{};
    if constexpr (half == 2) {
        return (v[0] + v[2]) + (v[1] + v[3]);
    } else {
        return sum(lower_half(v, indices) + upper_half(v, indices));
    }
}

template <class V, size_t... I>
INLINE std::pair<V, V> zip(V a, V b, std::index_sequence<I...>) {
    constexpr int n = WIDTH<V>;
    return {__builtin_shufflevector(a, b, (I / 2 + (I % 2) * n)...),
            __builtin_shufflevector(a, b, (n / 2 + I / 2 + (I % 2) * n)...)};
}

// A square of words, transposed by log2(n) perfect shuffles of its rows.
INLINE void transpose(Vec (&square)[LANES]) {
    for (int step = 1; step < LANES; step *= 2) {
        Vec shuffled[LANES];
        for (int i = 0; i < LANES / 2; ++i) {
            auto [low, high] = zip(square[i], square[i + LANES / 2], std::make_index_sequence<LANES>{});
            shuffled[2 * i] = low;
            shuffled[2 * i + 1] = high;
        }
        for (int i = 0; i < LANES; ++i) square[i] = shuffled[i];
    }
}

}  // namespace vsfdat
