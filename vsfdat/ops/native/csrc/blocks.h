// How the ops cut a map: blocks of columns that suit the cache, bands of rows that suit the threads. Integers only.
#pragma once

#include "gemm.h"

namespace vsfdat {

struct Block {
    int left, right, top, bottom;

    int columns() const { return right - left; }
};

class Blocks {
  public:
    // Blocks of at most `columns`, in multiples of `unit`, both ways.
    Blocks(int width, int start, int stop, int columns, int threads, int unit = TILE_ROWS)
        : width_(width), start_(start), stop_(stop) {
        across_ = std::max(1, (width + columns - 1) / columns);
        columns_ = round_up((width + across_ - 1) / across_, unit);
        across_ = (width + columns_ - 1) / columns_;
        // Enough tasks to even out the threads' luck; every band pays for a halo.
        const int bands = std::max(1, std::min((4 * threads + across_ - 1) / across_, (stop - start) / (2 * unit)));
        rows_ = round_up((stop - start + bands - 1) / bands, unit);
        down_ = (stop - start + rows_ - 1) / rows_;
    }

    int count() const { return across_ * down_; }

    Block operator[](int i) const {
        const int left = i % across_ * columns_, top = start_ + i / across_ * rows_;
        return {left, std::min(left + columns_, width_), top, std::min(top + rows_, stop_)};
    }

  private:
    int width_, start_, stop_, across_, down_, columns_, rows_;
};

inline Rows rows_of(const Number* numbers, int stride) {
    return {reinterpret_cast<const float*>(numbers), stride / PER_WORD, 1};
}

}  // namespace vsfdat
