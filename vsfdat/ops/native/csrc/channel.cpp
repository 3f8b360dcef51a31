// The channel block's first half: the Gram matrix of LN(x) over all pixels, and what its attention folds into.
#include "blocks.h"
#include "depthwise.h"
#include "exports.h"

namespace vsfdat {

class Channel {
  public:
    Channel(const float* norm_weight, const float* norm_bias, float epsilon, const float* conv, const float* gate,
            int channels)
        : norm_(norm_weight, norm_bias, epsilon, channels), conv_(conv, channels), gate_(gate, gate + channels),
          channels_(channels) {}

    // gram [C, C] = nᵀn and sums [C] of n = LN(x) over rows [start, stop).
    void reduce(Map map, int start, int stop, float* gram, float* sums, int threads) const {
        // A fixed number of parts, each summed in order: the result does not depend on the threads.
        const size_t pixels = size_t(stop - start) * map.w;
        const size_t each = std::max<size_t>((pixels + PARTS - 1) / PARTS, CHUNK);
        const int parts = int((pixels + each - 1) / each), stride = padded(channels_);
        std::vector<float> partial(size_t(parts) * stride * (stride + 1));
        const Scalar* x = map.at(start, 0);
        Pool::instance().run(parts, threads, [&](int i) {
            float* mine = &partial[size_t(i) * stride * (stride + 1)];
            const size_t first = i * each, last = std::min(first + each, pixels);
            for (size_t p = first; p < last; p += CHUNK)
                add_chunk(x + p * channels_, int(std::min<size_t>(CHUNK, last - p)), mine,
                          mine + size_t(stride) * stride);
        });
        for (int i = 0; i < channels_; ++i) {
            for (int j = i; j < channels_; ++j)
                gram[i * channels_ + j] = gram[j * channels_ + i] = total(partial, parts, size_t(i) * stride + j);
            sums[i] = total(partial, parts, size_t(stride) * stride + i);
        }
    }

    // x + a + GELU(depthwise(LN(x)))·sigmoid(a·gate) with a = LN(x)·matrixᵀ + bias.
    void apply(Map map, Output out, const float* matrix, const float* bias, int threads) const {
        Packed memory;
        const Matrix packed = memory.pack(matrix, channels_, channels_);
        // a·gate is linear in LN(x) too: no need to wait for a.
        std::vector<float> gate(padded(channels_)), padded_bias = padded_copy(bias, channels_);
        float offset = 0;
        for (int i = 0; i < channels_; ++i) {
            for (int j = 0; j < channels_; ++j) gate[j] += gate_[i] * matrix[i * channels_ + j];
            offset += gate_[i] * bias[i];
        }
        const Blocks blocks(map.w, out.start, out.stop, COLUMNS, threads);
        Pool::instance().run(blocks.count(), threads, [&](int i) {
            apply_block(map, out, packed, padded_bias.data(), gate.data(), offset, blocks[i]);
        });
    }

  private:
    static constexpr size_t PARTS = 32, CHUNK = 128;
    static constexpr int COLUMNS = 128;

    static float total(const std::vector<float>& partial, int parts, size_t at) {
        double sum = 0;
        const size_t step = partial.size() / parts;
        for (int i = 0; i < parts; ++i) sum += partial[i * step + at];
        return float(sum);
    }

    // Adds the upper triangle of nᵀn, by whole tiles, and the column sums of n.
    void add_chunk(const Scalar* x, int pixels, float* gram, float* sums) const {
        Scratch& scratch = Scratch::of_this_thread();
        scratch.reset();
        const int stride = padded(channels_), k = words(pixels);
        Number* numbers = scratch.take<Number>(size_t(k) * PER_WORD * stride);
        norm_(x, pixels, numbers);
        if (pixels % PER_WORD)
            memset(static_cast<void*>(numbers + size_t(pixels) * stride), 0, stride * sizeof(Number));
        for (int p = 0; p < pixels; ++p)
            for (int c = 0; c < stride; c += LANES)
                store(sums + c, load<Vec>(sums + c) + load<Vec>(numbers + size_t(p) * stride + c));

        const float* pixels_paired = pair_rows(numbers, k, stride, scratch);
        for (int column = 0, columns; column < stride; column += columns) {
            columns = stride - column >= 2 * LANES ? 2 * LANES : LANES;
            multiply_panel({pixels_paired, 1, stride}, column + columns, pixels_paired + column, stride, columns, k,
                           add_to(gram + column, stride));
        }
    }

    void apply_block(Map map, Output out, Matrix matrix, const float* bias, const float* gate, float offset,
                     Block b) const {
        Scratch& scratch = Scratch::of_this_thread();
        const int columns = b.columns(), stride = padded(channels_);
        Ring ring(scratch, size_t(columns + 2 + TILE_ROWS) * stride, map.h);
        float* sums = scratch.take<float>(size_t(round_up(columns, TILE_ROWS)) * stride);
        float* gates = scratch.take<float>(padded(columns));

        for (int y = b.top - 1; y <= b.bottom; ++y) {
            if (y >= 0 && y < map.h) normalise_row(norm_, map, y, b.left - 1, columns + 2, ring[y]);
            const int row = y - 1;
            if (row < b.top) continue;
            const Number* inside = ring[row] + stride;
            spatial_gates(inside, columns, gate, offset, gates);
            conv_(ring[row - 1], ring[row], ring[row + 1], columns,
                  [&](int x, int c, Vec v) { store(sums + size_t(x) * stride + c, gelu(v) * gates[x]); });
            multiply(rows_of(inside, stride), columns, matrix, add_to(sums, stride));
            const size_t at = (size_t(row) * map.w + b.left) * channels_;
            store_sum(map.data + at, sums, stride, bias, columns, channels_, out.data + at);
        }
    }

    void spatial_gates(const Number* pixels, int columns, const float* gate, float offset, float* gates) const {
        const int stride = padded(channels_);
        for (int x = 0; x < columns; ++x) {
            Vec dot{};
            for (int c = 0; c < stride; c += LANES)
                dot += load<Vec>(pixels + size_t(x) * stride + c) * load<Vec>(gate + c);
            gates[x] = sum(dot) + offset;
        }
        for (int x = 0; x < columns; x += LANES) store(gates + x, sigmoid(load<Vec>(gates + x)));
    }

    Norm norm_;
    Depthwise conv_;
    std::vector<float> gate_;
    int channels_;
};

}  // namespace vsfdat

using namespace vsfdat;

EXPORT void* channel_new(const float* norm_weight, const float* norm_bias, float epsilon, const float* conv,
                         const float* gate, int channels) {
    return new Channel(norm_weight, norm_bias, epsilon, conv, gate, channels);
}
EXPORT void channel_free(void* weights) { delete static_cast<Channel*>(weights); }
EXPORT void channel_reduce(const void* weights, const Scalar* x, int h, int w, int c, int start, int stop, int threads,
                           float* gram, float* sums) {
    static_cast<const Channel*>(weights)->reduce({x, h, w, c}, start, stop, gram, sums, threads);
}
EXPORT void channel_apply(const void* weights, const Scalar* x, int h, int w, int c, int start, int stop, int threads,
                          Scalar* out, const float* matrix, const float* bias) {
    static_cast<const Channel*>(weights)->apply({x, h, w, c}, output(out, h, w, c, start, stop), matrix, bias, threads);
}
