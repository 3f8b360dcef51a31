// 3×3 convolutions of whole maps: the cheaper of two ways.
#include <memory>

#include "direct_conv.h"
#include "exports.h"
#include "winograd.h"

namespace vsfdat {

class Conv {
  public:
    // weight [out, in, 3, 3]
    Conv(const float* weight, const float* bias, int in, int out) : out_channels_(out) {
        if (Winograd::pays(in, out))
            winograd_ = std::make_unique<Winograd>(weight, bias, in, out);
        else
            direct_ = std::make_unique<DirectConv>(weight, bias, in, out);
    }

    int out_channels() const { return out_channels_; }

    void operator()(Map map, const Scalar* residual, Output out, int threads) const {
        winograd_ ? (*winograd_)(map, residual, out, threads) : (*direct_)(map, residual, out, threads);
    }

  private:
    int out_channels_;
    std::unique_ptr<Winograd> winograd_;
    std::unique_ptr<DirectConv> direct_;
};

}  // namespace vsfdat

using namespace vsfdat;

EXPORT void* conv_new(const float* weight, const float* bias, int in, int out) {
    return new Conv(weight, bias, in, out);
}
EXPORT void conv_free(void* weights) { delete static_cast<Conv*>(weights); }
EXPORT void conv(const void* weights, const Scalar* x, int h, int w, int c, int start, int stop, int threads,
                 Scalar* out, const Scalar* residual) {
    const Conv& conv = *static_cast<const Conv*>(weights);
    conv({x, h, w, c}, residual, output(out, h, w, conv.out_channels(), start, stop), threads);
}
