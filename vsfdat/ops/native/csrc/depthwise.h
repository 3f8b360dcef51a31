// Depthwise 3×3 convolutions over three rows of scratch.
#pragma once

#include "activation.h"
#include "maps.h"

namespace vsfdat {

class Depthwise {
  public:
    // weight [channels, 3, 3]
    Depthwise(const float* weight, int channels) : stride_(padded(channels)), taps_(size_t(stride_) * 9) {
        for (int c = 0; c < channels; ++c)
            for (int tap = 0; tap < 9; ++tap)
                taps_[(size_t(c / LANES) * 9 + tap) * LANES + c % LANES] = weight[size_t(c) * 9 + tap];
    }

    // Convolves columns [1, columns + 1) of three rows [columns + 2, stride] and hands each vector of the result to
    // `use(column, channel, vector)`, columns innermost: a channel's nine taps stay in registers along the row.
    template <class Use>
    INLINE void operator()(const Number* above, const Number* here, const Number* below, int columns, Use&& use) const {
        for (int c = 0; c < stride_; c += LANES) {
            Vec taps[9];
#pragma GCC unroll 9
            for (int i = 0; i < 9; ++i) taps[i] = load<Vec>(&taps_[size_t(c) * 9 + i * LANES]);
            // What the columns to the left of an output have added to it; each column adds to three outputs.
            Vec left{}, centre{};
            for (int x = 0; x < columns + 2; ++x) {
                const size_t at = size_t(x) * stride_ + c;
                const Vec a = load<Vec>(above + at), b = load<Vec>(here + at), d = load<Vec>(below + at);
                const Vec done = centre + a * taps[2] + b * taps[5] + d * taps[8];
                centre = left + a * taps[1] + b * taps[4] + d * taps[7];
                left = a * taps[0] + b * taps[3] + d * taps[6];
                if (x >= 2) use(x - 2, c, done);
            }
        }
    }

  private:
    int stride_;
    std::vector<float> taps_;
};

// The last three rows of a map under construction; outside it lies a row of zeros.
class Ring {
  public:
    Ring(Scratch& scratch, size_t row_numbers, int height)
        : rows_(scratch.take_zeroed<Number>(row_numbers * 4)), row_(row_numbers), height_(height) {}

    Number* operator[](int y) const { return y < 0 || y >= height_ ? rows_ + 3 * row_ : rows_ + y % 3 * row_; }

  private:
    Number* rows_;
    size_t row_;
    int height_;
};

}  // namespace vsfdat
