"""Channel blocks: the Gram matrix of the normalised features, and the linear layer that the attention folds into."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..interface import ChannelWeights, Rows
from . import gpu
from .build import Argument, KernelModule, load_for
from .launch import extent, over_tiles
from .norm import PackedNorm, pack_norm, padded
from .sizes import SPAN, eighths, odd_eighths, tile_bytes

MOST_CHANNELS = 512  # the Gram matrix takes two threads a channel, and a block has at most 1024


@dataclass(frozen=True)
class PackedChannel:
    """`ChannelWeights` as the kernels read them.

    Args:
        module: Compiled for this shape.
        norm: LayerNorm and the depthwise taps.
        gate: [C8] fp32.
        warps: Of a block of channel_apply.
    """

    module: KernelModule
    norm: PackedNorm
    gate: Tensor
    warps: int


def pack_channel(weights: ChannelWeights, *, warps: int = 8) -> PackedChannel:
    """Lay the weights out for the kernels, and compile those; once a model."""
    c = weights.gate.shape[0]
    blocks = gpu.blocks_per_multiprocessor(channel_apply_bytes(c), weights.gate.device)
    return PackedChannel(
        module=load_for(weights.conv, "channel", C=c, EPSILON=weights.norm.eps, WARPS=warps, BLOCKS_PER_SM=blocks),
        norm=pack_norm(weights.norm, weights.conv),
        gate=padded(weights.gate.float(), eighths(c)),
        warps=warps,
    )


def channel_reduce(x: Tensor, weights: PackedChannel, rows: Rows) -> tuple[Tensor, Tensor]:
    """Sum nᵀn and n over the rows' pixels, n = LN(x): [C, C] and [C] fp32, the same bits on every call of one GPU."""
    c, norm, c8 = x.shape[2], weights.norm, eighths(x.shape[2])
    pixels = (rows[1] - rows[0]) * x.shape[1]
    blocks = min(2 * gpu.multiprocessors(x.device), -(-pixels // SPAN))
    gram = x.new_empty((blocks, c8, c8), dtype=torch.float32)
    sums = x.new_empty((blocks, c), dtype=torch.float32)
    arguments: list[Argument] = [x, gram, sums, norm.weight, norm.bias, *extent(x, rows)]
    threads = -(-c8 // 16) * 32  # a warp makes 16 rows of the matrix
    weights.module.launch("channel_reduce", (blocks, 1), threads, channel_reduce_bytes(c), arguments)
    total = gram.sum(0, dtype=torch.float64).float()
    return total[:c, :c], sums.sum(0, dtype=torch.float64).float()


def channel_apply(x: Tensor, out: Tensor, weights: PackedChannel, matrix: Tensor, bias: Tensor, rows: Rows) -> None:
    """Write x + a + GELU(depthwise3×3(LN(x)))·sigmoid(a·gate), a = LN(x)·matrixᵀ + bias; C² multiply-adds a pixel."""
    c, norm = x.shape[2], weights.norm
    beyond = eighths(c) - c
    square, shift = F.pad(matrix.to(x.dtype), (0, beyond, 0, beyond)), padded(bias.float(), eighths(c))
    arguments = [x, out, norm.weight, norm.bias, norm.taps, weights.gate, square, shift]
    over_tiles(weights.module, "channel_apply", weights.warps, channel_apply_bytes(c), arguments, x, out, rows)


def channel_reduce_bytes(c: int) -> int:
    """Shared memory of a block of channel_reduce: a span of pixels, and 8 numbers behind it, which tiles may touch."""
    return 2 * (SPAN * odd_eighths(c) + 8)


def channel_apply_bytes(c: int) -> int:
    """Shared memory of a block of channel_apply: the tile, and the matrix."""
    return tile_bytes(c) + 2 * eighths(c) * odd_eighths(c)
