// 3×3 convolutions by Winograd's F(2×2, 3×3): 16 products for four pixels instead of 36, and nearly as exact.
//
// F(4×4, 3×3) would need 2.25 a pixel instead of 4, but its larger constants cost the network a digit.
#pragma once

#include "blocks.h"

namespace vsfdat {

class Winograd {
  public:
    // weight [out, in, 3, 3]
    Winograd(const float* weight, const float* bias, int in, int out)
        : in_(in), out_(out), bias_(padded_copy(bias, out)) {
        std::vector<float> transformed[POINTS];
        for (auto& point : transformed) point.resize(size_t(out) * in);
        for (size_t i = 0; i < size_t(out) * in; ++i) {
            double points[POINTS];
            transform_weight(weight + 9 * i, points);
            for (int point = 0; point < POINTS; ++point) transformed[point][i] = float(points[point]);
        }
        for (int point = 0; point < POINTS; ++point)
            weight_[point] = memory_[point].pack(transformed[point].data(), out, in);
    }

    // Where enough channels share a pixel's transform.
    static bool pays(int in, int out) { return in >= 2 * LANES && out >= 2 * LANES; }

    void operator()(Map map, const Scalar* residual, Output out, int threads) const {
        const Blocks blocks(map.w, out.start, out.stop, 2 * TILES, threads, 2 * TILE_ROWS);
        Pool::instance().run(blocks.count(), threads, [&](int i) { block(map, residual, out, blocks[i]); });
    }

  private:
    static constexpr int POINTS = 16, TILES = 32 * PER_WORD;  // of 2×2 pixels, side by side

    // G·g·Gᵀ with G = [[1, 0, 0], [½, ½, ½], [½, -½, ½], [0, 0, 1]]
    static void transform_weight(const float* g, double* points) {
        double rows[4][3];
        for (int x = 0; x < 3; ++x) transform_three(g[x], g[3 + x], g[6 + x], &rows[0][x], 3);
        for (int y = 0; y < 4; ++y) transform_three(rows[y][0], rows[y][1], rows[y][2], points + 4 * y, 1);
    }

    static void transform_three(double a, double b, double c, double* out, int step) {
        out[0] = a;
        out[step] = (a + b + c) / 2;
        out[2 * step] = (a - b + c) / 2;
        out[3 * step] = c;
    }

    struct Workspace {
        float* rows;      // the last four rows [4][columns + 2, padded(in)]
        Number* pixels;   // transformed [POINTS][tiles, padded(in)]
        float* products;  // [POINTS][tiles, padded(out)]
        int columns, tiles;
        size_t row;

        float* row_at(int y) const { return rows + (y & 3) * row; }
    };

    void block(Map map, const Scalar* residual, Output out, Block b) const {
        Scratch& scratch = Scratch::of_this_thread();
        const int tiles = (b.columns() + 1) / 2, whole = round_up(tiles, TILE_ROWS);
        const size_t row = size_t(2 * tiles + 2) * padded(in_);
        const Workspace w{scratch.take<float>(4 * row),
                          scratch.take_zeroed<Number>(size_t(POINTS) * whole * padded(in_)),
                          scratch.take<float>(size_t(POINTS) * whole * padded(out_)),
                          2 * tiles,
                          whole,
                          row};
        // Tiles start on even rows of the map, wherever the block does: strips give the whole map's bits.
        const int first = b.top & ~1;
        for (int y = first - 1; y < first + 1; ++y) copy_row(map, y, b.left - 1, w);
        for (int y = first; y < b.bottom; y += 2) {
            copy_row(map, y + 1, b.left - 1, w);
            copy_row(map, y + 2, b.left - 1, w);
            transform_pixels(y, tiles, w);
            for (int point = 0; point < POINTS; ++point)
                multiply(rows_of(w.pixels + size_t(point) * whole * padded(in_), padded(in_)), tiles, weight_[point],
                         {w.products + size_t(point) * whole * padded(out_), padded(out_)});
            write(map, residual, out, y, b, w);
        }
    }

    // Row y as floats, from column x: zeros outside the map.
    void copy_row(Map map, int y, int x, Workspace w) const {
        const int stride = padded(in_);
        float* row = w.row_at(y);
        for (int i = 0; i < w.columns + 2; ++i, row += stride) {
            const bool inside = y >= 0 && y < map.h && x + i >= 0 && x + i < map.w;
            const Scalar* pixel = inside ? map.at(y, x + i) : nullptr;
            for (int c = 0; c < stride; c += LANES) store(row + c, inside ? load<Vec>(pixel + c, in_ - c) : Vec{});
        }
    }

    // Bᵀ·d·B with Bᵀ = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], d the 4×4 pixels around each tile.
    void transform_pixels(int y, int tiles, Workspace w) const {
        const int stride = padded(in_);
        const size_t point = size_t(w.tiles) * stride;
        const float* rows[4];
        for (int i = 0; i < 4; ++i) rows[i] = w.row_at(y - 1 + i);
        for (int c = 0; c < stride; c += LANES) {
            Vec columns[4][4];  // [column][point along y]; a tile shares two columns with the next
            for (int x = 0; x < 2; ++x) transform_column(rows, size_t(x) * stride + c, columns[x]);
            for (int t = 0; t < tiles; ++t) {
                for (int x = 2; x < 4; ++x) transform_column(rows, size_t(2 * t + x) * stride + c, columns[x]);
                Number* out = w.pixels + size_t(t) * stride + c;
#pragma GCC unroll 4
                for (int i = 0; i < 4; ++i, out += 4 * point) {
                    store(out, columns[0][i] - columns[2][i]);
                    store(out + point, columns[1][i] + columns[2][i]);
                    store(out + 2 * point, columns[2][i] - columns[1][i]);
                    store(out + 3 * point, columns[1][i] - columns[3][i]);
                    columns[0][i] = columns[2][i];
                    columns[1][i] = columns[3][i];
                }
            }
        }
    }

    static INLINE void transform_column(const float* const (&rows)[4], size_t at, Vec (&out)[4]) {
        const Vec a = load<Vec>(rows[0] + at), b = load<Vec>(rows[1] + at), c = load<Vec>(rows[2] + at),
                  d = load<Vec>(rows[3] + at);
        out[0] = a - c;
        out[1] = b + c;
        out[2] = c - b;
        out[3] = b - d;
    }

    // Aᵀ·m·A with Aᵀ = [[1, 1, 1, 0], [0, 1, -1, -1]], plus bias and residual, into the rows y and y + 1.
    void write(Map map, const Scalar* residual, Output out, int y, Block b, Workspace w) const {
        const int stride = padded(out_);
        const size_t point = size_t(w.tiles) * stride;
        for (int t = 0; 2 * t < b.columns(); ++t)
            for (int c = 0; c < out_; c += LANES) {
                const float* m = w.products + size_t(t) * stride + c;
                const Vec bias = load<Vec>(&bias_[c]);
                Vec sums[2][4];
#pragma GCC unroll 4
                for (int x = 0; x < 4; ++x) {
                    const Vec first = load<Vec>(m + x * point), second = load<Vec>(m + (4 + x) * point),
                              third = load<Vec>(m + (8 + x) * point), fourth = load<Vec>(m + (12 + x) * point);
                    sums[0][x] = first + second + third;
                    sums[1][x] = second - third - fourth;
                }
#pragma GCC unroll 2
                for (int i = 0; i < 2; ++i) {
                    if (y + i < b.top || y + i >= b.bottom) continue;
                    const int x = b.left + 2 * t;
                    const size_t at = (size_t(y + i) * map.w + x) * out_ + c;
                    const Vec left = sums[i][0] + sums[i][1] + sums[i][2], right = sums[i][1] - sums[i][2] - sums[i][3];
                    write_pixel(residual, out.data, at, c, left + bias);
                    if (x + 1 < b.right) write_pixel(residual, out.data, at + out_, c, right + bias);
                }
            }
    }

    INLINE void write_pixel(const Scalar* residual, Scalar* out, size_t at, int c, Vec v) const {
        if (residual) v += load<Vec>(residual + at, out_ - c);
        store(out + at, v, out_ - c);
    }

    int in_, out_;
    Packed memory_[POINTS];
    Matrix weight_[POINTS];
    std::vector<float> bias_;
};

}  // namespace vsfdat
