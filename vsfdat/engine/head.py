"""The reconstruction head in strips: feature map to picture."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vsfdat.arch.upsampler import PA, UniUpsampleV3
from vsfdat.ops import Ops, PackingOps
from vsfdat.ops.weights import Rows

from .blocks import convolve
from .fold import doubling_into_convolution
from .strips import cut


class Head:
    """Run an upsampler over strips of a feature map that put together equal the whole.

    Args:
        upsampler: The network's; it is copied, not changed.
        device: Where it will run.
        dtype: What it computes in.
        ops: Packs the part of the transposed head that looks at all features.
    """

    def __init__(self, upsampler: UniUpsampleV3, device: torch.device, dtype: torch.dtype, ops: PackingOps) -> None:
        layers: list[nn.Module] = list(copy.deepcopy(upsampler).requires_grad_(False).to(device, dtype))
        self._doubling: Any = None
        if is_doubling(layers[0]):
            first, *layers = layers
            weight, bias = doubling_into_convolution(first.get_parameter("weight"), first.get_parameter("bias"))
            self._doubling, self._doubled_channels = ops.pack_conv(weight, bias), len(bias)
            layers = [nn.PixelShuffle(2), *layers]
        self._layers = nn.Sequential(*layers)
        self._device = device
        self._reach = reach(layers)

    @property
    def whole(self) -> bool:
        """Whether it looks at all features at once, at places that they tell."""
        return self._reach is None

    def __call__(self, ops: Ops, features: Tensor, picture: Tensor, strips: Sequence[Rows], rows: int) -> None:
        """Fill a picture.

        Args:
            ops: Who computes.
            features: [h, w, C].
            picture: [C_out, H, W] fp32, written whole; what the features have beyond it is left out.
            strips: Feature rows for one op.
            rows: Feature rows for one pass through the layers that are not ops.
        """
        if self._doubling is not None:
            doubled = features.new_empty(*features.shape[:2], self._doubled_channels)
            convolve(ops, features, doubled, self._doubling, None, strips)
            features = doubled
        height = features.shape[0]
        for strip in cut(height, height if self.whole else rows, self._reach or 0):
            source = features[strip.top : strip.bottom].to(self._device)
            made = self._layers(source.permute(2, 0, 1).unsqueeze(0))[0]
            scale = made.shape[1] // source.shape[0]
            start, stop = (scale * row for row in strip.inner)
            target = picture[:, scale * strip.start : scale * strip.stop]
            target.copy_(made[:, start:stop][:, : target.shape[1], : target.shape[2]])


def is_doubling(first: nn.Module) -> bool:
    """Whether a head begins with a transposed convolution of stride 2 straight to the picture's channels."""
    return isinstance(first, nn.ConvTranspose2d) and first.stride == (2, 2) and first.out_channels <= 4


def reach(layers: list[nn.Module]) -> int | None:
    """How many feature rows on each side decide about a row of the picture; None where any row can."""
    rows, resolution = 0.0, 1
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            rows += (layer.kernel_size[0] // 2) / resolution
        elif isinstance(layer, nn.ConvTranspose2d):
            overlap = layer.kernel_size[0] > layer.stride[0]
            rows += overlap / resolution
            resolution *= layer.stride[0]
        elif isinstance(layer, nn.PixelShuffle):
            resolution *= layer.upscale_factor
        elif isinstance(layer, nn.Upsample):
            resolution *= int(layer.scale_factor)  # type: ignore[arg-type]
        elif not isinstance(layer, PA | nn.GELU | nn.LeakyReLU):
            return None  # dysample and lda look where the features tell them to
    return math.ceil(rows)
