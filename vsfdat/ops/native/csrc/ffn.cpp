// x + fc2(depthwise(GELU(fc1(LN(x))))): hidden rows are computed once a column block and live in a ring of three.
#include "blocks.h"
#include "depthwise.h"
#include "exports.h"

namespace vsfdat {

class Ffn {
  public:
    Ffn(const float* norm_weight, const float* norm_bias, float epsilon, const float* fc1, const float* conv,
        const float* fc2, int channels, int hidden)
        : norm_(norm_weight, norm_bias, epsilon, channels), conv_(conv, hidden), channels_(channels), hidden_(hidden),
          fc1_(fc1_memory_.pack(fc1, hidden, channels)), fc2_(fc2_memory_.pack(fc2, channels, hidden)) {}

    void operator()(Map map, Output out, int threads) const {
        const Blocks blocks(map.w, out.start, out.stop, block_columns(), threads);
        Pool::instance().run(blocks.count(), threads, [&](int i) { block(map, out, blocks[i]); });
    }

  private:
    // The ring should leave half of a megabyte of L2 to weights and the rest.
    int block_columns() const {
        const int fitting = (384 << 10) / int(3 * padded(hidden_) * sizeof(Number));
        return std::max(fitting / TILE_ROWS * TILE_ROWS - TILE_ROWS, 2 * TILE_ROWS);
    }

    void block(Map map, Output out, Block b) const {
        Scratch& scratch = Scratch::of_this_thread();
        const int columns = b.columns(), halo_columns = round_up(columns + 2, TILE_ROWS);
        const int stride = padded(channels_), hidden_stride = padded(hidden_);
        Ring ring(scratch, size_t(halo_columns) * hidden_stride, map.h);
        Number* normalised = scratch.take_zeroed<Number>(size_t(halo_columns) * stride);
        Number* mixed = scratch.take_zeroed<Number>(size_t(round_up(columns, TILE_ROWS)) * hidden_stride);
        float* sums = scratch.take<float>(size_t(round_up(columns, TILE_ROWS)) * stride);

        for (int y = b.top - 1; y <= b.bottom; ++y) {
            if (y >= 0 && y < map.h) hidden_row(map, y, b, normalised, ring[y]);
            const int row = y - 1;
            if (row < b.top) continue;
            conv_(ring[row - 1], ring[row], ring[row + 1], columns,
                  [&](int x, int c, Vec v) { store(mixed + size_t(x) * hidden_stride + c, v); });
            multiply(rows_of(mixed, hidden_stride), columns, fc2_, {sums, stride});
            const size_t at = (size_t(row) * map.w + b.left) * channels_;
            store_sum(map.data + at, sums, stride, nullptr, columns, channels_, out.data + at);
        }
    }

    // GELU(fc1(LN(x))) of one row and a column on either side; zeros outside the map.
    void hidden_row(Map map, int y, Block b, Number* normalised, Number* hidden) const {
        const int stride = padded(hidden_), columns = b.columns() + 2;
        normalise_row(norm_, map, y, b.left - 1, columns, normalised);
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

using namespace vsfdat;

EXPORT void* ffn_new(const float* norm_weight, const float* norm_bias, float epsilon, const float* fc1,
                     const float* conv, const float* fc2, int channels, int hidden) {
    return new Ffn(norm_weight, norm_bias, epsilon, fc1, conv, fc2, channels, hidden);
}
EXPORT void ffn_free(void* weights) { delete static_cast<Ffn*>(weights); }
EXPORT void ffn(const void* weights, const Scalar* x, int h, int w, int c, int start, int stop, int threads,
                Scalar* out) {
    (*static_cast<const Ffn*>(weights))({x, h, w, c}, output(out, h, w, c, start, stop), threads);
}
