// Rows of feature maps: normalised on the way in, added and rounded on the way out.
#pragma once

#include <cmath>

#include "gemm.h"
#include "pool.h"

namespace vsfdat {

// Channels of a pixel in scratch memory: whole vectors, zeros behind the last channel.
constexpr int padded(int channels) { return round_up(channels, kLanes); }

// A frame of pixels [h, w, channels].
struct Frame {
    const Scalar* data;
    int h, w, channels;

    const Scalar* at(int y, int x) const { return data + (size_t(y) * w + x) * channels; }
};

// What one op writes: rows [start, stop) of a frame of the same size.
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
    Norm(const float* weight, const float* bias, int channels)
        : channels_(channels), weight_(padded_copy(weight, channels)), bias_(padded_copy(bias, channels)),
          inside_(padded_copy(nullptr, channels)) {
        for (int c = 0; c < channels; ++c) inside_[c] = bit_cast<float>(~0u);
    }

    int channels() const { return channels_; }

    // [pixels, channels] -> [pixels, padded(channels)]
    template <class Out>
    void operator()(const Scalar* x, int pixels, Out* out) const {
        const int stride = padded(channels_);
        for (int p = 0; p < pixels; ++p) pixel(x + size_t(p) * channels_, out + size_t(p) * stride);
    }

  private:
    template <class Out>
    INLINE void pixel(const Scalar* x, Out* out) const {
        const int stride = padded(channels_);
        Vec total{};
        for (int c = 0; c < stride; c += kLanes) total += load<Vec>(x + c, channels_ - c);
        const float mean = sum(total) / channels_;
        Vec squares{};
        for (int c = 0; c < stride; c += kLanes) {
            const Vec centred = inside(c, load<Vec>(x + c, channels_ - c) - mean);
            squares += centred * centred;
        }
        const float scale = 1.0f / std::sqrt(sum(squares) / channels_ + 1e-5f);
        const float shift = -mean * scale;
        for (int c = 0; c < stride; c += kLanes) {
            const Vec normalised = load<Vec>(x + c, channels_ - c) * scale + shift;
            store(out + c, normalised * load<Vec>(&weight_[c]) + load<Vec>(&bias_[c]));
        }
    }

    INLINE Vec inside(int c, Vec v) const {
        return bit_cast<Vec>(bit_cast<WordsOf<Vec>>(v) & bit_cast<WordsOf<Vec>>(load<Vec>(&inside_[c])));
    }

    int channels_;
    std::vector<float> weight_, bias_, inside_;
};

// Row y of `frame`, columns [x, x + columns), normalised: zeros outside the frame.
inline void normalise_row(const Norm& norm, Frame frame, int y, int x, int columns, Number* out) {
    const int stride = padded(frame.channels);
    const int first = std::max(x, 0), last = std::min(x + columns, frame.w);
    if (y < 0 || y >= frame.h || first >= last) {
        memset(static_cast<void*>(out), 0, size_t(columns) * stride * sizeof(Number));
        return;
    }
    memset(static_cast<void*>(out), 0, size_t(first - x) * stride * sizeof(Number));
    norm(frame.at(y, first), last - first, out + size_t(first - x) * stride);
    memset(static_cast<void*>(out + size_t(last - x) * stride), 0, size_t(x + columns - last) * stride * sizeof(Number));
}

// [k·numbers a word, stride] -> [k, stride] words that pair neighbouring rows, for products that sum over rows.
inline const float* pair_rows(const Number* rows, int k, int stride, Scratch& scratch) {
#if defined(VSFDAT_PAIRS)
    float* paired = scratch.take<float>(size_t(k) * stride);
    for (int i = 0; i < k; ++i, rows += 2 * stride)
        for (int c = 0; c < stride; c += kLanes) store(paired + size_t(i) * stride + c, pair(rows + c, rows + stride + c));
    return paired;
#else
    (void)k, (void)stride, (void)scratch;
    return rows;
#endif
}

// out = sums (+ x) (+ bias), for `pixels` neighbours; sums [pixels, stride] and bias [padded(channels)] in fp32.
inline void store_sum(const Scalar* x, const float* sums, int stride, const float* bias, int pixels, int channels, Scalar* out) {
    for (int p = 0; p < pixels; ++p) {
        const size_t at = size_t(p) * channels;
        for (int c = 0; c < channels; c += kLanes) {
            Vec v = load<Vec>(sums + size_t(p) * stride + c);
            if (x) v += load<Vec>(x + at + c, channels - c);
            if (bias) v += load<Vec>(bias + c);
            store(out + at + c, v, channels - c);
        }
    }
}

}  // namespace vsfdat
