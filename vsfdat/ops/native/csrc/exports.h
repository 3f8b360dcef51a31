// What the ops' C functions have in common, which Python calls: KIND_new and KIND_free for the weights of a layer, and
// for each op a function of weights, a map [h, w, c], the rows [start, stop) that it makes, threads, and what it
// writes.
#pragma once

#include "maps.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace vsfdat {

// Rows [start, stop) of a map that an op writes.
inline Output output(Scalar* out, int h, int w, int c, int start, int stop) {
    prefer_huge_pages(out, size_t(h) * w * c * sizeof(Scalar));
    return {out, start, stop};
}

}  // namespace vsfdat
