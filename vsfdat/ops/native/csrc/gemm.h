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

// kTileRows rows × Columns vectors of the product, handed to `use(row, column, vector)`.
template <class V, int Columns, class Use>
INLINE void tile(Rows a, const float* b, ptrdiff_t b_step, int k, int row, int column, Use& use) {
    V sums[kTileRows][Columns] = {};
    const float* left = a.data + row * a.row;
    for (int i = 0; i < k; ++i, b += b_step, left += a.step) {
        V right[Columns];
#pragma GCC unroll 8
        for (int c = 0; c < Columns; ++c) right[c] = load<V>(b + c * kWidth<V>);
#pragma GCC unroll 8
        for (int r = 0; r < kTileRows; ++r) {
            const V one = splat<V>(left[r * a.row]);
#pragma GCC unroll 8
            for (int c = 0; c < Columns; ++c) sums[r][c] = multiply_add(sums[r][c], one, right[c]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < Columns; ++c) use(row + r, column + c * kWidth<V>, sums[r][c]);
}

// One panel against all rows. `rows` is rounded up to whole tiles: both sides' memory must reach that far.
template <class V, int Columns, class Use>
void panel(Rows a, int rows, const float* b, ptrdiff_t b_step, int k, int column, Use& use) {
    if (a.step == 1) {  // told to the compiler, which then needs no index arithmetic
        for (int row = 0; row < rows; row += kTileRows)
            tile<V, Columns>({a.data, a.row, 1}, b, b_step, k, row, column, use);
    } else {
        for (int row = 0; row < rows; row += kTileRows)
            tile<V, Columns>({a.data, 1, a.step}, b, b_step, k, row, column, use);
    }
}

// A panel of whole vectors.
template <class Use>
void full_panel(int columns, Rows a, int rows, const float* b, ptrdiff_t b_step, int k, int column, Use& use) {
    if (columns == 3 * kLanes) return panel<Vec, 3>(a, rows, b, b_step, k, column, use);
    if (columns == 2 * kLanes) return panel<Vec, 2>(a, rows, b, b_step, k, column, use);
    return panel<Vec, 1>(a, rows, b, b_step, k, column, use);
}

template <class Use>
void panel_of(int columns, Rows a, int rows, const float* b, ptrdiff_t b_step, int k, int column, Use& use) {
    using Half = Floats<kUnit>;
    if (columns % kLanes == 0) return full_panel(columns, a, rows, b, b_step, k, column, use);
    if constexpr (kUnit < kLanes) {
        if (columns == 3 * kUnit) return panel<Half, 3>(a, rows, b, b_step, k, column, use);
        return panel<Half, 1>(a, rows, b, b_step, k, column, use);
    }
}

// a [rows, K] · b [K, N], each vector of the product handed to `use(row, column, vector)`.
template <class Use>
void multiply(Rows a, int rows, Matrix b, Use&& use) {
    for (int column = 0; column < b.n;) {
        const int columns = panel_columns(b.n - column);
        panel_of(columns, a, rows, b.words + size_t(column) * b.k, columns, b.k, column, use);
        column += columns;
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
        memory_.resize(packed_words(words(k), n) + kLanes);
        return vsfdat::pack(weight, n, k, k, aligned());
    }

  private:
    float* aligned() { return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(memory_.data()) + 63) & ~uintptr_t(63)); }
    std::vector<float> memory_;
};

}  // namespace vsfdat
