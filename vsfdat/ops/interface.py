"""What the engine may ask of a backend: the ops' names and signatures, and the weights that they read.

C is `embed_dim`, D the FFN's hidden channels, h the heads, w the window's side. The weights of a layer are one frozen
record of tensors, in the shapes that the folds leave behind.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

# The rows of a map that an op makes: first, and one past the last. The first is a multiple of the window.
Rows = tuple[int, int]


@dataclass(frozen=True)
class NetworkShape:
    """What a network's ops have in common: C, the heads, D and w."""

    channels: int
    heads: int
    hidden: int
    window: int


@dataclass(frozen=True)
class Norm:
    """LayerNorm over the channels: `weight` and `bias` [C], and what is added to the variance."""

    weight: Tensor
    bias: Tensor
    eps: float


@dataclass(frozen=True)
class SpatialWeights:
    """A spatial block's first half, but for the projection, which carries the frame's channel gate.

    Args:
        norm: Ahead of attention and convolution.
        qkv: [3·C, C]; the q rows already carry the attention scale.
        qkv_bias: [3·C], its q part scaled likewise; None where the network has none.
        bias: [h, w², w²], added to q·kᵀ.
        conv: [C, 3, 3], depthwise.
        window: w, in pixels.
    """

    norm: Norm
    qkv: Tensor
    qkv_bias: Tensor | None
    bias: Tensor
    conv: Tensor
    window: int


@dataclass(frozen=True)
class ChannelWeights:
    """A channel block's first half, but for the C×C matrix that its attention folds into, frame by frame.

    Args:
        norm: Ahead of attention and convolution.
        conv: [C, 3, 3], depthwise.
        gate: [C], the spatial gate's 1×1 convolution to one channel.
    """

    norm: Norm
    conv: Tensor
    gate: Tensor


@dataclass(frozen=True)
class FfnWeights:
    """A block's second half.

    Args:
        norm: Ahead of the linear layers.
        fc1: The first linear layer, [D, C].
        conv: [D, 3, 3], depthwise, between them.
        fc2: The second one, [C, D].
    """

    norm: Norm
    fc1: Tensor
    conv: Tensor
    fc2: Tensor


@dataclass(frozen=True)
class ConvWeights:
    """A 3×3 convolution: `weight` [C_out, C_in, 3, 3] and `bias` [C_out]."""

    weight: Tensor
    bias: Tensor | None


class Ops(Protocol):
    """The vocabulary; `reference` says what each op computes. Packed weights are the backend's own records."""

    def spatial_reduce(self, x: Tensor, weights: Any, rows: Rows, /) -> Tensor: ...  # noqa: D102
    def spatial_apply(  # noqa: D102
        self, x: Tensor, out: Tensor, weights: Any, projection: Tensor, projection_bias: Tensor, rows: Rows, /
    ) -> None: ...
    def channel_reduce(self, x: Tensor, weights: Any, rows: Rows, /) -> tuple[Tensor, Tensor]: ...  # noqa: D102
    def channel_apply(  # noqa: D102
        self, x: Tensor, out: Tensor, weights: Any, matrix: Tensor, bias: Tensor, rows: Rows, /
    ) -> None: ...
    def ffn(self, x: Tensor, out: Tensor, weights: Any, rows: Rows, /) -> None: ...  # noqa: D102
    def conv3x3(  # noqa: D102
        self, x: Tensor, out: Tensor, weights: Any, residual: Tensor | None, rows: Rows, /
    ) -> None: ...
    def product(self, a: Tensor, b: Tensor, /) -> Tensor: ...  # noqa: D102


class PackingOps(Ops, Protocol):
    """The vocabulary with weights: before an op can use them, its `pack` lays them out, once a model."""

    def pack_spatial(self, weights: SpatialWeights, /) -> Any: ...  # noqa: D102
    def pack_channel(self, weights: ChannelWeights, /) -> Any: ...  # noqa: D102
    def pack_ffn(self, weights: FfnWeights, /) -> Any: ...  # noqa: D102
    def pack_conv(self, weight: Tensor, bias: Tensor | None, /) -> Any: ...  # noqa: D102
