"""What the ops read: one frozen record of tensors a layer, in the shapes that the folds leave behind.

C is `embed_dim`, D the FFN's hidden channels, h the heads, w the window's side.
"""

from dataclasses import dataclass

from torch import Tensor

# The rows of a map that an op makes: first, and one past the last. The first is a multiple of the window.
Rows = tuple[int, int]


@dataclass(frozen=True)
class Shape:
    """What a network's ops have in common: C, the heads, D and w."""

    channels: int
    heads: int
    hidden: int
    window: int


@dataclass(frozen=True)
class Norm:
    """LayerNorm over the channels, eps 1e-5: `weight` and `bias` [C]."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class SpatialWeights:
    """A spatial block's first half, but for the projection, which carries the frame's channel gate.

    Args:
        norm: Ahead of attention and convolution.
        qkv: [3·C, C]; the q rows already carry the attention scale.
        qkv_bias: [3·C], its q part scaled likewise; None where the network has none.
        bias: [h, w², w²], added to q·kᵀ.
        conv: [C, 3, 3], depthwise.
        window: w.
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
        fc1: [D, C].
        conv: [D, 3, 3], depthwise, between them.
        fc2: [C, D].
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
