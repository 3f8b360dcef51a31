// 3×3 convolutions of whole maps: the cheaper of two ways.
#pragma once

#include <memory>

#include "direct_conv.h"
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

    void operator()(Frame frame, const Scalar* residual, Output out, int threads) const {
        winograd_ ? (*winograd_)(frame, residual, out, threads) : (*direct_)(frame, residual, out, threads);
    }

  private:
    int out_channels_;
    std::unique_ptr<Winograd> winograd_;
    std::unique_ptr<DirectConv> direct_;
};

}  // namespace vsfdat
