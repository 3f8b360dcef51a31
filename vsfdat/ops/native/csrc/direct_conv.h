// 3×3 convolutions of whole maps from or to few channels, as products over rows of scratch.
#pragma once

#include "blocks.h"
#include "depthwise.h"

namespace vsfdat {

class DirectConv {
  public:
    // weight [out, in, 3, 3]
    DirectConv(const float* weight, const float* bias, int in, int out)
        : in_(in), out_(out), bias_(padded_copy(bias, out)) {
        // Three products, one for each row of taps, over [3 taps, pixel] side by side in memory.
        std::vector<float> taps(size_t(out) * 3 * pixel());
        for (int y = 0; y < 3; ++y) {
            for (int o = 0; o < out; ++o)
                for (int i = 0; i < in; ++i)
                    for (int x = 0; x < 3; ++x)
                        taps[(size_t(o) * 3 + x) * pixel() + i] = weight[((size_t(o) * in + i) * 3 + y) * 3 + x];
            weight_[y] = memory_[y].pack(taps.data(), out, 3 * pixel());
        }
    }

    void operator()(Map map, const Scalar* residual, Output out, int threads) const {
        const Blocks blocks(map.w, out.start, out.stop, COLUMNS, threads);
        Pool::instance().run(blocks.count(), threads, [&](int i) { block(map, residual, out, blocks[i]); });
    }

  private:
    static constexpr int COLUMNS = 128;

    // Numbers of a pixel: whole words.
    int pixel() const { return words(in_) * PER_WORD; }

    void block(Map map, const Scalar* residual, Output out, Block b) const {
        Scratch& scratch = Scratch::of_this_thread();
        const int columns = b.columns(), whole = round_up(columns, TILE_ROWS), stride = padded(out_);
        Ring ring(scratch, size_t(whole + 2) * pixel() + LANES, map.h);
        float* sums = scratch.take<float>(size_t(whole) * stride);
        for (int y = b.top - 1; y <= b.bottom; ++y) {
            if (y >= 0 && y < map.h) copy_row(map, y, b.left - 1, columns + 2, ring[y]);
            const int row = y - 1;
            if (row < b.top) continue;
            for (int i = 0; i < 3; ++i)
                multiply(rows_of(ring[row - 1 + i], pixel()), columns, weight_[i],
                         i ? add_to(sums, stride) : Sums{sums, stride, bias_.data()});
            const size_t at = (size_t(row) * map.w + b.left) * out_;
            store_sum(residual ? residual + at : nullptr, sums, stride, nullptr, columns, out_, out.data + at);
        }
    }

    // Row y, columns [x, x + columns): zeros outside the map.
    void copy_row(Map map, int y, int x, int columns, Number* row) const {
        for (int i = 0; i < columns; ++i, row += pixel()) {
            const bool inside = x + i >= 0 && x + i < map.w;
            for (int c = 0; c < pixel(); c += LANES) {
                const Vec v = inside ? load<Vec>(map.at(y, x + i) + c, in_ - c) : Vec{};
                store(row + c, v, pixel() - c);
            }
        }
    }

    int in_, out_;
    Packed memory_[3];
    Matrix weight_[3];
    std::vector<float> bias_;
};

}  // namespace vsfdat
