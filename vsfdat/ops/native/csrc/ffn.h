// x + fc2(depthwise(GELU(fc1(LN(x))))): hidden rows are computed once a column block and live in a ring of three.
#pragma once

#include "blocks.h"
#include "depthwise.h"

namespace vsfdat {

class Ffn {
  public:
    Ffn(const float* norm_weight, const float* norm_bias, const float* fc1, const float* conv, const float* fc2, int channels,
        int hidden)
        : norm_(norm_weight, norm_bias, channels), conv_(conv, hidden), channels_(channels), hidden_(hidden),
          fc1_(fc1_memory_.pack(fc1, hidden, channels)), fc2_(fc2_memory_.pack(fc2, channels, hidden)) {}

    void operator()(Frame frame, Output out, int threads) const {
        const Blocks blocks(frame.w, out.start, out.stop, block_columns(), threads);
        Pool::instance().run(blocks.count(), threads, [&](int i) { block(frame, out, blocks[i]); });
    }

  private:
    // The ring should leave half of a megabyte of L2 to weights and the rest.
    int block_columns() const {
        const int fitting = (384 << 10) / int(3 * padded(hidden_) * sizeof(Number));
        return std::max(fitting / kTileRows * kTileRows - kTileRows, 2 * kTileRows);
    }

    void block(Frame frame, Output out, Block b) const {
        Scratch& scratch = Scratch::of_this_thread();
        const int columns = b.columns(), halo_columns = round_up(columns + 2, kTileRows);
        const int stride = padded(channels_), hidden_stride = padded(hidden_);
        Ring ring(scratch, size_t(halo_columns) * hidden_stride, frame.h);
        Number* normalised = scratch.take_zeroed<Number>(size_t(halo_columns) * stride);
        Number* mixed = scratch.take_zeroed<Number>(size_t(round_up(columns, kTileRows)) * hidden_stride);
        float* sums = scratch.take<float>(size_t(round_up(columns, kTileRows)) * stride);

        for (int y = b.top - 1; y <= b.bottom; ++y) {
            if (y >= 0 && y < frame.h) hidden_row(frame, y, b, normalised, ring[y]);
            const int row = y - 1;
            if (row < b.top) continue;
            conv_(ring[row - 1], ring[row], ring[row + 1], columns,
                  [&](int x, int c, Vec v) { store(mixed + size_t(x) * hidden_stride + c, v); });
            multiply(rows_of(mixed, hidden_stride), columns, fc2_, {sums, stride});
            const size_t at = (size_t(row) * frame.w + b.left) * channels_;
            store_sum(frame.data + at, sums, stride, nullptr, columns, channels_, out.data + at);
        }
    }

    // GELU(fc1(LN(x))) of one row and a column on either side; zeros outside the frame.
    void hidden_row(Frame frame, int y, Block b, Number* normalised, Number* hidden) const {
        const int stride = padded(hidden_), columns = b.columns() + 2;
        normalise_row(norm_, frame, y, b.left - 1, columns, normalised);
        multiply(rows_of(normalised, padded(channels_)), columns, fc1_, nullptr,
                 [&](int x, int c, auto v) { store(hidden + size_t(x) * stride + c, gelu(v)); });
    }

    Norm norm_;
    Depthwise conv_;
    int channels_, hidden_;
    Packed fc1_memory_, fc2_memory_;
    Matrix fc1_, fc2_;
};

}  // namespace vsfdat
