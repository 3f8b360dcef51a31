"""Spatial blocks: the sums behind the channel gate, and window attention beside a depthwise convolution."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..interface import Rows, SpatialWeights
from . import gpu
from .build import Argument, KernelModule, load_for
from .launch import extent, over_tiles, tiles
from .norm import PackedNorm, pack_norm, padded
from .sizes import HEAD_DIM, REDUCE_THREADS, WINDOW, eighths, odd_eighths, tile_bytes


@dataclass(frozen=True)
class PackedSpatial:
    """`SpatialWeights` as the kernels read them.

    Args:
        module: Compiled for this shape.
        norm: LayerNorm and the depthwise taps.
        qkv: [heads, 96, C8]: 32 rows each of q, k and v.
        qkv_bias: [heads, 96] fp32.
        position: [heads, 4, 4, 32, 8]: of 16 queries, what each lane of a warp adds to its scores.
        warps: Of a block of spatial_apply.
    """

    module: KernelModule
    norm: PackedNorm
    qkv: Tensor
    qkv_bias: Tensor
    position: Tensor
    warps: int


def pack_spatial(weights: SpatialWeights, *, warps: int = 8) -> PackedSpatial:
    """Lay the weights out for the kernels, and compile those; once a model."""
    c, heads, device = weights.qkv.shape[1], weights.bias.shape[0], weights.qkv.device
    beyond = HEAD_DIM - c // heads
    qkv = weights.qkv.view(3, heads, c // heads, c).transpose(0, 1)
    flat_bias = weights.qkv.new_zeros(3 * c) if weights.qkv_bias is None else weights.qkv_bias
    qkv_bias = flat_bias.view(3, heads, c // heads).transpose(0, 1)
    blocks = gpu.blocks_per_multiprocessor(spatial_apply_bytes(c), device)
    return PackedSpatial(
        module=load_for(
            weights.qkv, "spatial", C=c, HEADS=heads, EPSILON=weights.norm.eps, WARPS=warps, BLOCKS_PER_SM=blocks
        ),
        norm=pack_norm(weights.norm, weights.conv),
        qkv=F.pad(qkv, (0, eighths(c) - c, 0, beyond)).contiguous(),
        qkv_bias=F.pad(qkv_bias, (0, beyond)).float().contiguous(),
        position=_by_lane(weights.bias),
        warps=warps,
    )


def _by_lane(position: Tensor) -> Tensor:
    """[heads, 64 queries, 64 keys] -> [heads, 4, 4, lane, 8]: what a lane adds to its scores lies side by side.

    A warp makes the scores of 16 queries by 16 keys, of which there are 4 by 4, as two results of `multiply16` with 8
    keys each. In each the lane 4·g + t holds queries g and g + 8, and of both the keys 2·t and 2·t + 1.
    """
    heads = position.shape[0]
    # query = 16·(its sixteen) + 8·upper + g; key = 16·(its sixteen) + 8·second + 2·t + odd
    parts = position.view(heads, 4, 2, 8, 4, 2, 4, 2)  # [heads, sixteen, upper, g, sixteen, second, t, odd]
    by_lane = parts.permute(0, 1, 4, 3, 6, 5, 2, 7)  # [heads, sixteen, sixteen, g, t, second, upper, odd]
    return by_lane.reshape(heads, 4, 4, 32, 8).contiguous()


def spatial_reduce(x: Tensor, weights: PackedSpatial, rows: Rows) -> Tensor:
    """Sum GELU(depthwise3×3(LN(x))) over the rows' pixels: [C] fp32, the same bits on every call of one GPU."""
    c, norm = x.shape[2], weights.norm
    across, down = tiles(x, rows)
    blocks = min(2 * gpu.multiprocessors(x.device), across * down)
    sums = x.new_empty((blocks, c), dtype=torch.float32)
    arguments: list[Argument] = [x, sums, norm.weight, norm.bias, norm.taps, *extent(x, rows)]
    weights.module.launch("spatial_reduce", (blocks, 1), REDUCE_THREADS, spatial_reduce_bytes(c), arguments)
    return sums.sum(0, dtype=torch.float64).float()


def spatial_apply(
    x: Tensor, out: Tensor, weights: PackedSpatial, projection: Tensor, projection_bias: Tensor, rows: Rows
) -> None:
    """Write x + window_attention(LN(x))·projectionᵀ + projection_bias + GELU(depthwise3×3(LN(x))).

    Two windows a block: x is read and out written once. Multiply-adds a pixel: 4·C² for the linear layers, 2·window²·C
    for the attention.
    """
    c, norm, heads = x.shape[2], weights.norm, weights.position.shape[0]
    beyond = HEAD_DIM - c // heads
    matrix = F.pad(projection.to(x.dtype).view(c, heads, c // heads), (0, beyond, 0, 0, 0, eighths(c) - c))
    bias = padded(projection_bias.float(), eighths(c))
    arguments = [
        x, out, norm.weight, norm.bias, weights.qkv, weights.qkv_bias, weights.position, norm.taps, matrix, bias
    ]  # fmt: skip
    over_tiles(weights.module, "spatial_apply", weights.warps, spatial_apply_bytes(c), arguments, x, out, rows)


def spatial_reduce_bytes(c: int) -> int:
    """Shared memory of a block of spatial_reduce: the tile, and two sums a channel."""
    return tile_bytes(c) + 8 * eighths(c)


def spatial_apply_bytes(c: int) -> int:
    """Shared memory of a block of spatial_apply: the tile, a head's weights, keys and values of two windows."""
    return tile_bytes(c) + 2 * (3 * HEAD_DIM * odd_eighths(c) + 4 * WINDOW**2 * (HEAD_DIM + 8))
