"""The reconstruction head in strips: feature map to picture."""

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from vsfdat.arch.head_layers import PA
from vsfdat.arch.upsampler import UniUpsampleV3
from vsfdat.ops import Backend, Ops, PackingOps
from vsfdat.ops.interface import Rows

from .blocks import convolve
from .fold import doubling_into_convolution
from .plan import NARROW
from .strips import cut_strips

# With fewer channels at either end, an op is mostly padding.
_FEW = 16


@dataclass(frozen=True)
class Convolution:
    """A 3×3 convolution, as an op.

    Args:
        weights: As the backend packed them.
        channels: Of the result.
    """

    weights: Any
    channels: int

    def __call__(self, ops: Ops, x: Tensor, strips: Sequence[Rows] | None = None) -> Tensor:
        """[h, w, C] -> [h, w, channels], strip by strip or at once."""
        made = x.new_empty(*x.shape[:2], self.channels)
        convolve(ops, x.contiguous(), made, self.weights, None, strips or [(0, len(x))])
        return made


@dataclass(frozen=True)
class Layers:
    """What no op does."""

    layers: nn.Sequential

    def __call__(self, ops: Ops, x: Tensor) -> Tensor:  # noqa: ARG002
        """[h, w, C] -> [h·s, w·s, C']."""
        # In this order torch sees that the channels lie last; with the batch added afterwards it copies the map.
        made: Tensor = self.layers(x.unsqueeze(0).permute(0, 3, 1, 2))
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
        layers: list[nn.Module] = _flat(copy.deepcopy(upsampler).requires_grad_(False).to(device, dtype))
        self._device = device
        self._first: Convolution | None = None
        if _begins_narrow(layers):  # by an op on the whole map, so that no strip computes its neighbours' rows again
            first, *layers = layers
            self._first = _convolution(first, backend.ops)
            if _is_doubling(first):
                layers.insert(0, nn.PixelShuffle(2))
        self._reach = reach(layers) if upsampler.in_strips else None
        self._steps = _steps(layers, backend)

    @property
    def whole(self) -> bool:
        """Whether it looks at all features at once, at places that they tell."""
        return self._reach is None

    def __call__(self, ops: Ops, features: Tensor, picture: Tensor, strips: Sequence[Rows], rows: int) -> None:
        """Fill a picture.

        Args:
            ops: The backend's, or those that fetch its maps from host memory.
            features: [h, w, C].
            picture: [C_out, H, W] fp32, written whole; what the features have beyond it is left out.
            strips: Feature rows for one op on the whole map.
            rows: Feature rows for one pass through all that follows.
        """
        if self._first is not None:
            features = self._first(ops, features, strips)
        height = features.shape[0]
        for strip in cut_strips(height, height if self.whole else rows, self._reach or 0):
            source = made = features[strip.top : strip.bottom].to(self._device)
            for step in self._steps:
                made = step(ops, made)
            scale = made.shape[0] // source.shape[0]
            start, stop = (scale * row for row in strip.inner)
            target = picture[:, scale * strip.start : scale * strip.stop]
            target.copy_(made[start:stop].permute(2, 0, 1)[:, : target.shape[1], : target.shape[2]])


def _flat(layers: nn.Sequential) -> list[nn.Module]:
    """List what runs one after the other, in whatever a network's author has put around it."""
    return [inner for layer in layers for inner in (_flat(layer) if isinstance(layer, nn.Sequential) else [layer])]


def _is_doubling(layer: nn.Module) -> TypeGuard[nn.ConvTranspose2d]:
    """Whether a layer is the transposed convolution that `fold.doubling_into_convolution` knows."""
    return isinstance(layer, nn.ConvTranspose2d) and layer.kernel_size == (4, 4) and layer.stride == (2, 2)


def _begins_narrow(layers: list[nn.Module]) -> bool:
    """Whether the first layer makes the picture's pixels, few channels for each of the features'."""
    first, *rest = layers
    if _is_doubling(first):
        return 4 * first.out_channels <= NARROW
    shuffled = all(isinstance(layer, nn.PixelShuffle) for layer in rest)
    return _is_convolution(first) and first.out_channels <= NARROW and shuffled


def _is_convolution(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    return isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)


def _convolution(layer: nn.Module, ops: PackingOps) -> Convolution:
    weights: tuple[Tensor, Tensor] = layer.get_parameter("weight"), layer.get_parameter("bias")
    if _is_doubling(layer):
        weights = doubling_into_convolution(*weights)
    return Convolution(ops.pack_conv(*weights), len(weights[1]))


def _steps(layers: Iterable[nn.Module], backend: Backend) -> list[Convolution | Layers]:
    """Give the wide convolutions to ops that are faster at them, and leave what is between them together."""
    steps: list[Convolution | Layers] = []
    for layer in layers:
        if backend.convolves and _is_convolution(layer) and min(layer.in_channels, layer.out_channels) >= _FEW:
            steps.append(_convolution(layer, backend.ops))
        elif steps and isinstance(steps[-1], Layers):
            steps[-1].layers.append(layer)
        else:
            steps.append(Layers(nn.Sequential(layer)))
    return steps


def reach(layers: Iterable[nn.Module]) -> int:
    """How many feature rows on each side decide about a row of the picture.

    Raises:
        ValueError: A layer's reach is not known here.
    """
    rows, resolution = 0.0, 1
    for layer in layers:
        if _is_plain_convolution(layer):
            rows += (layer.kernel_size[0] // 2) / resolution
        elif isinstance(layer, nn.ConvTranspose2d) and layer.dilation == (1, 1):
            overlap = layer.kernel_size[0] > layer.stride[0]
            rows += overlap / resolution
            resolution *= layer.stride[0]
        elif isinstance(layer, nn.PixelShuffle):
            resolution *= layer.upscale_factor
        elif isinstance(layer, nn.Upsample):
            resolution *= int(layer.scale_factor)  # type: ignore[arg-type]
        elif not isinstance(layer, PA | nn.GELU | nn.LeakyReLU):
            raise ValueError(f"how far {layer} looks is not known, and its head cannot run in strips")
    return math.ceil(rows)


def _is_plain_convolution(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    return isinstance(layer, nn.Conv2d) and layer.dilation == (1, 1) and layer.stride == (1, 1)
