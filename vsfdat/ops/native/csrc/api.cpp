// The C functions that Python calls; their signatures stand once more in ../__init__.py.
#include "channel.h"
#include "conv.h"
#include "ffn.h"
#include "spatial.h"

using namespace vsfdat;

// Rows [start, stop) of a map that an op writes.
static Output output(Scalar* out, int h, int w, int c, int start, int stop) {
    prefer_huge_pages(out, size_t(h) * w * c * sizeof(Scalar));
    return {out, start, stop};
}

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void* spatial_new(const float* norm_weight, const float* norm_bias, const float* qkv, const float* qkv_bias,
                         const float* bias, const float* conv, int channels, int heads, int window) {
    return new Spatial(norm_weight, norm_bias, qkv, qkv_bias, bias, conv, channels, heads, window);
}
EXPORT void spatial_free(void* weights) { delete static_cast<Spatial*>(weights); }
EXPORT void spatial_reduce(const void* weights, const Scalar* x, int h, int w, int c, int start, int stop, int threads,
                           float* sums) {
    static_cast<const Spatial*>(weights)->reduce({x, h, w, c}, start, stop, sums, threads);
}
EXPORT void spatial_apply(const void* weights, const Scalar* x, int h, int w, int c, int start, int stop, int threads,
                          Scalar* out, const float* projection, const float* bias) {
    static_cast<const Spatial*>(weights)->apply({x, h, w, c}, output(out, h, w, c, start, stop), projection, bias, threads);
}

EXPORT void* channel_new(const float* norm_weight, const float* norm_bias, const float* conv, const float* gate, int channels) {
    return new Channel(norm_weight, norm_bias, conv, gate, channels);
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

EXPORT void* ffn_new(const float* norm_weight, const float* norm_bias, const float* fc1, const float* conv, const float* fc2,
                     int channels, int hidden) {
    return new Ffn(norm_weight, norm_bias, fc1, conv, fc2, channels, hidden);
}
EXPORT void ffn_free(void* weights) { delete static_cast<Ffn*>(weights); }
EXPORT void ffn(const void* weights, const Scalar* x, int h, int w, int c, int start, int stop, int threads, Scalar* out) {
    (*static_cast<const Ffn*>(weights))({x, h, w, c}, output(out, h, w, c, start, stop), threads);
}

EXPORT void* conv_new(const float* weight, const float* bias, int in, int out) { return new Conv(weight, bias, in, out); }
EXPORT void conv_free(void* weights) { delete static_cast<Conv*>(weights); }
EXPORT void conv(const void* weights, const Scalar* x, int h, int w, int c, int start, int stop, int threads, Scalar* out,
                 const Scalar* residual) {
    const Conv& conv = *static_cast<const Conv*>(weights);
    conv({x, h, w, c}, residual, output(out, h, w, conv.out_channels(), start, stop), threads);
}
