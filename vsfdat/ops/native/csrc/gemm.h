// Matrix products whose right-hand side is packed once: panels of up to three vectors of columns, each panel
// [K words][columns] and contiguous, so that the inner loop reads it in order and keeps 24 accumulators in registers.
#pragma once

#include <algorithm>
#include <vector>

#include "number.h"

namespace vsfdat {

// Columns come in units of half a 512-bit vector (whole vectors elsewhere), so that 120 or 180 of them waste next to nothing.
constexpr int kUnit = kLanes == 16 ? 8 : kLanes;

// How many columns the next panel takes when `columns` (a multiple of kUnit) are left: three vectors as long as no thin
// panel remains, in which broadcasts would outnumber the products.
constexpr int panel_columns(int columns) {
    const int tail = columns % (3 * kLanes);
    if (columns >= 6 * kLanes || tail == 0 || (columns > 3 * kLanes && tail >= 3 * kUnit)) return 3 * kLanes;
    if (columns > 2 * kLanes) return columns == 2 * kLanes + kUnit ? 3 * kUnit : 2 * kLanes;
    return columns;
}

constexpr int padded_columns(int columns) { return round_up(columns, kUnit); }

// [K, N] in panels; the panel that starts at column n lies at words + n·K.
struct Matrix {
    const float* words;
    int k;  // words to sum over
    int n;  // columns, a multiple of kUnit
};

// Where row r's k-th word of the left-hand side lies: data + r·row + k·step. One of row and step is 1.
struct Rows {
    const float* data;
    ptrdiff_t row, step;
};

// Where the product goes, and what it is added to: element (r, c) lies at data + r·row + c.
struct Sums {
    float* data;
    ptrdiff_t row;
    const float* start = nullptr;  // none: zeros
    ptrdiff_t start_row = 0;
};

inline Sums add_to(float* data, ptrdiff_t row) { return {data, row, data, row}; }

// Height rows × Width vectors of start + left·b.
//
// A function of its own: what else is done must not compete for the registers that the sums fill.
template <class V, int Height, int Width, bool Stepped>
__attribute__((noinline)) void tile(const float* left, ptrdiff_t stride, const float* b, ptrdiff_t b_step, int k, Sums out) {
    const ptrdiff_t row = Stepped ? 1 : stride, step = Stepped ? stride : 1;
    V sums[Height][Width] = {};
    if (out.start)
#pragma GCC unroll 8
        for (int r = 0; r < Height; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < Width; ++c) sums[r][c] = load<V>(out.start + r * out.start_row + c * kWidth<V>);
    for (int i = 0; i < k; ++i, b += b_step, left += step) {
        V right[Width];
#pragma GCC unroll 8
        for (int c = 0; c < Width; ++c) right[c] = load<V>(b + c * kWidth<V>);
#pragma GCC unroll 8
        for (int r = 0; r < Height; ++r) {
            const V one = splat<V>(left[r * row]);
#pragma GCC unroll 8
            for (int c = 0; c < Width; ++c) sums[r][c] = multiply_add(sums[r][c], one, right[c]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < Height; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < Width; ++c) store(out.data + r * out.row + c * kWidth<V>, sums[r][c]);
}

using Tile = void (*)(const float* left, ptrdiff_t stride, const float* b, ptrdiff_t b_step, int k, Sums out);

// The tile of `Height` rows for a panel.
template <int Height, bool Stepped>
inline Tile tile_for(int columns) {
    using Half = Floats<kUnit>;
    if (columns == 3 * kLanes) return tile<Vec, Height, 3, Stepped>;
    if (columns == 2 * kLanes) return tile<Vec, Height, 2, Stepped>;
    if (columns == kLanes) return tile<Vec, Height, 1, Stepped>;
    return columns == 3 * kUnit ? tile<Half, Height, 3, Stepped> : tile<Half, Height, 1, Stepped>;
}

// start + a·b for one panel. `rows` is rounded up to whole or half tiles: memory must reach that far on both sides.
inline void multiply_panel(Rows a, int rows, const float* b, ptrdiff_t b_step, int columns, int k, Sums out) {
    constexpr int half = kTileRows / 2;
    const bool stepped = a.step != 1;
    const Tile whole = stepped ? tile_for<kTileRows, true>(columns) : tile_for<kTileRows, false>(columns);
    const Tile rest = stepped ? tile_for<half, true>(columns) : tile_for<half, false>(columns);
    for (int row = 0; row < rows;) {
        const bool full = rows - row > half;
        const Sums part{out.data + row * out.row, out.row, out.start ? out.start + row * out.start_row : nullptr, out.start_row};
        (full ? whole : rest)(a.data + row * a.row, stepped ? a.step : a.row, b, b_step, k, part);
        row += full ? kTileRows : half;
    }
}

// start + a [rows, K] · b [K, N].
inline void multiply(Rows a, int rows, Matrix b, Sums out) {
    for (int column = 0, columns; column < b.n; column += columns) {
        columns = panel_columns(b.n - column);
        const Sums part{out.data + column, out.row, out.start ? out.start + column : nullptr, out.start_row};
        multiply_panel(a, rows, b.words + size_t(column) * b.k, columns, columns, b.k, part);
    }
}

// Hands start + a·b to `use(row, column, vector)`, tile by tile while it is in L1; `start` is one row, or none.
template <class Use>
void multiply(Rows a, int rows, Matrix b, const float* start, Use&& use) {
    using Unit = Floats<kUnit>;
    alignas(64) float product[kTileRows * 3 * kLanes];
    for (int column = 0, columns; column < b.n; column += columns) {
        columns = panel_columns(b.n - column);
        for (int row = 0; row < rows; row += kTileRows) {
            const int height = std::min(kTileRows, rows - row);
            multiply_panel({a.data + row * a.row, a.row, a.step}, height, b.words + size_t(column) * b.k, columns, columns, b.k,
                           {product, columns, start ? start + column : nullptr, 0});
            for (int r = 0; r < height; ++r) {
                const float* from = product + r * columns;
                int c = 0;
                for (; c + kLanes <= columns; c += kLanes) use(row + r, column + c, load<Vec>(from + c));
                if (c < columns) use(row + r, column + c, load<Unit>(from + c));
            }
        }
    }
}

constexpr size_t packed_words(int k, int n) { return size_t(k) * padded_columns(n); }

// Packs the transpose of `weight` [n, k], rows `row` numbers apart, into `out`, which holds packed_words(words(k), n).
inline Matrix pack(const float* weight, int n, int k, ptrdiff_t row, float* out) {
    const Matrix matrix{out, words(k), padded_columns(n)};
    for (int column = 0, columns; column < matrix.n; column += columns) {
        columns = panel_columns(matrix.n - column);
        Number* numbers = reinterpret_cast<Number*>(out + size_t(column) * matrix.k);
        for (int i = 0; i < matrix.k * kPerWord; ++i)
            for (int c = 0; c < columns; ++c) {
                const bool inside = column + c < n && i < k;
                const size_t word = size_t(i / kPerWord) * columns + c;
                numbers[word * kPerWord + i % kPerWord] = to_number(inside ? weight[(column + c) * row + i] : 0.0f);
            }
    }
    return matrix;
}

// Memory for weights that live as long as their handle.
class Packed {
  public:
    Matrix pack(const float* weight, int n, int k) {
        memory_.resize(packed_words(words(k), n) + 64 / sizeof(float));
        return vsfdat::pack(weight, n, k, k, aligned());
    }

  private:
    float* aligned() { return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(memory_.data()) + 63) & ~uintptr_t(63)); }
    std::vector<float> memory_;
};

}  // namespace vsfdat
