// exp2, GELU and the sigmoid, to about the last bit of what the precision can tell apart.
#pragma once

#include "number.h"

namespace vsfdat {

template <class V, int N>
INLINE V polynomial(const float (&coefficients)[N], V x) {
    V value = splat<V>(coefficients[N - 1]);
#pragma GCC unroll 16
    for (int i = N - 2; i >= 0; --i) value = value * x + coefficients[i];
    return value;
}

// 2ˣ for x ≤ 0 (and a little above); below 2⁻¹²⁶ it stays there. NaN stays NaN.
INLINE Vec exp2(Vec x) {
    x = max(splat<Vec>(-126.0f), x);
    const float to_integer = 12582912.0f;  // 1.5·2²³: its last mantissa bit is worth one
    const Vec shifted = x + to_integer;
    const Vec fraction = x - (shifted - to_integer);
#if defined(VSFDAT_PAIRS)
    static constexpr float coefficients[] = {0.999928074f, 0.693260986f, 0.242611122f, 0.055171668f};  // to 7.5e-5
#else
    static constexpr float coefficients[] = {1.00000007f,   0.693146967f,   0.240221197f,
                                             0.0555071327f, 0.00967554133f, 0.00132764719f};  // to 7.5e-8
#endif
    const Vec mantissa = polynomial(coefficients, fraction);
    return bit_cast<Vec>(bit_cast<WordsOf<Vec>>(mantissa) + (bit_cast<WordsOf<Vec>>(shifted) << 23));
}

// x·Φ(x) with Φ(x) = ½ + x·Q(x²), Q minimax on |x| ≤ END, beyond which Φ is 0 or 1 to the precision.
template <class V>
INLINE V gelu(V x) {
#if defined(VSFDAT_PAIRS)
    constexpr float END = 4.2f;
    static constexpr float coefficients[] = {0.167856142f,   -0.0814820379f,  0.055814445f,
                                             -0.0389556326f, 0.025004968f,    -0.0136753609f,
                                             0.00810460839f, -0.00581759214f, 0.00219664653f};  // to 7.5e-6·|x|
#else
    constexpr float END = 5.4f;
    static constexpr float coefficients[] = {0.130928114f,    -0.0653280541f,  0.0484995916f,  -0.039206814f,
                                             0.0321165957f,   -0.0257464573f,  0.0196451452f,  -0.0139633203f,
                                             0.00965119526f,  -0.00671533868f, 0.00365892355f, -0.00118641008f,
                                             0.000874932914f, -0.00102836895f, 0.000392859016f};
    // to 1.5e-7·|x|, less than torch's own error
#endif
    const V inside = max(splat<V>(-END), min(splat<V>(END), x));
    const V square = inside * inside * (2 / (END * END)) - 1.0f;  // Q's argument, stretched to [-1, 1]
    return x * (inside * polynomial(coefficients, square) + 0.5f);
}

INLINE Vec sigmoid(Vec x) {
    const Vec power = exp2(max(-x, x) * -1.44269504f);  // of the negative side, which cannot overflow
    const Vec positive = 1.0f / (1.0f + power);
    return x < 0.0f ? power * positive : positive;
}

}  // namespace vsfdat
