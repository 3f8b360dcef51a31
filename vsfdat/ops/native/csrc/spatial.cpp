// The spatial block's first half: window attention beside a depthwise convolution.
#include "blocks.h"
#include "depthwise.h"
#include "exports.h"

namespace vsfdat {

class Spatial {
  public:
    Spatial(const float* norm_weight, const float* norm_bias, float epsilon, const float* qkv, const float* qkv_bias,
            const float* bias, const float* conv, int channels, int heads, int window)
        : norm_(norm_weight, norm_bias, epsilon, channels), conv_(conv, channels), channels_(channels), heads_(heads),
          window_(window) {
        pack_qkv(qkv, qkv_bias);
        pack_bias(bias);
    }

    // sums [C] of GELU(depthwise(LN(x))) over rows [start, stop).
    void reduce(Map map, int start, int stop, float* sums, int threads) const {
        const int stride = padded(channels_), parts = (stop - start + REDUCE_ROWS - 1) / REDUCE_ROWS;
        std::vector<double> partial(size_t(parts) * stride);
        Pool::instance().run(parts, threads, [&](int i) {
            const int top = start + i * REDUCE_ROWS;
            for (int left = 0; left < map.w; left += COLUMNS)
                reduce_block(map, {left, std::min(left + COLUMNS, map.w), top, std::min(top + REDUCE_ROWS, stop)},
                             &partial[size_t(i) * stride]);
        });
        for (int c = 0; c < channels_; ++c) {
            double total = 0;
            for (int i = 0; i < parts; ++i) total += partial[size_t(i) * stride + c];
            sums[c] = float(total);
        }
    }

    // x + window_attention(LN(x))·projectionᵀ + projection_bias + GELU(depthwise(LN(x))).
    void apply(Map map, Output out, const float* projection, const float* projection_bias, int threads) const {
        Packed memory;
        const std::vector<float> spread = spread_heads(projection);
        const Matrix packed = memory.pack(spread.data(), channels_, inner());
        const std::vector<float> bias = padded_copy(projection_bias, channels_);
        const int columns = std::max(1, 32 / window_) * window_;
        const Blocks blocks(map.w, out.start, out.stop, columns, threads, window_);
        Pool::instance().run(blocks.count(), threads, [&](int i) {
            Scratch::of_this_thread().reset();
            apply_block(map, out, packed, bias.data(), blocks[i]);
        });
    }

  private:
    static constexpr int COLUMNS = 128, REDUCE_ROWS = 16;

    int head_dim() const { return channels_ / heads_; }
    // Heads start on whole words.
    int head_numbers() const { return words(head_dim()) * PER_WORD; }
    int inner() const { return heads_ * head_numbers(); }
    int pixels() const { return window_ * window_; }
    // Queries run along the lanes, keys along the rows of tiles.
    int queries() const { return padded(pixels()); }
    int qkv_stride() const { return padded(3 * inner()); }
    int rows() const { return round_up(pixels(), TILE_ROWS); }

    // [3·C, C] -> [3·heads·head_numbers, C]: q, k, v, each head padded; log2(e) goes into q, for exp2.
    void pack_qkv(const float* qkv, const float* bias) {
        const int n = 3 * inner();
        std::vector<float> weight(size_t(n) * channels_);
        qkv_bias_.resize(padded(n));
        for (int i = 0; i < 3 * channels_; ++i) {
            const int part = i / channels_, h = i % channels_ / head_dim(),
                      at = part * inner() + h * head_numbers() + i % head_dim();
            const float factor = part == 0 ? LOG2E : 1.0f;
            for (int c = 0; c < channels_; ++c)
                weight[size_t(at) * channels_ + c] = factor * qkv[size_t(i) * channels_ + c];
            if (bias) qkv_bias_[at] = factor * bias[i];
        }
        qkv_ = qkv_memory_.pack(weight.data(), n, channels_);
    }

    // [heads, query, key] -> [heads, key, query], in the base of exp2; rows and queries padded.
    void pack_bias(const float* bias) {
        bias_.resize(size_t(heads_) * rows() * queries());
        for (int h = 0; h < heads_; ++h)
            for (int q = 0; q < pixels(); ++q)
                for (int k = 0; k < pixels(); ++k)
                    bias_[(size_t(h) * rows() + k) * queries() + q] =
                        LOG2E * bias[(size_t(h) * pixels() + q) * pixels() + k];
    }

    // [C, C] -> [C, inner]
    std::vector<float> spread_heads(const float* projection) const {
        std::vector<float> spread(size_t(channels_) * inner());
        for (int i = 0; i < channels_; ++i)
            for (int c = 0; c < channels_; ++c)
                spread[size_t(i) * inner() + c / head_dim() * head_numbers() + c % head_dim()] =
                    projection[size_t(i) * channels_ + c];
        return spread;
    }

    void reduce_block(Map map, Block b, double* totals) const {
        Scratch& scratch = Scratch::of_this_thread();
        scratch.reset();
        const int columns = b.columns(), stride = padded(channels_);
        Ring ring(scratch, size_t(columns + 2) * stride, map.h);
        float* sums = scratch.take<float>(stride);
        for (int y = b.top - 1; y <= b.bottom; ++y) {
            if (y >= 0 && y < map.h) normalise_row(norm_, map, y, b.left - 1, columns + 2, ring[y]);
            const int row = y - 1;
            if (row < b.top) continue;
            memset(sums, 0, stride * sizeof(float));
            conv_(ring[row - 1], ring[row], ring[row + 1], columns,
                  [&](int, int c, Vec v) { store(sums + c, load<Vec>(sums + c) + gelu(v)); });
            for (int c = 0; c < stride; ++c) totals[c] += sums[c];
        }
    }

    // The scratch of one window; words where products read them.
    struct Window {
        Number* pixels;   // LN(x) [rows, padded(C)]
        Number* qkv;      // [padded(pixels), qkv_stride]
        float* queries;   // one head's q, transposed: panels of [padded(head words), panel]
        float* weights;   // one head's scores, then their exponentials, of one panel: [rows, panel]
        float* values;    // v, words along the keys: [words(pixels), inner]
        float* blended;   // the weights' product with v: [head_numbers, panel]
        float* attended;  // all heads, words along the channels: [words(inner), queries]
        float* sums;      // [rows, padded(C)]
    };

    Window window(Scratch& scratch) const {
        const size_t stride = padded(channels_);
        return {scratch.take_zeroed<Number>(rows() * stride),
                scratch.take_zeroed<Number>(size_t(queries()) * qkv_stride() + LANES),
                scratch.take<float>(size_t(padded(words(head_dim()))) * queries()),
                scratch.take_zeroed<float>(size_t(rows()) * 3 * LANES),
                scratch.take_zeroed<float>(size_t(words(pixels())) * padded(inner()) + LANES),
                scratch.take<float>(size_t(head_numbers() + TILE_ROWS) * 3 * LANES),
                scratch.take<float>(size_t(words(inner())) * queries()),
                scratch.take_zeroed<float>(rows() * stride)};
    }

    void apply_block(Map map, Output out, Matrix projection, const float* bias, Block b) const {
        Scratch& scratch = Scratch::of_this_thread();
        const int stride = padded(channels_), columns = round_up(b.columns(), window_), halo_columns = columns + 2;
        const size_t row = size_t(halo_columns) * stride;
        Number* normalised = scratch.take<Number>(row * (window_ + 2));
        const Window window = this->window(scratch);

        for (int top = b.top; top < b.bottom; top += window_) {
            for (int i = 0; i < window_ + 2; ++i)
                normalise_row(norm_, map, top - 1 + i, b.left - 1, halo_columns, normalised + i * row);
            for (int x = 0; x < columns; x += window_) {
                convolve(normalised + size_t(x) * stride, row, window);
                attend(window, projection);
                write(map, out, window.sums, bias, top, b.left + x);
            }
        }
    }

    // sums = GELU(depthwise) of one window, and its pixels side by side for the attention.
    void convolve(const Number* normalised, size_t row, Window window) const {
        const int stride = padded(channels_);
        for (int i = 0; i < window_; ++i) {
            const Number* here = normalised + (i + 1) * row;
            const size_t first = size_t(i) * window_ * stride;
            conv_(here - row, here, here + row, window_,
                  [&](int x, int c, Vec v) { store(window.sums + first + size_t(x) * stride + c, gelu(v)); });
            memcpy(static_cast<void*>(window.pixels + first), here + stride, size_t(window_) * stride * sizeof(Number));
        }
    }

    // sums += attention(pixels)·projectionᵀ
    void attend(Window w, Matrix projection) const {
        const int stride = padded(channels_);
        multiply(rows_of(w.pixels, stride), rows(), qkv_, qkv_bias_.data(),
                 [&](int x, int c, auto v) { store(w.qkv + size_t(x) * qkv_stride() + c, v); });
        const Rows values = value_words(w);
        for (int h = 0; h < heads_; ++h) {
            transpose_queries(w, h);
            for (int column = 0, columns; column < queries(); column += columns) {
                columns = panel_columns(queries() - column);
                attend_panel(w, h, values, column, columns);
            }
        }
        multiply({w.attended, 1, queries()}, rows(), projection, add_to(w.sums, stride));
    }

    // v as a left-hand side whose rows are its columns.
    Rows value_words(Window w) const {
        const Number* values = w.qkv + 2 * inner();
#if defined(VSFDAT_PAIRS)
        const int stride = padded(inner());
        for (int k = 0; k < words(pixels()); ++k, values += 2 * qkv_stride())
            for (int c = 0; c < inner(); c += LANES)
                store(w.values + size_t(k) * stride + c, pair(values + c, values + qkv_stride() + c));
        return {w.values, 1, stride};
#else
        return {values, 1, qkv_stride()};
#endif
    }

    void transpose_queries(Window w, int h) const {
        const Rows q = rows_of(w.qkv + h * head_numbers(), qkv_stride());
        const int depth = padded(words(head_dim()));
        for (int column = 0, columns; column < queries(); column += columns) {
            columns = panel_columns(queries() - column);
            float* panel = w.queries + size_t(column) * depth;
            for (int x = 0; x < columns; x += LANES)
                for (int word = 0; word < depth; word += LANES) {
                    Vec square[LANES];
                    for (int i = 0; i < LANES; ++i) square[i] = load<Vec>(q.data + (column + x + i) * q.row + word);
                    transpose(square);
                    for (int i = 0; i < LANES; ++i) store(panel + size_t(word + i) * columns + x, square[i]);
                }
        }
    }

    // attended = softmax(k·qᵀ + bias)·v of one head for `columns` queries: keys down, queries across.
    void attend_panel(Window w, int h, Rows values, int column, int columns) const {
        const Rows keys = rows_of(w.qkv + inner() + h * head_numbers(), qkv_stride());
        const float* bias = &bias_[size_t(h) * rows() * queries() + column];
        const float* queries_panel = w.queries + size_t(column) * padded(words(head_dim()));
        multiply_panel(keys, rows(), queries_panel, columns, columns, words(head_dim()),
                       {w.weights, columns, bias, queries()});

        Vec inverse[3];
        for (int x = 0; x < columns; x += LANES) inverse[x / LANES] = 1.0f / exponentials(w.weights + x, columns);
        multiply_panel({values.data + h * head_numbers(), 1, values.step}, head_numbers(), w.weights, columns, columns,
                       words(pixels()), {w.blended, columns});

        float* attended = w.attended + size_t(h) * words(head_dim()) * queries() + column;
        for (int i = 0; i < words(head_dim()); ++i)
            for (int x = 0; x < columns; x += LANES)
                store(attended + size_t(i) * queries() + x,
                      word_of(w.blended + i * PER_WORD * columns + x, columns, inverse[x / LANES]));
    }

    // The row's numbers times `factor`, as words across PER_WORD rows.
    static INLINE Vec word_of(const float* row, int columns, Vec factor) {
#if defined(VSFDAT_PAIRS)
        return pair(load<Vec>(row) * factor, load<Vec>(row + columns) * factor);
#else
        (void)columns;
        return load<Vec>(row) * factor;
#endif
    }

    // Scores [pixels, step] become 2^(score - max) in place, as words along the keys; returns their sums.
    Vec exponentials(float* scores, int step) const {
        Vec most = load<Vec>(scores), total{};
        for (int k = 1; k < pixels(); ++k) most = max(most, load<Vec>(scores + size_t(k) * step));
#if defined(VSFDAT_PAIRS)
        for (int k = 0; k < pixels(); k += 2) {
            const Vec first = exp2(load<Vec>(scores + size_t(k) * step) - most);
            const Vec second = k + 1 < pixels() ? exp2(load<Vec>(scores + size_t(k + 1) * step) - most) : Vec{};
            total += first + second;
            store(scores + size_t(k / 2) * step, pair(first, second));
        }
#else
        for (int k = 0; k < pixels(); ++k) {
            const Vec power = exp2(load<Vec>(scores + size_t(k) * step) - most);
            total += power;
            store(scores + size_t(k) * step, power);
        }
#endif
        return total;
    }

    void write(Map map, Output out, const float* sums, const float* bias, int top, int left) const {
        const int bottom = std::min(top + window_, out.stop), columns = std::min(window_, map.w - left);
        for (int y = top; y < bottom; ++y, sums += size_t(window_) * padded(channels_)) {
            const size_t at = (size_t(y) * map.w + left) * channels_;
            store_sum(map.data + at, sums, padded(channels_), bias, columns, channels_, out.data + at);
        }
    }

    static constexpr float LOG2E = 1.44269504f;

    Norm norm_;
    Depthwise conv_;
    int channels_, heads_, window_;
    Packed qkv_memory_;
    Matrix qkv_;
    std::vector<float> qkv_bias_, bias_;
};

}  // namespace vsfdat

using namespace vsfdat;

EXPORT void* spatial_new(const float* norm_weight, const float* norm_bias, float epsilon, const float* qkv,
                         const float* qkv_bias, const float* bias, const float* conv, int channels, int heads,
                         int window) {
    return new Spatial(norm_weight, norm_bias, epsilon, qkv, qkv_bias, bias, conv, channels, heads, window);
}
EXPORT void spatial_free(void* weights) { delete static_cast<Spatial*>(weights); }
EXPORT void spatial_reduce(const void* weights, const Scalar* x, int h, int w, int c, int start, int stop, int threads,
                           float* sums) {
    static_cast<const Spatial*>(weights)->reduce({x, h, w, c}, start, stop, sums, threads);
}
EXPORT void spatial_apply(const void* weights, const Scalar* x, int h, int w, int c, int start, int stop, int threads,
                          Scalar* out, const float* projection, const float* bias) {
    static_cast<const Spatial*>(weights)->apply({x, h, w, c}, output(out, h, w, c, start, stop), projection, bias,
                                                threads);
}
