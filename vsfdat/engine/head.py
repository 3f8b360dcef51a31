"""The reconstruction head in strips: feature map to picture."""

import copy
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from vsfdat.arch.upsampler import PA, UniUpsampleV3
from vsfdat.ops import Backend, Ops, PackingOps
from vsfdat.ops.weights import Rows

from .blocks import convolve
from .fold import doubling_into_convolution
from .strips import cut

_FEW = 4


@dataclass(frozen=True)
class Doubling:
    """A transposed convolution of stride 2, as an op and a shuffle of what it gives.

    Args:
        weights: Of the op, packed.
        channels: Of the result.
    """

    weights: Any
    channels: int

    def __call__(self, ops: Ops, x: Tensor) -> Tensor:
        """[h, w, C] -> [2·h, 2·w, channels]."""
        height, width = x.shape[:2]
        made = x.new_empty(height, width, 4 * self.channels)
        ops.conv3x3(x.contiguous(), made, self.weights, None, (0, height))
        # [h, w, channels·2·2] -> [h, 2, w, 2, channels]
        shuffled = made.view(height, width, self.channels, 2, 2).permute(0, 3, 1, 4, 2)
        return shuffled.reshape(2 * height, 2 * width, self.channels)


@dataclass(frozen=True)
class Layers:
    """What no op does."""

    layers: nn.Sequential

    def __call__(self, ops: Ops, x: Tensor) -> Tensor:  # noqa: ARG002
        """[h, w, C] -> [h·s, w·s, C']."""
        made: Tensor = self.layers(x.permute(2, 0, 1).unsqueeze(0))
        return made[0].permute(1, 2, 0)


class Head:
    """Run an upsampler over strips of a feature map that put together equal the whole.

    Args:
        upsampler: The network's; it is copied, not changed.
        device: Where it will run.
        dtype: What it computes in.
        backend: Packs the parts that its ops do.
    """

    def __init__(self, upsampler: UniUpsampleV3, device: torch.device, dtype: torch.dtype, backend: Backend) -> None:
        layers: list[nn.Module] = list(copy.deepcopy(upsampler).requires_grad_(False).to(device, dtype))
        self._device = device
        self._reach = reach(layers)
        self._doubling: Doubling | None = None
        if is_doubling(layers[0]) and layers[0].out_channels <= _FEW:
            # To so few channels that the whole map has room, and no strip computes its neighbours' rows again.
            first, *layers = layers
            self._doubling = _pack_doubling(first, backend.ops)
            layers = [nn.PixelShuffle(2), *layers]
        self._steps = list(_steps(layers, backend))

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
            strips: Feature rows for one op on the whole map.
            rows: Feature rows for one pass through all that follows.
        """
        if self._doubling is not None:
            doubled = features.new_empty(*features.shape[:2], 4 * self._doubling.channels)
            convolve(ops, features, doubled, self._doubling.weights, None, strips)
            features = doubled
        height = features.shape[0]
        for strip in cut(height, height if self.whole else rows, self._reach or 0):
            source = made = features[strip.top : strip.bottom].to(self._device)
            for step in self._steps:
                made = step(ops, made)
            scale = made.shape[0] // source.shape[0]
            start, stop = (scale * row for row in strip.inner)
            target = picture[:, scale * strip.start : scale * strip.stop]
            target.copy_(made[start:stop].permute(2, 0, 1)[:, : target.shape[1], : target.shape[2]])


def is_doubling(layer: nn.Module) -> TypeGuard[nn.ConvTranspose2d]:
    """Whether a layer is the transposed convolution that `fold.doubling_into_convolution` knows."""
    return isinstance(layer, nn.ConvTranspose2d) and layer.kernel_size == (4, 4) and layer.stride == (2, 2)


def _pack_doubling(layer: nn.Module, ops: PackingOps) -> Doubling:
    weight, bias = doubling_into_convolution(layer.get_parameter("weight"), layer.get_parameter("bias"))
    return Doubling(ops.pack_conv(weight, bias), len(bias) // 4)


def _steps(layers: Iterable[nn.Module], backend: Backend) -> Iterator[Doubling | Layers]:
    """Give the doublings to the backend, where it is faster at them, and leave what is between them together."""
    for doubling, run in itertools.groupby(layers, lambda layer: backend.doubles and is_doubling(layer)):
        if doubling:
            yield from (_pack_doubling(layer, backend.ops) for layer in run)
        else:
            yield Layers(nn.Sequential(*run))


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
