// Rows of feature maps: normalised on the way in, added and rounded on the way out.
#pragma once

#include <cmath>

#include "gemm.h"
#include "pool.h"

namespace vsfdat {

// Channels of a pixel in scratch memory: whole vectors, zeros behind the last channel.
constexpr int padded(int channels) { return round_up(channels, LANES); }

// A feature map [h, w, channels].
struct Map {
    const Scalar* data;
    int h, w, channels;

    const Scalar* at(int y, int x) const { return data + (size_t(y) * w + x) * channels; }
};

// What one op writes: rows [start, stop) of a map of the same size.
struct Output {
    Scalar* data;
    int start, stop;
};

// Copies to padded(n) floats, zeros behind.
inline std::vector<float> padded_copy(const float* values, int n) {
    std::vector<float> copy(padded(n));
    if (values) std::copy(values, values + n, copy.begin());
    return copy;
}

// LayerNorm over the channels. Variance around the mean, in two passes: x's mean may be far from 0.
class Norm {
  public:
    Norm(const float* weight, const float* bias, float epsilon, int channels)
        : channels_(channels), epsilon_(epsilon), weight_(padded_copy(weight, channels)),
          bias_(padded_copy(bias, channels)) {
        for (int i = 0; i < channels - padded(channels) + LANES; ++i) inside_[i] = ~0u;
    }

    int channels() const { return channels_; }

    // [pixels, channels] -> [pixels, padded(channels)]
    template <class Out>
    void operator()(const Scalar* x, int pixels, Out* out) const {
        run(x, pixels, out, std::make_index_sequence<IN_REGISTERS>{});
    }

  private:
    static constexpr int IN_REGISTERS = 12, MOST_VECTORS = 4096 / LANES;

    // A pixel of up to 12 vectors stays in registers.
    template <class Out, size_t... I>
    void run(const Scalar* x, int pixels, Out* out, std::index_sequence<I...>) const {
        const int vectors = padded(channels_) / LANES;
        const bool found = ((vectors == I + 1 ? (normalise<I + 1>(x, pixels, out), true) : false) || ...);
        if (!found) normalise<0>(x, pixels, out);
    }

    // VECTORS: how many of them a pixel has; 0: see for yourself.
    template <int VECTORS, class Out>
    void normalise(const Scalar* x, int pixels, Out* out) const {
        const int n = VECTORS ? VECTORS : padded(channels_) / LANES, tail = channels_ - (n - 1) * LANES;
        const int channels = channels_;
        const float share = 1.0f / channels, *weight = weight_.data(), *bias = bias_.data();
        const auto inside = inside_;
        for (int p = 0; p < pixels; ++p, x += channels, out += n * LANES) {
            Vec v[VECTORS ? VECTORS : MOST_VECTORS];
            Vec total{}, squares{};
            for (int i = 0; i < n - 1; ++i) total += v[i] = load<Vec>(x + i * LANES);
            total += v[n - 1] = load<Vec>(x + (n - 1) * LANES, tail);
            const float mean = sum(total) * share;
            for (int i = 0; i < n; ++i) v[i] -= mean;
            v[n - 1] = bit_cast<Vec>(bit_cast<WordsOf<Vec>>(v[n - 1]) & inside);
            for (int i = 0; i < n; ++i) squares += v[i] * v[i];
            const float scale = 1.0f / std::sqrt(sum(squares) * share + epsilon_);
            for (int i = 0; i < n; ++i)
                store(out + i * LANES, v[i] * scale * load<Vec>(weight + i * LANES) + load<Vec>(bias + i * LANES));
        }
    }

    int channels_;
    float epsilon_;
    std::vector<float> weight_, bias_;
    WordsOf<Vec> inside_{};  // all ones in the lanes of the last vector that hold channels
};

// Row y of `map`, columns [x, x + columns), normalised: zeros outside the map.
inline void normalise_row(const Norm& norm, Map map, int y, int x, int columns, Number* out) {
    const int stride = padded(map.channels);
    const int first = std::max(x, 0), last = std::min(x + columns, map.w);
    if (y < 0 || y >= map.h || first >= last) {
        memset(static_cast<void*>(out), 0, size_t(columns) * stride * sizeof(Number));
        return;
    }
    memset(static_cast<void*>(out), 0, size_t(first - x) * stride * sizeof(Number));
    norm(map.at(y, first), last - first, out + size_t(first - x) * stride);
    memset(static_cast<void*>(out + size_t(last - x) * stride), 0,
           size_t(x + columns - last) * stride * sizeof(Number));
}

// [k·numbers a word, stride] -> [k, stride] words that pair neighbouring rows, for products that sum over rows.
inline const float* pair_rows(const Number* rows, int k, int stride, Scratch& scratch) {
#if defined(VSFDAT_PAIRS)
    float* paired = scratch.take<float>(size_t(k) * stride);
    for (int i = 0; i < k; ++i, rows += 2 * stride)
        for (int c = 0; c < stride; c += LANES)
            store(paired + size_t(i) * stride + c, pair(rows + c, rows + stride + c));
    return paired;
#else
    (void)k, (void)stride, (void)scratch;
    return rows;
#endif
}

// out = sums (+ x) (+ bias), for `pixels` neighbours; sums [pixels, stride] and bias [padded(channels)] in fp32.
inline void store_sum(const Scalar* x, const float* sums, int stride, const float* bias, int pixels, int channels,
                      Scalar* out) {
    for (int p = 0; p < pixels; ++p) {
        const size_t at = size_t(p) * channels;
        for (int c = 0; c < channels; c += LANES) {
            Vec v = load<Vec>(sums + size_t(p) * stride + c);
            if (x) v += load<Vec>(x + at + c, channels - c);
            if (bias) v += load<Vec>(bias + c);
            store(out + at + c, v, channels - c);
        }
    }
}

}  // namespace vsfdat
