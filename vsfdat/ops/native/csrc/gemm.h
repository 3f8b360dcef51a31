// Matrix products whose right-hand side is packed once: panels of up to three vectors of columns, each panel
// [K words][columns] and contiguous, so that the inner loop reads it in order and keeps 24 accumulators in registers.
#pragma once

#include <algorithm>
#include <vector>

#include "number.h"

namespace vsfdat {

// Columns come in units of half a 512-bit vector (whole vectors elsewhere), so that 120 or 180 of them waste next to
// nothing.
constexpr int UNIT = LANES == 16 ? 8 : LANES;

// How many columns the next panel takes when `columns` (a multiple of UNIT) are left: three vectors as long as no thin
// panel remains, in which broadcasts would outnumber the products.
constexpr int panel_columns(int columns) {
    const int tail = columns % (3 * LANES);
    if (columns >= 6 * LANES || tail == 0 || (columns > 3 * LANES && tail >= 3 * UNIT)) return 3 * LANES;
    if (columns > 2 * LANES) return columns == 2 * LANES + UNIT ? 3 * UNIT : 2 * LANES;
    return columns;
}

constexpr int padded_columns(int columns) { return round_up(columns, UNIT); }

// [K, N] in panels; the panel that starts at column n lies at words + n·K.
struct Matrix {
    const float* words;
    int k;  // words to sum over
    int n;  // columns, a multiple of UNIT
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

// HEIGHT rows × VECTORS vectors of start + left·b.
//
// A function of its own: what else is done must not compete for the registers that the sums fill.
template <class V, int HEIGHT, int VECTORS, bool STEPPED>
__attribute__((noinline)) void tile(const float* left, ptrdiff_t stride, const float* b, ptrdiff_t b_step, int k,
                                    Sums out) {
    const ptrdiff_t row = STEPPED ? 1 : stride, step = STEPPED ? stride : 1;
    V sums[HEIGHT][VECTORS] = {};
    if (out.start)
#pragma GCC unroll 8
        for (int r = 0; r < HEIGHT; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < VECTORS; ++c) sums[r][c] = load<V>(out.start + r * out.start_row + c * WIDTH<V>);
    for (int i = 0; i < k; ++i, b += b_step, left += step) {
        V right[VECTORS];
#pragma GCC unroll 8
        for (int c = 0; c < VECTORS; ++c) right[c] = load<V>(b + c * WIDTH<V>);
#pragma GCC unroll 8
        for (int r = 0; r < HEIGHT; ++r) {
            const V one = splat<V>(left[r * row]);
#pragma GCC unroll 8
            for (int c = 0; c < VECTORS; ++c) sums[r][c] = multiply_add(sums[r][c], one, right[c]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < HEIGHT; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < VECTORS; ++c) store(out.data + r * out.row + c * WIDTH<V>, sums[r][c]);
}

using Tile = void (*)(const float* left, ptrdiff_t stride, const float* b, ptrdiff_t b_step, int k, Sums out);

// The tile of `HEIGHT` rows for a panel.
template <int HEIGHT, bool STEPPED>
inline Tile tile_for(int columns) {
    using Half = Floats<UNIT>;
    if (columns == 3 * LANES) return tile<Vec, HEIGHT, 3, STEPPED>;
    if (columns == 2 * LANES) return tile<Vec, HEIGHT, 2, STEPPED>;
    if (columns == LANES) return tile<Vec, HEIGHT, 1, STEPPED>;
    return columns == 3 * UNIT ? tile<Half, HEIGHT, 3, STEPPED> : tile<Half, HEIGHT, 1, STEPPED>;
}

// start + a·b for one panel. `rows` is rounded up to whole or half tiles: memory must reach that far on both sides.
inline void multiply_panel(Rows a, int rows, const float* b, ptrdiff_t b_step, int columns, int k, Sums out) {
    constexpr int half = TILE_ROWS / 2;
    const bool stepped = a.step != 1;
    const Tile whole = stepped ? tile_for<TILE_ROWS, true>(columns) : tile_for<TILE_ROWS, false>(columns);
    const Tile rest = stepped ? tile_for<half, true>(columns) : tile_for<half, false>(columns);
    for (int row = 0; row < rows;) {
        const bool full = rows - row > half;
        const Sums part{out.data + row * out.row, out.row, out.start ? out.start + row * out.start_row : nullptr,
                        out.start_row};
        (full ? whole : rest)(a.data + row * a.row, stepped ? a.step : a.row, b, b_step, k, part);
        row += full ? TILE_ROWS : half;
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
    using Unit = Floats<UNIT>;
    alignas(64) float product[TILE_ROWS * 3 * LANES];
    for (int column = 0, columns; column < b.n; column += columns) {
        columns = panel_columns(b.n - column);
        for (int row = 0; row < rows; row += TILE_ROWS) {
            const int height = std::min(TILE_ROWS, rows - row);
            multiply_panel({a.data + row * a.row, a.row, a.step}, height, b.words + size_t(column) * b.k, columns,
                           columns, b.k, {product, columns, start ? start + column : nullptr, 0});
            for (int r = 0; r < height; ++r) {
                const float* from = product + r * columns;
                int c = 0;
                for (; c + LANES <= columns; c += LANES) use(row + r, column + c, load<Vec>(from + c));
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
        for (int i = 0; i < matrix.k * PER_WORD; ++i)
            for (int c = 0; c < columns; ++c) {
                const bool inside = column + c < n && i < k;
                const size_t word = size_t(i / PER_WORD) * columns + c;
                numbers[word * PER_WORD + i % PER_WORD] = to_number(inside ? weight[(column + c) * row + i] : 0.0f);
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
    float* aligned() {
        return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(memory_.data()) + 63) & ~uintptr_t(63));
    }
    std::vector<float> memory_;
};

}  // namespace vsfdat
